package localazure_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVerifyAudit does what an auditor does: they get the trails from the API, a copy of the container of checkpoints and the
// public key, and prove them with the packaged program; then with one record changed.
func TestVerifyAudit(t *testing.T) {
	w := azure.Workspaces[0]
	ada := as(t, azure, "ada", w)
	id := ada.request("import")
	dir := t.TempDir()
	checkpoints := filepath.Join(dir, "checkpoints")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	eventually(t, "a checkpoint knows the request", func() bool {
		if err := azure.CopyCheckpoints(ctx, checkpoints); err != nil {
			t.Fatal(err)
		}
		parts, err := filepath.Glob(filepath.Join(checkpoints, "heads", "*"))
		if err != nil {
			t.Fatal(err)
		}
		made, err := filepath.Glob(filepath.Join(checkpoints, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if content, err := os.ReadFile(part); err == nil && len(made) > 0 && strings.Contains(string(content), id) {
				return true
			}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, azure.Host.URL()+"/admin/functions/Sweep", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("x-functions-key", azure.Host.MasterKey())
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode != http.StatusAccepted {
			t.Fatalf("the sweep: %v, %v", response, err)
		}
		response.Body.Close()
		return false
	})
	status, trail := as(t, azure, "olga", w).call(http.MethodGet, "/"+id+"/audit?format=jsonl", "")
	if status != http.StatusOK {
		t.Fatalf("audit: %d %s", status, trail)
	}
	file := filepath.Join(dir, "trail.jsonl")
	verify := func(content string) (int, string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := azure.Command(ctx, "verify-audit", "-some", "-key", azure.PublicKey, "-checkpoints", checkpoints, file)
		c.Env = nil // it needs no settings either
		out, _ := c.CombinedOutput()
		return c.ProcessState.ExitCode(), string(out)
	}
	if code, out := verify(trail); code != 0 || !strings.Contains(out, "ok: "+w.ID+"/"+id) {
		t.Errorf("exit code %d, %s", code, out)
	}
	if code, out := verify(strings.Replace(trail, `"what":"create"`, `"what":"cancel"`, 1)); code != 1 || !strings.Contains(out, "record 1 has been changed") {
		t.Errorf("exit code %d, %s", code, out)
	}
}
