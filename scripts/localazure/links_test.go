package localazure_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
	"airlock/scripts/localazure/entraid"
)

// grant is what a link lets people do with the files, as letters: l list, r read, w write, d delete. Other words are
// the status with which the API refuses a link.
type grant string

const (
	nothing grant = "403"
	notNow  grant = "400"
	lookAt  grant = "lr"
	change  grant = "lrwd"
)

// linkTable is who gets which link in which status: ada made the request, ben is another researcher, olga owns the
// workspace, mia reviews, rob is a researcher and reviews, and tara is TRE admin.
var linkTable = []struct {
	status                         string
	ada, ben, olga, mia, rob, tara grant
}{
	{"draft", change, nothing, change, nothing, nothing, nothing},
	{"submitted", notNow, notNow, notNow, notNow, notNow, notNow},
	{"in_review", nothing, nothing, lookAt, lookAt, lookAt, nothing},
	{"approved", lookAt, nothing, lookAt, nothing, nothing, nothing},
	{"rejected", notNow, notNow, notNow, notNow, notNow, notNow},
	{"blocked_by_scan", notNow, notNow, notNow, notNow, notNow, notNow},
	{"cancelled", notNow, notNow, notNow, notNow, notNow, notNow},
	{"revoked", notNow, notNow, notNow, notNow, notNow, notNow},
}

