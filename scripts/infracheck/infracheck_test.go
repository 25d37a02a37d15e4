package infracheck_test

import (
	"context"
	"os"
	"testing"
	"time"

	"airlock/scripts/infracheck"
	"airlock/scripts/infracheck/bicep"
)

const infra = "../../infra"

// load reads the templates of the repository.
func load(t *testing.T) *bicep.Program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program, err := infracheck.Load(ctx, os.DirFS(infra))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func plans(t *testing.T, program *bicep.Program) []infracheck.Plan {
	t.Helper()
	all, err := infracheck.Plans(program)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheDeploymentKeepsItsRules(t *testing.T) {
	program := load(t)
	all := plans(t, program)
	for _, r := range infracheck.Check(program, all, infracheck.Rules()) {
		t.Errorf("%s: %s", r.Rule, r.Finding)
	}
	t.Logf("%d deployments", len(all))
}
