package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ownerID = "a0000000-0000-4000-8000-000000000005"

// reviewed is what somebody is answered of the request.
type reviewed struct {
	Request struct {
		Status, ManifestDigest string
		Reviews                []struct{ ID string }
	} `json:"airlockRequest"`
	Actions []string `json:"allowedUserActions"`
	Round   struct {
		Round, PolicyVersion int
		Slots                []struct {
			Name     string
			Open     int
			FilledBy []struct {
				Reviewer struct{ ID string }
				Decision string
			}
		}
	} `json:"reviewRound"`
}

// seats is who fills which slot, by name.
func (r reviewed) seats(names map[string]string) string {
	var words []string
	for _, s := range r.Round.Slots {
		word := fmt.Sprintf("%s: %d open", s.Name, s.Open)
		for _, f := range s.FilledBy {
			word += " " + names[f.Reviewer.ID] + " " + f.Decision
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// newBench is a table at which an owner, an airlock manager and somebody from outside have to agree, blind, each naming
// the files that they have looked at.
func newBench(t *testing.T) (b *table, names map[string]string) {
	t.Helper()
	b = newTable(t)
	b.w.settle(t, own, append(crew(), airlock.Member{ID: otherID, Roles: []airlock.Role{airlock.RoleManager}},
		airlock.Member{ID: ownerID, Roles: []airlock.Role{airlock.RoleOwner}}), false)
	b.handler = newAPI(&asked{b.service}, byName{
		"ada": b.as(requesterID), "mia": b.as(keeperID), "max": b.as(otherID), "olga": b.as(ownerID), "tara": b.admin(),
	})
	b.w.learn(t, b.handler, "Bearer tara")
	policy := map[string]any{"blind": true, "requireDigest": true, "slots": []any{
		map[string]any{"name": "owner", "count": 1, "roles": []string{"WorkspaceOwner"}},
		map[string]any{"name": "airlock-manager", "count": 1, "roles": []string{"AirlockManager"}},
		map[string]any{"name": "independent", "count": 1, "roles": []string{"AirlockManager"}, "independent": true},
	}}
	delete(b.w.bodies[own], "approvals")
	delete(b.w.bodies[own], "selfReview")
	body := b.w.replaced(own, "reviewPolicies", map[string]any{"import": policy, "export": policy})
	r, err := http.NewRequest(http.MethodPut, "/api/workspaces/"+own.id+"/airlock", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer tara")
	r.Header.Set("If-Match", b.w.etags[own])
	if code, answer := b.send(r); code != http.StatusOK {
		t.Fatalf("the policy is refused: %d %s", code, answer)
	}
	return b, map[string]string{requesterID: "ada", keeperID: "mia", otherID: "max", ownerID: "olga", "system": "system"}
}

// sees is the request as somebody is shown it.
func (b *table) sees(who string) (r reviewed) {
	b.t.Helper()
	b.ask(who, http.MethodGet, "", "", 200, &r)
	return r
}

// refused sends a review that must be refused by the rule.
func (b *table) refused(who, body string, code int, rule string) {
	b.t.Helper()
	var p struct{ Code string }
	if b.ask(who, http.MethodPost, "/review", body, code, &p); p.Code != rule {
		b.t.Errorf("%s is refused %s by %s, want %s", who, body, p.Code, rule)
	}
}

// about is a review that names the round and the digest.
func about(decision, why string, round int, digest string) string {
	return fmt.Sprintf(`{"decision":%q,"decisionExplanation":%q,"round":%d,"manifestDigest":%q`, decision, why, round, digest)
}

// TestThreeSlotsAndTwoRounds plays a request that three people have to agree on. It is given back once, changed, and
// approved. What is left of it is its audit trail, which is kept as people read it.
func TestThreeSlotsAndTwoRounds(t *testing.T) {
	b, names := newBench(t)
	b.put(map[string]string{"table.csv": "n=3"})
	b.hand()
	first := b.sees("mia").Request.ManifestDigest
	b.refused("ada", about("approved", "mine", 1, first)+"}", 403, "forbidden")
	b.refused("mia", `{"approval":true,"decisionExplanation":"fine"}`, 409, "these_files")
	b.refused("mia", about("approved", "fine", 1, strings.Repeat("0", 64))+"}", 409, "these_files")
	b.refused("mia", about("approved", "fine", 2, first)+"}", 409, "this_round")
	b.refused("mia", about("approved", "fine", 1, first)+`,"slot":"owner"}`, 409, "slot_open")
	b.refused("olga", about("changes_requested", " ", 1, first)+"}", 409, "explanation_given")
	b.ask("mia", http.MethodPost, "/review", about("approved", "I see nothing wrong.", 1, first)+"}", 200, nil)
	b.refused("mia", about("approved", "again", 1, first)+"}", 409, "first_in_round")
	b.ask("olga", http.MethodPost, "/review", about("changes_requested", "Suppress n < 10.", 1, first)+"}", 200, nil)
	b.reconcile()

	b.round = 2
	b.put(map[string]string{"table.csv": "n=12"})
	b.hand()
	at := b.sees("max")
	second := at.Request.ManifestDigest
	if first == "" || second == "" || first == second || at.Round.Round != 2 || at.seats(names) != "owner: 1 open, airlock-manager: 1 open, independent: 1 open" {
		t.Errorf("the second round begins with %+v of %q after %q", at.Round, second, first)
	}
	b.refused("max", about("approved", "fine", 1, first)+"}", 409, "this_round")
	b.ask("max", http.MethodPost, "/review", about("approved", "Counts are fine.", 2, second)+"}", 200, nil)
	for who, want := range map[string]string{
		"ada":  "owner: 1 open, airlock-manager: 0 open, independent: 1 open",
		"olga": "owner: 1 open, airlock-manager: 0 open, independent: 1 open",
		"max":  "owner: 1 open, airlock-manager: 0 open max approved, independent: 1 open",
	} {
		seen := b.sees(who)
		if got := seen.seats(names); got != want {
			t.Errorf("%s sees %s, want %s", who, got, want)
		}
		if may := slices.Contains(seen.Actions, "review"); may != (who == "olga") {
			t.Errorf("%s may review: %v", who, may)
		}
	}
	b.ask("olga", http.MethodPost, "/review", about("approved", "Suppressed as asked.", 2, second)+`,"slot":"owner"}`, 200, nil)
	var done reviewed
	b.ask("mia", http.MethodPost, "/review", about("approved", "Agreed.", 2, second)+"}", 200, &done)
	if done.Request.Status != "approval_in_progress" || len(done.Request.Reviews) != 5 {
		t.Errorf("it ends as %s with %d reviews", done.Request.Status, len(done.Request.Reviews))
	}
	b.reconcile()
	if got := b.sees("ada"); got.Request.Status != "approved" || got.seats(names) != "owner: 0 open olga approved, airlock-manager: 0 open mia approved, independent: 0 open max approved" {
		t.Errorf("the requester sees %s with %s", got.Request.Status, got.seats(names))
	}
	compareGolden(t, "three_slots.golden", b.trail(names))
}

// trail is the export of the audit trail, as people read it. Its chain must hold.
func (b *table) trail(names map[string]string) string {
	b.t.Helper()
	export := b.ask("olga", http.MethodGet, "/audit?format=jsonl", "", 200, nil)
	var records []airlock.Record
	var text strings.Builder
	digests := map[string]string{"": ""}
	for lines := bufio.NewScanner(strings.NewReader(export)); lines.Scan(); {
		var r airlock.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			b.t.Fatal(err)
		}
		records = append(records, r)
		if _, known := digests[r.Digest]; !known {
			digests[r.Digest] = fmt.Sprintf("files %c", 'A'+len(digests)-1)
		}
		policy := ""
		if r.Policy > 0 {
			policy = fmt.Sprintf("policy %d", r.Policy)
		}
		line := fmt.Sprintf("%2d  round %d  %-6s  %-8s  %-20s  %-20s  %-8s  %-7s  %s", r.Seq, r.Round, names[r.Who], r.What, r.From, r.To, policy, digests[r.Digest], r.Text)
		fmt.Fprintln(&text, strings.TrimRight(line, " "))
	}
	if _, _, err := airlock.VerifyTrail(airlock.Chain(b.s.id, b.id), records); err != nil {
		b.t.Error(err)
	}
	return text.String()
}

// compareGolden holds a text against what is kept in testdata.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update when that is right):\n%s", path, got)
	}
}

// claimed is what somebody is answered of a claim.
type claimed struct {
	Request struct {
		By    *struct{ ID string } `json:"claimedBy"`
		Until *float64             `json:"claimedUntil"`
	} `json:"airlockRequest"`
}

// TestAClaimThroughTheAPI: one reviewer claims a blind request and hands it over; the others see it, and the requester does not.
func TestAClaimThroughTheAPI(t *testing.T) {
	b, names := newBench(t)
	b.put(map[string]string{"table.csv": "n=3"})
	b.hand()
	sees := func(who string) string {
		t.Helper()
		var at claimed
		b.ask(who, http.MethodGet, "", "", 200, &at)
		if at.Request.By == nil || at.Request.Until == nil {
			return ""
		}
		return names[at.Request.By.ID]
	}
	denied := func(who, path, body, rule string) {
		t.Helper()
		var p struct{ Code string }
		if b.ask(who, http.MethodPost, path, body, 409, &p); p.Code != rule {
			t.Errorf("%s is refused %s by %s, want %s", who, path, p.Code, rule)
		}
	}
	b.ask("mia", http.MethodPost, "/claim", "", 200, nil)
	denied("max", "/claim", "", "not_claimed")
	denied("max", "/unclaim", "", "claimed_by_you")
	denied("mia", "/hand-over", `{"person":"`+requesterID+`"}`, "can_review")
	b.ask("mia", http.MethodPost, "/hand-over", `{}`, 422, nil)
	if got := []string{sees("ada"), sees("mia"), sees("max"), sees("olga"), sees("tara")}; !slices.Equal(got, []string{"", "mia", "mia", "mia", "mia"}) {
		t.Errorf("claimed: %q", got)
	}
	b.ask("mia", http.MethodPost, "/hand-over", `{"person":"`+otherID+`"}`, 200, nil)
	if got := sees("olga"); got != "max" {
		t.Errorf("handed over to %q", got)
	}
	b.ask("max", http.MethodPost, "/unclaim", "", 200, nil)
	if got := sees("olga"); got != "" {
		t.Errorf("given back, and claimed by %q", got)
	}
}
