package api

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

//go:generate go test -run TestDocument -update

// TestDocument keeps the committed document as the code has it, and its version honest: versions.txt holds the hash of
// the document for every version that there was, and a version that stands there never changes.
func TestDocument(t *testing.T) {
	e := newEdge(t)
	document, err := e.server.api.OpenAPI().YAML()
	if err != nil {
		t.Fatal(err)
	}
	if !*update {
		committed, err := os.ReadFile("openapi.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if string(committed) != string(document) {
			t.Error("openapi.yaml is not what the code has: run go generate")
		}
	}
	sum := sha256.Sum256(document)
	line := contractVersion + " " + hex.EncodeToString(sum[:])
	versions, err := os.ReadFile("versions.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(versions), " ", "\t"))
	at := slices.Index(lines, contractVersion)
	switch {
	case at >= 0 && lines[at+1] != hex.EncodeToString(sum[:]):
		t.Fatal("the contract has changed: raise contractVersion, then run go generate")
	case at < 0 && !*update:
		t.Fatal("the version is new: run go generate")
	case at < 0:
		versions = append(versions, line+"\n"...)
	}
	if *update {
		for name, content := range map[string][]byte{"openapi.yaml": document, "versions.txt": versions} {
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDocumentServed checks what clients get: OpenAPI 3.1, for anybody, whose enums are the state machine's.
func TestDocumentServed(t *testing.T) {
	e := newEdge(t)
	w := e.do("GET", "/api/openapi.json", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"openapi":"3.1.0"`) || e.log[0].Operation != "getDocument" {
		t.Errorf("status %d, log %+v: %.200s", w.Code, e.log, w.Body)
	}
	schemas := e.server.api.OpenAPI().Components.Schemas.Map()
	var statuses []any
	for _, s := range statemachine.Statuses() {
		statuses = append(statuses, string(s.Status))
	}
	if got := schemas["AirlockRequest"].Properties["status"].Enum; !slices.Equal(got, statuses) {
		t.Errorf("statuses %v", got)
	}
	// What the table lets people ask for, and nothing else, stands in the document.
	offered := map[any]bool{}
	for parties := statemachine.Party(1); parties < 1<<7; parties++ {
		for _, s := range statemachine.Statuses() {
			for _, failedIn := range statemachine.Statuses() {
				for _, held := range []bool{false, true} {
					claim := map[bool]statemachine.Claim{true: statemachine.ClaimOwn}[held]
					for _, a := range statemachine.AllowedActions(statemachine.Facts{Status: s.Status, FailedIn: failedIn.Status, Parties: parties,
						SelfReview: true, SlotsOpen: 1, OnHold: held, Held: held, Claim: claim}) {
						offered[string(a)] = true
					}
				}
			}
		}
	}
	actions := schemas["RequestWithActions"].Properties["allowedUserActions"].Items.Enum
	for _, a := range actions {
		if !offered[a] {
			t.Errorf("action %v is documented and never offered", a)
		}
	}
	if len(actions) != len(offered) {
		t.Errorf("actions %v, offered %v", actions, offered)
	}
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		if schemas[name] != nil {
			t.Errorf("%s is documented and never sent", name)
		}
	}
	if longest := schemas["NewRequest"].Properties["title"].MaxLength; *longest != airlock.MaxText {
		t.Errorf("titles have %d characters", *longest)
	}
}

// TestEveryOperationIsDescribed keeps the document readable, and every operation behind a token but the open ones.
func TestEveryOperationIsDescribed(t *testing.T) {
	e := newEdge(t)
	count := 0
	for path, item := range e.server.api.OpenAPI().Paths {
		for _, o := range []struct {
			method string
			*huma.Operation
		}{{"GET", item.Get}, {"POST", item.Post}, {"PUT", item.Put}} {
			if o.Operation == nil {
				continue
			}
			count++
			if o.OperationID == "" || o.Summary == "" || o.Description == "" || len(o.Tags) != 1 {
				t.Errorf("%s %s: %+v", o.method, path, o.Operation)
			}
			for _, p := range o.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", o.method, path, p.Name)
				}
			}
			target := strings.NewReplacer("{workspace_id}", workspaceID, "{airlock_request_id}", requestID).Replace(path)
			if path == "/api/health" {
				continue
			}
			if w := e.do(o.method, target, ""); w.Code != 401 {
				t.Errorf("%s %s without a token: %d", o.method, target, w.Code)
			}
		}
	}
	if count != 28 {
		t.Errorf("%d operations", count)
	}
}

// TestDocsPage checks that the page shows everything and loads nothing.
func TestDocsPage(t *testing.T) {
	e := newEdge(t)
	w := e.do("GET", "/api/docs", "")
	page := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("policy %q", policy)
	}
	for _, outside := range regexp.MustCompile(`(?i)(src|href)="[^#"]*"|url\(|@import|<script|<link`).FindAllString(page, -1) {
		if outside != `href="openapi.json"` {
			t.Errorf("the page loads %s", outside)
		}
	}
	document := e.server.api.OpenAPI()
	for path := range document.Paths {
		if !strings.Contains(page, "<code>"+path+"</code>") {
			t.Errorf("the page does not show %s", path)
		}
	}
	for name := range document.Components.Schemas.Map() {
		if !strings.Contains(page, `id="`+name+`"`) || !strings.Contains(page, `href="#`+name+`"`) {
			t.Errorf("the page does not show %s, or nothing leads there", name)
		}
	}
}
