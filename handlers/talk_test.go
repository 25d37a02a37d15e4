package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// byName is tokens that are names.
type byName map[string]airlock.Identity

// Identify implements api.Tokens.
func (n byName) Identify(_ context.Context, authorization string) (airlock.Identity, error) {
	who, ok := n[strings.TrimPrefix(authorization, "Bearer ")]
	if !ok {
		return airlock.Identity{}, api.ErrNoToken
	}
	return who, nil
}

// table is where people sit who work on one request through the API.
type table struct {
	*life
	handler http.Handler
	round   int
}

// newTable makes a request with nothing in it. Its requester is ada, and mia and max review.
func newTable(t *testing.T) *table {
	t.Helper()
	w := newWorld(t, statemachine.Draft)
	members := append(crew(), airlock.Member{ID: otherID, Roles: []airlock.Role{airlock.RoleManager}})
	w.settle(t, own, members, false)
	l := &life{t: t, w: w, s: own, service: w.service()}
	settings, err := w.store.Settings(context.Background(), own.id)
	if err != nil {
		t.Fatal(err)
	}
	settings.MaxFiles = 10
	if _, err := l.service.PutSettings(context.Background(), l.admin(), settings); err != nil {
		t.Fatal(err)
	}
	names := byName{"ada": l.as(requesterID), "mia": l.as(keeperID), "max": l.as(otherID)}
	b := &table{life: l, handler: newAPI(&asked{l.service}, names), round: 1}
	var made struct {
		Request struct{ ID string } `json:"airlockRequest"`
	}
	b.ask("ada", http.MethodPost, "", `{"type":"import"}`, 201, &made)
	l.id = made.Request.ID
	l.reconcile()
	return b
}

