package busqueue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/busqueue"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// house is the whole airlock in memory, whose messages are noted.
type house struct {
	*airlock.Service
	t        *testing.T
	now      time.Time
	ids      int
	zones    *memzone.Zones
	verdict  airlock.ScanResult
	messages map[string][]byte // the first of each name
	count    int
}

const home = "0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a0001"

func someone(n int, name string, roles ...airlock.Role) airlock.Identity {
	return airlock.Identity{Person: airlock.Person{
		ID: fmt.Sprintf("a0000000-0000-4000-8000-%012x", n), Name: name, Email: strings.ToLower(name) + "@tre.example", Roles: roles, Audience: "api://home",
	}}
}

var (
	rita = someone(1, "Rita", airlock.RoleResearcher)
	mara = someone(2, "Mara", airlock.RoleManager)
	milo = someone(3, "Milo", airlock.RoleManager)
	olga = someone(4, "Olga", airlock.RoleOwner)
	tara = airlock.Identity{Person: airlock.Person{ID: "tara", Roles: []airlock.Role{airlock.RoleAdmin}}, ForAPI: true}
)

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 7, 1, 9, 0, 5, 25e7, time.UTC), verdict: airlock.Clean, messages: map[string][]byte{}}
	h.zones = memzone.New(memzone.Options{Now: h.clock})
	timing := airlock.DefaultTiming()
	timing.SettingsCache = 0
	h.Service = &airlock.Service{
		Store: &memstore.Store{}, Zones: h.zones, Queue: h, Announcer: h, TRE: "tre", Layout: airlock.DefaultLayout(), Timing: timing,
		Page:      func(w, r string) string { return "https://tre.example/workspaces/" + w + "/requests/" + r },
		Operators: []string{"ops@tre.example"}, ScanTags: true, SweepWorkers: 1, Spread: func() float64 { return 0.5 },
		Now: h.clock, NewID: h.id, NewTrace: h.id, Report: func(_ context.Context, err error) { t.Log(err) },
	}
	s := airlock.DefaultSettings(home)
	s.Name, s.Description, s.Audience, s.MaxFiles, s.IncludeLocation = "Asthma cohort", "A study", "api://home", 10, true
	for _, p := range []airlock.Identity{rita, mara, milo, olga} {
		s.Members = append(s.Members, airlock.Member{ID: p.ID, Name: p.Name, Email: p.Email, Roles: p.Roles})
	}
	s.Members = append(s.Members, airlock.Member{ID: "a-group", Name: "Night shift", Roles: []airlock.Role{airlock.RoleManager}})
	if _, err := h.PutSettings(t.Context(), tara, s); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) clock() time.Time { return h.now }

func (h *house) id() string {
	h.ids++
	return fmt.Sprintf("0198c0de-0000-7000-8000-%012x", h.ids)
}

// Nudge and Ping are the queue: nothing comes by it, the test looks at requests itself.
func (h *house) Nudge(context.Context, airlock.Nudge, time.Duration) error { return nil }
func (h *house) Ping(context.Context) error                                { return nil }

// Announce notes the message, under the name of what happened and who is told.
func (h *house) Announce(_ context.Context, n airlock.Notice) error {
	body, err := busqueue.EncodeNotice(n)
	if err != nil {
		return err
	}
	conforms(h.t, body)
	h.count++
	what := string(n.Status)
	switch {
	case n.Occasion != statemachine.StatusChanged:
		what = string(n.Occasion)
	case n.Status == statemachine.Draft && n.Decision != "":
		what = "returned"
	case n.Status == statemachine.Draft && n.PreviousStatus == statemachine.Submitted:
		what = "unsealed"
	}
	name := what + "-" + string(n.Audience)
	if _, ok := h.messages[name]; !ok {
		h.messages[name] = body
	}
	return nil
}

