package localazure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
)

// checked is what fsck says.
type checked struct {
	Requests   int
	Violations []json.RawMessage
	Owed       []struct{ RequestID string }
	Orphans    []struct{ Container string }
	Nudged     int
}

// fsck runs the packaged program as that command.
func fsck(t *testing.T, args ...string) (result checked, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := azure.Command(ctx, append([]string{"fsck", "-json"}, args...)...)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), problems.String())
	}
	return result, c.ProcessState.ExitCode()
}

// TestFsck runs the check on real tables and containers, with a request in the middle of its life, and then with a
// container that nobody knows.
func TestFsck(t *testing.T) {
	w := azure.Workspaces[0]
	ada := as(t, azure, "ada", w)
	id := ada.request("import")
	ada.upload(id, "a.csv", "1,2,3")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatalf("submit: %d %s", status, body)
	}
	eventually(t, "it is reviewed", func() bool { return ada.status(id) == "in_review" })
	before, code := fsck(t)
	if code != 0 || before.Requests < 1 || len(before.Violations) > 0 || len(before.Orphans) > 0 {
		t.Fatalf("exit code %d, %+v", code, before)
	}

	lost := "00000000-0000-7000-8000-00000000f5c0"
	asStorageAdmin(t, http.MethodPut, "stalimexlocal", lost)
	t.Cleanup(func() { asStorageAdmin(t, http.MethodDelete, "stalimexlocal", lost) })
	after, code := fsck(t)
	if code != 1 || len(after.Violations) > 0 || len(after.Orphans) != 1 || after.Orphans[0].Container != "stalimexlocal/"+lost {
		t.Errorf("with a container of nobody: exit code %d, %+v", code, after)
	}
}

// TestFsckRepairNudges loses the nudge that a request waits for: fsck -repair brings it on its way again.
func TestFsckRepairNudges(t *testing.T) {
	w := azure.Workspaces[0]
	ada := as(t, azure, "ada", w)
	restore := azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == "unheard" }, defender.Behavior{Delay: 2 * time.Second, NoEvent: true})
	defer restore()
	id := ada.request("import")
	ada.upload(id, "unheard", "1")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatalf("submit: %d %s", status, body)
	}
	eventually(t, "the scanner has tagged the file", func() bool {
		tags, err := azure.Storage.Tags(t.Context(), "stalimip"+localazure.TREID, id, "unheard")
		return err == nil && len(tags) > 0
	})
	waits := func(o struct{ RequestID string }) bool { return o.RequestID == id }
	if got, _ := fsck(t); !slices.ContainsFunc(got.Owed, waits) || got.Nudged != 0 || ada.status(id) != "submitted" {
		t.Fatalf("without -repair: %+v", got)
	}
	if got, _ := fsck(t, "-repair", "-workspace", w.ID); !slices.ContainsFunc(got.Owed, waits) || got.Nudged != len(got.Owed) {
		t.Fatalf("with -repair: %+v", got)
	}
	eventually(t, "it is reviewed", func() bool { return ada.status(id) == "in_review" })
}

// asStorageAdmin makes or deletes a container, with the identity that the app has.
func asStorageAdmin(t *testing.T, method, account, name string) {
	t.Helper()
	storageAdmin(t, method, "https://"+account+".blob."+azure.Storage.Suffix()+"/"+name+"?restype=container", "", nil)
}

// storageAdmin calls storage with the identity that the app has.
func storageAdmin(t *testing.T, method, address, content string, header map[string]string) []byte {
	t.Helper()
	do := func(client *http.Client, method, address, content string, header map[string]string) []byte {
		r, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			r.Header.Set(k, v)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode >= 300 {
			t.Fatalf("%s: %d %s, %v", method, response.StatusCode, body, err)
		}
		return body
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	answer := do(http.DefaultClient, http.MethodGet, azure.Entra.IdentityEndpoint()+"?api-version=2019-08-01&resource=https://storage.azure.com", "",
		map[string]string{"X-IDENTITY-HEADER": azure.Entra.IdentityHeader()})
	if err := json.Unmarshal(answer, &token); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"Authorization": "Bearer " + token.AccessToken, "x-ms-version": "2023-11-03"}
	maps.Copy(all, header)
	return do(azure.Storage.Client(), method, address, content, all)
}
