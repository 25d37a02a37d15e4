package airlock_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// play is one run of a scenario: one request, and the people and the circumstances around it.
type play struct {
	*world
	id string
}

// step is something that a person does, or that becomes of the world, and where the request rests afterwards.
type step struct {
	name  string
	do    func(p *play) error // told to do it again, a person does it again
	want  sm.Status
	round int // 0: any

	purged, forgotten bool // what is left of it then
}

// scenario is the life of one request.
type scenario struct {
	name     string
	settings func(*airlock.Settings)
	steps    []step
	timing   func(*airlock.Timing)
	alike    bool // it has very many writes of the same kind: each goes wrong in one way, in turn, instead of in every way
}

func (p *play) create(d airlock.Direction) error {
	// A person whose request was answered by an error looks at their list before they make another one.
	mine, err := p.store.RequestsOf(p.t.Context(), researcher.ID, 10, "")
	if err == nil && len(mine.Requests) > 0 {
		p.id = mine.Requests[0].ID
		return nil
	}
	v, err := p.Create(p.t.Context(), researcher, ws, airlock.NewRequest{Type: d, Title: "T", Justification: "J"})
	p.id = v.Request.ID
	return err
}

func creates(d airlock.Direction) step {
	return step{name: "create", do: func(p *play) error { return p.create(d) }, want: sm.Draft}
}

// submits uploads the files, and submits.
func submits(want sm.Status, files ...string) step {
	return step{name: "submit", want: want, do: func(p *play) error {
		r := p.read(p.id)
		for _, name := range files {
			p.upload(r, name, fmt.Sprintf("%s in round %d", name, r.Round))
		}
		return second2(p.Submit(p.t.Context(), researcher, ws, p.id))
	}}
}

func reviews(who airlock.Identity, d sm.Decision, want sm.Status) step {
	return step{name: "review: " + string(d), want: want, do: func(p *play) error {
		return second2(p.Review(p.t.Context(), who, ws, p.id, airlock.NewReview{Decision: d, Explanation: "because"}))
	}}
}

func claims(who airlock.Identity, do func(*airlock.Service, context.Context, airlock.Identity, string, string) (airlock.View, error)) step {
	return step{name: "claim", want: sm.InReview, do: func(p *play) error { return second2(do(p.Service, p.t.Context(), who, ws, p.id)) }}
}

func comments(who airlock.Identity, v sm.Visibility, on sm.Status) step {
	return step{name: "comment", want: on, do: func(p *play) error {
		return second2(p.Comment(p.t.Context(), who, ws, p.id, airlock.NewComment{Text: "a word", Visibility: v}))
	}}
}

func cancels(who airlock.Identity) step {
	return step{name: "cancel", want: sm.Cancelled, do: func(p *play) error { return second2(p.Cancel(p.t.Context(), who, ws, p.id)) }}
}

func retries(want sm.Status) step {
	return step{name: "retry", want: want, do: func(p *play) error {
		p.scanner, p.copyEnd = nil, ""
		return second2(p.Retry(p.t.Context(), manager, ws, p.id))
	}}
}

// suffers changes the circumstances.
func suffers(name string, change func(p *play), want sm.Status) step {
	return step{name: name, want: want, do: func(p *play) error { change(p); return nil }}
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%04d.csv", i)
	}
	return names
}

