package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
)

// TestSmoke walks through the local Azure: once as it should be, and once with a scanner that finds something in every file.
func TestSmoke(t *testing.T) {
	starting, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	azure, err := localazure.Start(starting, localazure.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(azure.Stop)
	w := azure.Workspaces[0]
	token, err := azure.Token("ada", w)
	if err != nil {
		t.Fatal(err)
	}
	smoke := func(workspace, wait string) (string, error) {
		var out bytes.Buffer
		lookup := func(name string) (string, bool) { return token, name == "AIRLOCK_TOKEN" }
		err := run(t.Context(), []string{"-app", azure.Host.URL(), "-workspace", workspace, "-wait", wait}, lookup, &out)
		said := out.String()
		if err != nil {
			said += err.Error()
		}
		if strings.Contains(said, token) || strings.Contains(said, "sig=") {
			t.Errorf("it shows a token or a link: %s", said)
		}
		return said, err
	}

	said, err := smoke(w.ID, "1m")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, part := range []string{"the app is well", "uploaded a file", "in review", "is dead", "withdrawn: cancelled", "their chain holds"} {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q:\n%s", part, said)
		}
	}

	if said, err := smoke("0193f5c0-0000-7000-8000-000000000000", "1m"); err == nil {
		t.Errorf("in a workspace that is none: %s", said)
	}

	azure.Defender.Behave(defender.Behavior{Silent: true})
	if said, err := smoke(w.ID, "2s"); err == nil || !strings.Contains(said, "still submitted") || !strings.Contains(said, "is left behind") {
		t.Errorf("with a scanner that says nothing: %v\n%s", err, said)
	}
}

func TestArguments(t *testing.T) {
	nothing := func(string) (string, bool) { return "", false }
	for want, args := range map[string][]string{
		"-app and -workspace": {"-app", "https://x"},
		"-audience is needed": {"-app", "https://x", "-workspace", "w"},
	} {
		if err := run(t.Context(), args, nothing, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