// ask sends one call about the request and reads the answer, which must have the status.
func (b *table) ask(who, method, path, body string, want int, into any) string {
	b.t.Helper()
	target := "/api/workspaces/" + b.s.id + "/requests"
	if b.id != "" {
		target += "/" + b.id + path
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+who)
	code, answer := b.send(r)
	if code != want {
		b.t.Fatalf("%s: %s %s %s: %d %s, want %d", who, method, path, body, code, answer, want)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			b.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return answer
}

func (b *table) send(r *http.Request) (code int, body string) {
	answer := httptest.NewRecorder()
	b.handler.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

// intake is the container for the files of the present round.
func (b *table) intake() airlock.Place { return b.at("stalimextre") }

func (b *table) at(account string) airlock.Place {
	p := b.place(account)
	if b.round > 1 {
		p.Container = fmt.Sprintf("%s-%d", p.Container, b.round)
	}
	return p
}

// put uploads files, by name.
func (b *table) put(files map[string]string) {
	b.t.Helper()
	for name, content := range files {
		if _, err := b.w.zones.Put(b.intake(), name, memzone.File{Content: []byte(content)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// hand submits, and lets the scanner find nothing.
func (b *table) hand() {
	b.t.Helper()
	b.ask("ada", http.MethodPost, "/submit", "", 200, nil)
	b.reconcile()
	blobs, ok := b.w.zones.Blobs(b.at("stalimiptre"))
	if !ok {
		b.t.Fatal("nothing is in the holding zone")
	}
	for _, f := range blobs {
		if err := b.w.zones.Tag(b.at("stalimiptre"), f.Name, airlock.Clean); err != nil && !errors.Is(err, airlock.ErrNotFound) {
			b.t.Fatal(err)
		}
	}
	b.reconcile()
}

// say is the body of a comment.
func say(text, visibility, file string) string {
	fields := map[string]string{"text": text, "visibility": visibility}
	if file != "" {
		fields["file"] = file
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		panic(err) // texts cannot fail to encode
	}
	return string(encoded)
}

type commentAnswer struct {
	ID, As, Text, Visibility, Status string
	File                             *string
	Round                            int
}

// heard is what somebody is shown, by its texts.
func (b *table) heard(who string) string {
	b.t.Helper()
	var list struct{ Comments []commentAnswer }
	b.ask(who, http.MethodGet, "/comments", "", 200, &list)
	texts := make([]string, len(list.Comments))
	for i, c := range list.Comments {
		texts[i] = c.Text
	}
	return strings.Join(texts, ", ")
}

// TestNotesOnFiles comments on files of the round, and on what is none.
func TestNotesOnFiles(t *testing.T) {
	b := newTable(t)
	const name = "tables/für 2026.csv"
	b.put(map[string]string{name: "n,1", "other.csv": "x"})
	b.ask("ada", http.MethodPost, "/comments", say("what of this?", "shared", name), 422, nil)
	b.hand()
	var c commentAnswer
	b.ask("mia", http.MethodPost, "/comments", say("cells with n < 10", "shared", name), 201, &c)
	if c.File == nil || *c.File != name || c.Round != 1 || c.As != "reviewer" || c.Status != "in_review" || c.ID == "" {
		t.Errorf("the note is %+v", c)
	}
	for _, file := range []string{"tables/für 2026.CSV", "tables", "tables/../other.csv", "gone.csv", "<script>", strings.Repeat("é", 1024)} {
		body := b.ask("mia", http.MethodPost, "/comments", say("x", "private", file), 422, nil)
		if !strings.Contains(body, `"field":"file"`) || len(body) > 2000 {
			t.Errorf("%.40q: %s", file, body)
		}
	}
	b.ask("mia", http.MethodPost, "/comments", say("x", "private", strings.Repeat("é", 1025)), 422, nil)
	if got := b.heard("max"); got != "cells with n < 10" {
		t.Errorf("heard %q", got)
	}
}

// TestTextsThatWouldRun sends markup through every door that takes Markdown: nothing is stored.
func TestTextsThatWouldRun(t *testing.T) {
	b := newTable(t)
	b.put(map[string]string{"a": "x"})
	b.hand()
	for _, evil := range []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](data:text/html,x)", "![x](https://a.example/x.png)",
		"[x]: java&Tab;script&colon;x", "a\u0000b", "a\u202eb",
	} {
		encoded, err := json.Marshal(evil)
		if err != nil {
			t.Fatal(err)
		}
		for path, body := range map[string]string{
			"/comments": say(evil, "shared", ""), "/revoke": `{"reason":` + string(encoded) + `}`,
			"/review": `{"decision":"rejected","decisionExplanation":` + string(encoded) + `}`,
		} {
			answer := b.ask("mia", http.MethodPost, path, body, 422, nil)
			var p struct {
				Code, Detail string
				Errors       []struct{ Field string }
			}
			if err := json.Unmarshal([]byte(answer), &p); err != nil || p.Code != "invalid" || len(p.Errors) != 1 || !strings.HasSuffix(p.Detail, ".") {
				t.Errorf("%s %q: %s", path, evil, answer)
			}
		}
	}
	if got := b.heard("mia"); got != "" {
		t.Errorf("stored: %q", got)
	}
	b.ask("mia", http.MethodPost, "/comments", say("p<0.05, see [this](https://a.example)", "shared", ""), 201, nil)
}

// TestCommentPages follows the links from page to page.
func TestCommentPages(t *testing.T) {
	b := newTable(t)
	for n := range 7 {
		b.ask("ada", http.MethodPost, "/comments", say(fmt.Sprint(n), "shared", ""), 201, nil)
	}
	texts, path, pages := "", "/comments?limit=3", 0
	for path != "" {
		r := httptest.NewRequest(http.MethodGet, "/api/workspaces/"+b.s.id+"/requests/"+b.id+path, nil)
		r.Header.Set("Authorization", "Bearer mia")
		answer := httptest.NewRecorder()
		b.handler.ServeHTTP(answer, r)
		var list struct{ Comments []commentAnswer }
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || answer.Code != 200 {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		for _, c := range list.Comments {
			texts += c.Text
		}
		pages++
		link := strings.TrimSuffix(strings.TrimPrefix(answer.Header().Get("Link"), "<"), `>; rel="next"`)
		next, err := url.Parse(link)
		if err != nil || pages > 3 {
			t.Fatalf("page %d: Link %q: %v", pages, link, err)
		}
		path = ""
		if link != "" {
			path = "/comments?" + next.RawQuery
		}
	}
	if texts != "0123456" || pages != 3 {
		t.Errorf("%d pages tell %q", pages, texts)
	}
	b.ask("mia", http.MethodGet, "/comments?cursor=x", "", 422, nil)
	b.ask("mia", http.MethodGet, "/comments?limit=0", "", 422, nil)
}

type fileAnswer struct {
	Files []struct {
		Name               string
		Change, ComparedBy *string
	}
	Round             int
	Sealed            bool
	ComparedWithRound *int
	Gone              []struct {
		Name string
		Size int64
	}
}

// String is what became of each file, in one line.
func (a fileAnswer) String() string {
	text := fmt.Sprintf("round %d sealed=%v:", a.Round, a.Sealed)
	if a.ComparedWithRound != nil {
		text = fmt.Sprintf("round %d since %d sealed=%v:", a.Round, *a.ComparedWithRound, a.Sealed)
	}
	for _, f := range a.Files {
		text += " " + f.Name
		if f.Change != nil {
			text += "=" + *f.Change
		}
		if f.ComparedBy != nil {
			text += "/" + *f.ComparedBy
		}
	}
	for _, f := range a.Gone {
		text += fmt.Sprintf(" -%s(%d)", f.Name, f.Size)
	}
	return text
}

// files is what somebody is shown of the files.
func (b *table) files(who, query string) string {
	b.t.Helper()
	var a fileAnswer
	b.ask(who, http.MethodGet, "/files"+query, "", 200, &a)
	return a.String()
}

// TestTwoRounds plays a request that is given back, changed and approved: the reviewers of the second round see what
// became of every file, what was said in the first, and the files of the first.
func TestTwoRounds(t *testing.T) {
	b := newTable(t)
	b.put(map[string]string{"same.csv": "s", "changed.csv": "c1", "gone.csv": "123", "long.csv": "1"})
	b.hand()
	const first = "round 1 sealed=true: changed.csv gone.csv long.csv same.csv"
	for _, who := range []string{"ada", "mia"} {
		if got := b.files(who, ""); got != first {
			t.Errorf("%s sees %s", who, got)
		}
	}
	b.ask("mia", http.MethodPost, "/comments", say("small cells", "shared", "changed.csv"), 201, nil)
	b.ask("mia", http.MethodPost, "/comments", say("I do not trust it", "private", ""), 201, nil)
	b.ask("mia", http.MethodPost, "/review", `{"decision":"changes_requested","decisionExplanation":"Suppress n < 10."}`, 200, nil)
	b.reconcile()
	b.round = 2
	if got, want := b.heard("ada"), "small cells"; got != want {
		t.Errorf("the requester hears %q, want %q", got, want)
	}
	const draft = "changed.csv=changed/md5 long.csv=changed/size new.csv=new same.csv=same/md5 -gone.csv(3)"
	const second = "changed.csv=changed/sha256 long.csv=changed/sha256 new.csv=new same.csv=same/sha256 -gone.csv(3)"
	if got, want := b.files("ada", ""), "round 2 since 1 sealed=false: changed.csv=same/md5 gone.csv=same/md5 long.csv=same/md5 same.csv=same/md5"; got != want {
		t.Errorf("handed back: %s\nwant %s", got, want)
	}
	if err := b.w.zones.Remove(context.Background(), b.intake(), "gone.csv"); err != nil {
		t.Fatal(err)
	}
	b.put(map[string]string{"changed.csv": "c2", "long.csv": "12345", "new.csv": "n"})
	if got, want := b.files("ada", ""), "round 2 since 1 sealed=false: "+draft; got != want {
		t.Errorf("the draft: %s\nwant %s", got, want)
	}
	b.ask("ada", http.MethodPost, "/comments", say("suppressed", "shared", ""), 201, nil)
	b.hand()
	for _, who := range []string{"ada", "mia", "max"} {
		if got, want := b.files(who, ""), "round 2 since 1 sealed=true: "+second; got != want {
			t.Errorf("%s sees %s\nwant %s", who, got, want)
		}
		if got := b.files(who, "?round=1"); got != first {
			t.Errorf("%s sees of the first round %s", who, got)
		}
	}
	if got, want := b.heard("max"), "small cells, I do not trust it, suppressed"; got != want {
		t.Errorf("the other reviewer hears %q, want %q", got, want)
	}
	var seen struct {
		Request struct {
			Reviews []struct {
				Round       int
				Explanation string `json:"decisionExplanation"`
			}
		} `json:"airlockRequest"`
	}
	b.ask("max", http.MethodPost, "/review", `{"decision":"approved","decisionExplanation":"Now it is."}`, 200, &seen)
	if reviews := seen.Request.Reviews; len(reviews) != 2 || reviews[0].Round != 1 || reviews[0].Explanation != "Suppress n < 10." || reviews[1].Round != 2 {
		t.Errorf("the reviews are %+v", reviews)
	}
	b.reconcile()
	if got, want := b.files("ada", ""), "round 2 since 1 sealed=true: "+second; got != want {
		t.Errorf("approved: %s\nwant %s", got, want)
	}
	for _, round := range []string{"0", "3", "-1", "x", "99999999999999999999"} {
		b.ask("mia", http.MethodGet, "/files?round="+round, "", 422, nil)
	}
}
