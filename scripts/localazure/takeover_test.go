package localazure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestImportAzureTRE runs the packaged program as that command on real tables, and then asks for the request as AzureTRE's own
// clients do.
func TestImportAzureTRE(t *testing.T) {
	w := azure.Workspaces[0]
	const id = "2f1c6a52-6b1e-4c7e-9a53-0d7a1f3a9b11" // of version 4, as AzureTRE's are
	person := func(name string) string {
		return fmt.Sprintf(`{"id": "%s-of-old", "name": "%s", "email": "%s@example.org", "roles": []}`, name, name, name)
	}
	export := filepath.Join(t.TempDir(), "requests.json")
	if err := os.WriteFile(export, fmt.Appendf(nil, `[{"id": "%s", "workspaceId": "%s", "type": "export", "title": "From before", "businessJustification": "x",
		"status": "approved", "createdBy": %s, "createdWhen": 1663848137.5, "updatedBy": %s, "updatedWhen": 1663848140.25, "history": [],
		"files": [{"name": "a.csv", "size": 5.0}], "reviews": [], "_ts": 1663848140}]`, id, w.ID, person("zoe"), person("yan")), 0o600); err != nil {
		t.Fatal(err)
	}
	take := func(args ...string) (string, int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := azure.Command(ctx, append(append([]string{"import-azuretre"}, args...), export)...)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		_ = c.Run() // the exit code says how it went
		return out.String(), c.ProcessState.ExitCode()
	}
	for _, step := range []struct{ flag, says string }{{"-dry-run", "1 would take"}, {"", "1 taken"}, {"", "1 there"}} {
		var args []string
		if step.flag != "" {
			args = []string{step.flag}
		}
		if out, code := take(args...); code != 0 || !strings.Contains(out, step.says) {
			t.Fatalf("exit code %d, want %q:\n%s", code, step.says, out)
		}
	}

	ada := as(t, azure, "ada", w)
	status, body := ada.call(http.MethodGet, "/"+id, "")
	var got struct {
		AirlockRequest struct {
			Status, Title            string
			CreatedWhen, UpdatedWhen float64
			CreatedBy                struct{ Name string }
			Files                    []struct{ Size float64 }
		}
		AllowedUserActions []string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if r := got.AirlockRequest; r.Status != "approved" || r.Title != "From before" || r.CreatedBy.Name != "zoe" || r.CreatedWhen != 1663848137.5 ||
		r.UpdatedWhen != 1663848140.25 || len(r.Files) != 1 || len(got.AllowedUserActions) != 0 {
		t.Errorf("%s", body)
	}
	if status, body := ada.call(http.MethodGet, "/"+id+"/link", ""); status < 400 || status >= 500 {
		t.Errorf("a link to nothing: %d %s", status, body)
	}
	if result, code := fsck(t); code != 0 {
		t.Errorf("fsck: exit code %d, %s", code, result.Violations)
	}
}