// visitor is somebody who asks for links.
func visitor(t *testing.T, name string, w localazure.Workspace) client {
	t.Helper()
	if name != "rob" {
		return as(t, azure, name, w)
	}
	token, err := azure.Entra.Token("ben", entraid.TokenOptions{
		Audience: w.Audience(), Claims: map[string]any{"roles": []string{"WorkspaceResearcher", "AirlockManager"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client{t, azure, token, w}
}

// TestLinksAllowWhatTheStatusGives follows links with a plain HTTP client: each allows what the table says, in its own
// container, and nothing else.
func TestLinksAllowWhatTheStatusGives(t *testing.T) {
	for _, direction := range []string{"import", "export"} {
		neighbour := reached(t, direction, "draft")
		theirs, _, _ := strings.Cut(as(t, azure, "ada", azure.Workspaces[0]).link(neighbour), "?")
		for _, row := range linkTable {
			t.Run(direction+"/"+row.status, func(t *testing.T) {
				id := reached(t, direction, row.status)
				for name, want := range map[string]grant{"ada": row.ada, "ben": row.ben, "olga": row.olga, "mia": row.mia, "rob": row.rob, "tara": row.tara} {
					for _, method := range []string{http.MethodGet, http.MethodPost} {
						status, body := visitor(t, name, azure.Workspaces[0]).call(method, "/"+id+"/link", "")
						if want == nothing && status == http.StatusForbidden || want == notNow && status == http.StatusBadRequest {
							continue
						}
						var link struct {
							ContainerURL string
							ExpiresAt    time.Time
						}
						if err := json.Unmarshal([]byte(body), &link); err != nil || status != http.StatusOK || want == nothing || want == notNow {
							t.Errorf("%s asks with %s: %d, want %s", name, method, status, want)
							continue
						}
						checkTerms(t, id, name, want, link.ContainerURL, link.ExpiresAt)
						follow(t, name, want, link.ContainerURL, theirs)
					}
				}
			})
		}
	}
}

// reached makes a request of ada's with one file and brings it to the status.
func reached(t *testing.T, direction, status string) string {
	t.Helper()
	w := azure.Workspaces[0]
	ada, mia := as(t, azure, "ada", w), as(t, azure, "mia", w)
	id := ada.request(direction)
	name, content, rest := "kept.txt", "kept", "in_review"
	switch status {
	case "submitted":
		name, rest = "silent.txt", status
		restore := azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == name && b.Container == id }, defender.Behavior{Silent: true})
		t.Cleanup(restore)
	case "blocked_by_scan":
		content, rest = string(defender.EICAR()), status
	}
	ada.upload(id, name, content)
	if status == "draft" {
		return id
	}
	act(ada, id, "submit", "")
	eventually(t, direction+" is "+rest, func() bool { return ada.status(id) == rest })
	steps := map[string][]func(){
		"approved":  {func() { act(mia, id, "review", `{"approval":true}`) }},
		"rejected":  {func() { act(mia, id, "review", `{"approval":false}`) }},
		"cancelled": {func() { act(ada, id, "cancel", "") }},
		"revoked":   {func() { act(mia, id, "review", `{"approval":true}`) }, func() { act(mia, id, "revoke", `{"reason":"why"}`) }},
	}
	for i, step := range steps[status] {
		if i > 0 {
			eventually(t, direction+" is approved", func() bool { return ada.status(id) == "approved" })
		}
		step()
	}
	eventually(t, direction+" is "+status, func() bool { return ada.status(id) == status })
	return id
}

// act fails the test unless the action is accepted.
func act(c client, id, action, body string) {
	c.t.Helper()
	if status, answer := c.call(http.MethodPost, "/"+id+"/"+action, body); status != http.StatusOK {
		c.t.Fatalf("%s: %d %s", action, status, answer)
	}
}

// checkTerms holds what a link says of itself against what the API and the audit trail say of it.
func checkTerms(t *testing.T, id, name string, want grant, link string, expiresAt time.Time) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal("the link is no URL")
	}
	q := u.Query()
	ends, err := time.Parse(time.RFC3339, q.Get("se"))
	if err != nil || !ends.Equal(expiresAt) || time.Until(ends) > time.Hour || time.Until(ends) < 50*time.Minute {
		t.Errorf("%s: the link ends at %q, expiresAt is %s", name, q.Get("se"), expiresAt)
	}
	if letters := map[grant]string{lookAt: "rl", change: "rcwdl"}[want]; q.Get("sp") != letters || q.Get("sr") != "c" {
		t.Errorf("%s: the link allows %q of %q, want %q", name, q.Get("sp"), q.Get("sr"), letters)
	}
	if !strings.Contains(u.Path, id) {
		t.Errorf("%s: the link is to %s", name, u.Path)
	}
	status, body := as(t, azure, "olga", azure.Workspaces[0]).call(http.MethodGet, "/"+id+"/audit", "")
	var trail struct {
		Records []struct{ What, Who, Trace, Text string }
		Intact  bool
	}
	if err := json.Unmarshal([]byte(body), &trail); err != nil || status != http.StatusOK || !trail.Intact || len(trail.Records) < 2 {
		t.Fatalf("audit: %d %v %s", status, err, body)
	}
	login := map[string]string{"rob": "ben"}[name]
	if login == "" {
		login = name
	}
	person, _ := azure.Entra.User(login)
	last := trail.Records[len(trail.Records)-2] // before the one of this look at it
	if last.What != "link" || last.Who != person.ID || last.Trace != q.Get("scid") || q.Get("scid") == "" || !strings.Contains(last.Text, q.Get("se")) {
		t.Errorf("%s: the last record is %+v, the link's id %q", name, last, q.Get("scid"))
	}
}

