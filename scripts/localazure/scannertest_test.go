package localazure_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"airlock/scripts/localazure/defender"
)

// TestScannerTest puts the test file before a scanner that works, and then before one that is silent. Neither is a request.
func TestScannerTest(t *testing.T) {
	tara := as(t, azure, "tara", azure.Workspaces[0])
	type result struct {
		State, Event, Tag, Problem string
		Started                    float64 `json:"startedWhen"`
		Seconds                    float64
	}
	ask := func(method string, want int) (r result) {
		t.Helper()
		status, body := tara.url(method, azure.Host.URL()+"/api/health/scanner", "")
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != want {
			t.Fatalf("%s: %d %s, %v", method, status, body, err)
		}
		return r
	}
	before, _ := fsck(t)
	if got := ask(http.MethodGet, 200); got.State != "none" {
		t.Errorf("before: %+v", got)
	}
	if got := ask(http.MethodPost, 202); got.State != "running" && got.State != "passed" {
		t.Errorf("started: %+v", got)
	}
	var passed result
	eventually(t, "the scanner passes", func() bool { passed = ask(http.MethodGet, 200); return passed.State == "passed" })
	if passed.Event != "Malicious" || passed.Tag != "Malicious" || passed.Problem != "" || passed.Seconds <= 0 {
		t.Errorf("passed: %+v", passed)
	}

	restore := azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == "eicar.txt" }, defender.Behavior{Silent: true})
	defer restore()
	if got := ask(http.MethodPost, 202); got.State != "running" || got.Event != "" || got.Tag != "" || got.Started <= passed.Started {
		t.Errorf("started again: %+v", got)
	}
	if got := ask(http.MethodPost, 202); got.State != "running" || got.Started <= passed.Started {
		t.Errorf("asked again: %+v", got)
	}
	if after, code := fsck(t); code != 0 || after.Requests != before.Requests || len(after.Orphans) > 0 {
		t.Errorf("exit code %d, %+v", code, after)
	}
	ada := as(t, azure, "ada", azure.Workspaces[0])
	if status, _ := ada.url(http.MethodPost, azure.Host.URL()+"/api/health/scanner", ""); status != http.StatusForbidden {
		t.Errorf("a researcher starts a test: %d", status)
	}
}