// then lets everything happen that follows by itself, a little later.
func (h *house) then(v airlock.View, err error) airlock.Request {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	h.now = h.now.Add(10 * time.Minute)
	for range 5 {
		if err := h.Reconcile(h.t.Context(), home, v.Request.ID); err != nil {
			h.t.Fatal(err)
		}
		h.scan()
	}
	r, err := h.Store.Request(h.t.Context(), home, v.Request.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// scan gives every file in a holding zone the verdict.
func (h *house) scan() {
	for _, p := range h.zones.Places() {
		blobs, _ := h.zones.Blobs(p)
		for _, b := range blobs {
			if p.Account != "stalexipws0001" && p.Account != "stalimiptre" || b.Copy == airlock.CopyPending {
				continue
			}
			verdict := airlock.Verdict{Result: h.verdict, At: "2026-07-01T09:30:00Z"}
			if h.verdict == airlock.Malicious {
				verdict.Malware, verdict.SHA256 = []string{"Virus:DOS/EICAR_Test_File"}, fmt.Sprintf("%064x", 7)
			}
			_, err := h.Scanned(h.t.Context(), airlock.ScanReport{Place: p, Name: b.Name, ETag: b.ETag, Verdict: verdict})
			if err = errors.Join(err, h.zones.Tag(p, b.Name, h.verdict)); err != nil && !errors.Is(err, airlock.ErrNotFound) {
				h.t.Fatal(err)
			}
		}
	}
}

func (h *house) draft() airlock.Request {
	h.t.Helper()
	r := h.then(h.Create(h.t.Context(), rita, home, airlock.NewRequest{Type: airlock.Export, Title: "Results of wave 3", Justification: "Needed for the paper."}))
	h.upload(r, "Tables and a figure.")
	return r
}

func (h *house) upload(r airlock.Request, content string) {
	h.t.Helper()
	place, err := h.Layout.Place(r.Type, h.TRE, "0001", r.ID, statemachine.Spot{Zone: statemachine.Intake, Round: r.Round})
	for _, name := range []string{"results/table 1.csv", "figure.png"} {
		if _, putErr := h.zones.Put(place, name, memzone.File{Content: []byte(content)}); errors.Join(err, putErr) != nil {
			h.t.Fatal(err, putErr)
		}
	}
}

func (h *house) submitted() airlock.Request {
	h.t.Helper()
	return h.then(h.Submit(h.t.Context(), rita, home, h.draft().ID))
}

func (h *house) reviewed(by airlock.Identity, r airlock.Request, d statemachine.Decision, text string) airlock.Request {
	h.t.Helper()
	return h.then(h.Review(h.t.Context(), by, home, r.ID, airlock.NewReview{Decision: d, Explanation: text}))
}

// waits lets days pass.
func (h *house) waits(r airlock.Request, days int) airlock.Request {
	h.now = h.now.Add(time.Duration(days) * 24 * time.Hour)
	return h.then(airlock.View{Request: r}, nil)
}

// TestMessages plays every life of a request. Each message fits its schema, and the first of each kind is kept in
// testdata: subscribers are tried on these.
func TestMessages(t *testing.T) {
	h := newHouse(t)
	r := h.reviewed(mara, h.submitted(), statemachine.DecisionChangesRequested, "Table 1 has cells with counts below ten.\nPlease round them.")
	h.upload(r, "Rounded.")
	r = h.then(h.Submit(t.Context(), rita, home, r.ID))
	r = h.waits(h.waits(r, 2), 3)
	r = h.reviewed(milo, r, statemachine.DecisionApproved, "Good work.")
	h.then(h.Revoke(t.Context(), mara, home, r.ID, "Released by mistake."))
	h.reviewed(mara, h.submitted(), statemachine.DecisionRejected, "Row level data must not leave.")
	h.then(h.Cancel(t.Context(), olga, home, h.submitted().ID))
	h.verdict = airlock.NotScanned
	h.waits(h.submitted(), 1)
	h.verdict = airlock.Malicious
	h.submitted()
	h.verdict = airlock.Clean
	r = h.draft()
	v, err := h.Submit(t.Context(), rita, home, r.ID)
	h.upload(r, "Changed.")
	h.then(v, err)

	want := []string{"returned-requester", "unsealed-requester"}
	for _, telling := range statemachine.Tellings() {
		for _, a := range telling.To {
			what := string(telling.Status)
			if telling.Occasion != statemachine.StatusChanged {
				what = string(telling.Occasion)
			}
			want = append(want, what+"-"+string(a))
		}
	}
	var got []string
	for name, body := range h.messages {
		got = append(got, name)
		h.compare(filepath.Join("testdata", "messages", name+".json"), body)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || h.count <= len(got) {
		t.Errorf("%d messages of the kinds\n%v\nwant\n%v", h.count, got, want)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "messages", "*.json"))
	if err != nil || len(files) != len(got) {
		t.Errorf("%d files for %d kinds (%v)", len(files), len(got), err)
	}
}

// What is counted up, or follows from it: how often ids are asked for is no business of a message.
var (
	countedID = regexp.MustCompile(`0198c0de-0000-7000-8000-[0-9a-f]{12}`)
	signature = regexp.MustCompile(`sig=[0-9a-f]{64}`)
)

// settle numbers the ids of a message in the order in which they stand there, and gives every link the same signature.
func settle(body []byte) []byte {
	names := map[string]string{}
	body = countedID.ReplaceAllFunc(body, func(id []byte) []byte {
		if names[string(id)] == "" {
			names[string(id)] = fmt.Sprintf("0198c0de-0000-7000-8000-%012x", len(names)+1)
		}
		return []byte(names[string(id)])
	})
	return signature.ReplaceAll(body, []byte("sig="+strings.Repeat("5a", 32)))
}

func (h *house) compare(path string, body []byte) {
	h.t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, settle(body), "", "  "); err != nil {
		h.t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(want, pretty.Bytes()) {
		h.t.Errorf("%s is not as it is now (-update writes it): %v\n%s", path, err, pretty.Bytes())
	}
}