// follow tries everything with a link.
func follow(t *testing.T, name string, want grant, link, neighbour string) {
	t.Helper()
	container, sas, _ := strings.Cut(link, "?")
	account := container[:strings.LastIndex(container, "/")]
	for _, try := range []struct {
		what, method, url, body, needs string
		status                         int
	}{
		{"list", http.MethodGet, container + "?restype=container&comp=list&" + sas, "", "l", 200},
		{"read", http.MethodGet, container + "/kept.txt?" + sas, "", "r", 200},
		{"write", http.MethodPut, container + "/new.txt?" + sas, "new", "w", 201},
		{"overwrite", http.MethodPut, container + "/new.txt?" + sas, "newer", "w", 201},
		{"delete", http.MethodDelete, container + "/new.txt?" + sas, "", "d", 202},
		{"set the scanner's tag", http.MethodPut, container + "/kept.txt?comp=tags&" + sas, "<Tags><TagSet></TagSet></Tags>", "", 0},
		{"read tags", http.MethodGet, container + "/kept.txt?comp=tags&" + sas, "", "", 0},
		{"delete the container", http.MethodDelete, container + "?restype=container&" + sas, "", "", 0},
		{"list containers", http.MethodGet, account + "?comp=list&" + sas, "", "", 0},
		{"list another request", http.MethodGet, neighbour + "?restype=container&comp=list&" + sas, "", "", 0},
		{"read another request", http.MethodGet, neighbour + "/kept.txt?" + sas, "", "", 0},
		{"write to another request", http.MethodPut, neighbour + "/new.txt?" + sas, "new", "", 0},
		{"delete from another request", http.MethodDelete, neighbour + "/kept.txt?" + sas, "", "", 0},
		{"write with rights of their own making", http.MethodPut, container + "/new.txt?" + forged(sas), "new", "", 0},
	} {
		status := send(t, try.method, try.url, try.body)
		if allowed := try.needs != "" && strings.Contains(string(want), try.needs); allowed && status != try.status || !allowed && status != http.StatusForbidden {
			t.Errorf("%s can %s: status %d", name, try.what, status)
		}
	}
}

// forged is the signature with all rights written into it.
func forged(sas string) string {
	q, err := url.ParseQuery(sas)
	if err != nil {
		return ""
	}
	q.Set("sp", "racwdxyltmeopi")
	return q.Encode()
}

// send sends what somebody without the SDK would send, and returns the status.
func send(t *testing.T, method, address, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal("the link makes no request")
	}
	r.Header.Set("x-ms-version", "2024-11-04")
	if method == http.MethodPut && !r.URL.Query().Has("comp") {
		r.Header.Set("x-ms-blob-type", "BlockBlob")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(strings.ReplaceAll(err.Error(), address, "the link"))
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// TestLinksDieWhenTheRequestMovesOn keeps a link of each status that gives one out, and follows it after each way out
// of that status.
func TestLinksDieWhenTheRequestMovesOn(t *testing.T) {
	w := azure.Workspaces[0]
	for _, test := range []struct{ in, who, actor, action, body, then string }{
		{"draft", "ada", "ada", "submit", "", "in_review"},
		{"draft", "olga", "ada", "cancel", "", "cancelled"},
		{"in_review", "mia", "mia", "review", `{"approval":true}`, "approved"},
		{"in_review", "mia", "mia", "review", `{"approval":false}`, "rejected"},
		{"in_review", "mia", "mia", "review", `{"decision":"changes_requested","decisionExplanation":"round"}`, "draft"},
		{"in_review", "olga", "ada", "cancel", "", "cancelled"},
		{"approved", "ada", "mia", "revoke", `{"reason":"why"}`, "revoked"},
	} {
		for _, direction := range []string{"import", "export"} {
			t.Run(direction+"/"+test.in+" to "+test.then, func(t *testing.T) {
				id := reached(t, direction, test.in)
				container, sas, _ := strings.Cut(as(t, azure, test.who, w).link(id), "?")
				if status := send(t, http.MethodGet, container+"/kept.txt?"+sas, ""); status != http.StatusOK {
					t.Fatalf("while it lives: %d", status)
				}
				actor := as(t, azure, test.actor, w)
				act(actor, id, test.action, test.body)
				eventually(t, "it is "+test.then, func() bool { return actor.status(id) == test.then })
				eventually(t, "the link is dead", func() bool {
					return send(t, http.MethodGet, container+"/kept.txt?"+sas, "") == http.StatusNotFound &&
						send(t, http.MethodGet, container+"?restype=container&comp=list&"+sas, "") == http.StatusNotFound
				})
				if status := send(t, http.MethodPut, container+"/late.txt?"+sas, "late"); test.in == "draft" && status != http.StatusNotFound {
					t.Errorf("a late upload: %d", status)
				}
			})
		}
	}
}