func scenarios() []scenario {
	approved := reviews(manager, sm.DecisionApproved, sm.Approved)
	submitted := submits(sm.InReview, "a.csv")
	malware := suffers("malware", func(p *play) { p.scanner = func(string) airlock.ScanResult { return airlock.Malicious } }, sm.Draft)
	silence := suffers("a silent scanner", func(p *play) { p.scanner = func(string) airlock.ScanResult { return airlock.ScanPending } }, sm.Draft)
	change := func(p *play) error {
		return second2(p.Review(p.t.Context(), manager, ws, p.id, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round"}))
	}
	returned := step{name: "return", want: sm.Draft, round: 2, do: change}
	return []scenario{
		life("import approved", creates(airlock.Import), submitted, approved),
		life("export approved", creates(airlock.Export), submitted, approved),
		life("rejected", creates(airlock.Import), submitted, reviews(manager, sm.DecisionRejected, sm.Rejected)),
		life("blocked", creates(airlock.Import), malware, submits(sm.BlockedByScan, "a.csv", "b.csv")),
		life("returned, changed and approved", creates(airlock.Export), submits(sm.InReview, "a.csv", "b.csv"), returned, submitted, approved),
		life("talked about", creates(airlock.Export), comments(researcher, sm.Shared, sm.Draft), submitted, comments(manager, sm.Private, sm.InReview),
			returned, comments(owner, sm.Shared, sm.Draft), submitted, comments(second, sm.Shared, sm.InReview), approved),
		life("claimed, given back, handed over, and approved", creates(airlock.Import), submitted,
			claims(second, (*airlock.Service).Claim), claims(second, (*airlock.Service).Unclaim), claims(manager, (*airlock.Service).Claim),
			step{name: "hand over", want: sm.InReview, do: func(p *play) error {
				return second2(p.HandOver(p.t.Context(), manager, ws, p.id, manager.ID))
			}}, approved),
		life("cancelled as a draft", creates(airlock.Import), cancels(researcher)),
		life("cancelled in review", creates(airlock.Import), submitted, cancels(owner)),
		life("cancelled while it is handed back", creates(airlock.Import), submitted, step{
			name: "return and cancel", want: sm.Cancelled, do: func(p *play) error {
				if p.read(p.id).Status == sm.InReview {
					if err := change(p); err != nil {
						return err
					}
				}
				return second2(p.Cancel(p.t.Context(), researcher, ws, p.id))
			},
		}),
		life("revoked", creates(airlock.Import), submits(sm.InReview, "a.csv", "b.csv"), approved, step{
			name: "revoke", want: sm.Revoked,
			do: func(p *play) error { return second2(p.Revoke(p.t.Context(), manager, ws, p.id, "wrong project")) },
		}),
		life("not scanned, retried and approved", creates(airlock.Import), silence, submits(sm.Failed, "a.csv"), retries(sm.InReview), approved),
		life("not scanned and given up", creates(airlock.Export), silence, submits(sm.Failed, "a.csv"), cancels(owner)),
		life("not moved, retried and approved", creates(airlock.Import), submitted,
			suffers("copies that fail", func(p *play) { p.copyEnd = airlock.CopyFailed }, sm.InReview),
			reviews(manager, sm.DecisionApproved, sm.Failed), retries(sm.Approved)),
		life("changed while it was sealed", creates(airlock.Import), step{
			name: "submit and overwrite", want: sm.Draft, round: 2, do: func(p *play) error {
				r := p.read(p.id)
				p.upload(r, "a.csv", "one")
				defer p.upload(r, "a.csv", "two")
				return second2(p.Submit(p.t.Context(), researcher, ws, p.id))
			},
		}, submits(sm.InReview), approved),
		life("two approvals, asked for later", creates(airlock.Import), step{
			name: "settings", want: sm.Draft, do: func(p *play) error {
				s, err := p.Settings(p.t.Context(), admin, ws)
				if err != nil || s.Approvals == 2 {
					return err
				}
				s.Approvals = 2
				return second2(p.PutSettings(p.t.Context(), admin, s))
			},
		}, submitted, reviews(manager, sm.DecisionApproved, sm.InReview), reviews(second, sm.DecisionApproved, sm.Approved)),
		{
			name: "rejected by one of two, who both speak", settings: func(s *airlock.Settings) {
				p := airlock.ManagerPolicy(2)
				p.OneRejectionEnds = false
				under(p)(s)
			},
			steps: []step{creates(airlock.Export), submitted, reviews(manager, sm.DecisionRejected, sm.InReview), reviews(second, sm.DecisionApproved, sm.Rejected)},
		},
		life("left lying, reminded of, and approved", creates(airlock.Import), submitted,
			suffers("two days", func(p *play) { p.now = p.now.Add(48 * time.Hour) }, sm.InReview),
			suffers("a week", func(p *play) { p.now = p.now.Add(168 * time.Hour) }, sm.InReview), approved),
		{
			name: "approved, with the location in the notice", settings: func(s *airlock.Settings) { s.IncludeLocation = true },
			steps: []step{creates(airlock.Import), submitted, approved},
		},
		{
			name: "kept as long as it has to be", settings: func(s *airlock.Settings) {
				s.Retention = airlock.Retention{Released: 10 * 24 * time.Hour, Records: 20 * 24 * time.Hour}
			},
			steps: []step{creates(airlock.Import), submitted, approved,
				{name: "its data ends", want: sm.Approved, purged: true, do: func(p *play) error { p.now = p.now.Add(11 * 24 * time.Hour); return nil }},
				{name: "it ends", forgotten: true, do: func(p *play) error { p.now = p.now.Add(11 * 24 * time.Hour); return nil }},
			},
		},
		life("expired", creates(airlock.Import), suffers("a month", func(p *play) { p.now = p.now.Add(31 * 24 * time.Hour) }, sm.Cancelled)),
		{
			name: "scanning off", settings: func(s *airlock.Settings) { s.Scanning = false },
			steps: []step{creates(airlock.Import), submitted, approved},
		},
		{
			name: "read in many pieces", timing: inPieces,
			steps: []step{creates(airlock.Import), submits(sm.InReview, "a.csv", "b.csv"), approved},
		},
		{
			name: "many files", settings: func(s *airlock.Settings) { s.MaxFiles = 100 }, alike: true,
			steps: []step{creates(airlock.Import), submits(sm.InReview, numbered(airlock.ManifestPage+2)...), approved},
		},
	}
}

func life(name string, steps ...step) scenario { return scenario{name: name, steps: steps} }

// fault is what goes wrong in a run: one write, counted from 1. None: nothing.
type fault struct {
	at     int
	effect effect
	silent bool // afterwards no event arrives any more: there are only sweeps and time
}

// run plays a scenario with a fault, and returns the writes that it took until it ended.
func (s scenario) run(t *testing.T, f fault) (writes []string) {
	struck := false
	s.play(t, func(p *play, name string) effect {
		if writes = append(writes, name); len(writes) != f.at {
			return passes
		}
		struck = true
		return f.effect
	}, func(p *play) {
		if struck {
			struck = false
			p.aftermath(f)
		}
	})
	if f.at > len(writes) {
		t.Fatalf("there is no write %d of %d", f.at, len(writes))
	}
	return writes
}

// play plays a scenario. Whatever goes wrong, a person does what people do: where the answer is an error, and it has not
// happened after all, they try again. after runs when something may have gone wrong.
func (s scenario) play(t *testing.T, onWrite func(p *play, name string) effect, after func(p *play)) {
	var settings []func(*airlock.Settings)
	if s.settings != nil {
		settings = append(settings, s.settings)
	}
	p := &play{world: newWorld(t, settings...)}
	if s.timing != nil {
		p.timing = s.timing
		p.build()
	}
	p.onWrite = func(name string) effect { return onWrite(p, name) }
	for _, st := range s.steps {
		before := 0
		if p.id != "" {
			before = len(p.records())
		}
		err := p.survive(func() error { return st.do(p) })
		after(p)
		p.rest()
		if err != nil && (p.id == "" || len(p.records()) == before || p.read(p.id).Status != st.want) {
			if err := st.do(p); err != nil {
				t.Fatalf("%s, again: %v", st.name, err)
			}
			p.rest()
		}
		after(p)
		p.rest()
		if st.forgotten {
			p.isForgotten()
			continue
		}
		r := p.read(p.id)
		if st.purged == r.PurgedWhen.IsZero() {
			t.Fatalf("after %q its data was deleted at %s", st.name, r.PurgedWhen)
		}
		if r.Status != st.want || st.round != 0 && r.Round != st.round {
			t.Fatalf("after %q it is %s in round %d (%s), want %s; problems: %v", st.name, r.Status, r.Round, r.StatusMessage, st.want, p.problems)
		}
		p.check(r)
	}
}

func (p *play) records() []airlock.Record {
	records, err := p.store.Records(p.t.Context(), ws, p.id, 0, airlock.MaxPage)
	if err != nil {
		p.t.Fatal(err)
	}
	return records
}

// aftermath follows a fault: the process is started again, and the request is nudged once, or never.
func (p *play) aftermath(f fault) {
	p.silent = f.silent
	p.build()
	if p.id != "" && !f.silent {
		if err := p.Reconcile(p.t.Context(), ws, p.id); err != nil {
			p.t.Errorf("the nudge: %v", err)
		}
	}
}

// rest lets time pass until nothing is owed.
func (p *play) rest() {
	p.settle()
	for pause := time.Minute; ; pause = min(2*pause, time.Hour) {
		page, err := p.store.Requests(p.t.Context(), airlock.Query{Workspace: ws, Order: airlock.NewestFirst, Limit: 10})
		if err != nil {
			p.t.Fatal(err)
		}
		if !slices.ContainsFunc(page.Requests, func(r airlock.Request) bool {
			status, _ := sm.Of(r.Status)
			return !status.Rests() || len(r.Owed) > 0 || len(r.Untold) > 0 || len(r.Gone) > 0 || r.Tries > 0 || !r.Due.IsZero() && !r.Due.After(p.now)
		}) {
			return
		}
		if p.now.Sub(page.Requests[0].UpdatedWhen) > 60*24*time.Hour {
			p.t.Fatalf("it never comes to rest: %+v; problems: %v", page.Requests[0], p.problems)
		}
		p.later(pause)
	}
}

// TestCrashTable lets every write of every scenario go wrong in every way. The writes are counted, so that a new one
// cannot be forgotten. With -short each goes wrong in one way, in turn.
func TestCrashTable(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			writes := s.run(t, fault{})
			if len(writes) < 5 {
				t.Fatalf("only %d writes were seen", len(writes))
			}
			for i, name := range writes {
				for j, f := range faults(i + 1) {
					if (s.alike || testing.Short()) && j != i%len(faults(0)) {
						continue
					}
					t.Run(fmt.Sprintf("%d %s %s silent=%v", f.at, name, f.effect, f.silent), func(t *testing.T) { s.run(t, f) })
				}
			}
		})
	}
}

// faults is every way in which a write can go wrong.
func faults(at int) []fault {
	var all []fault
	for _, e := range []effect{fails, losesReply, diesBefore, diesAfter} {
		all = append(all, fault{at, e, false}, fault{at, e, true})
	}
	return all
}
