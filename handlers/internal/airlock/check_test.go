package airlock_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// bent is a store that shows things otherwise than they are.
type bent struct {
	*memstore.Store
	request  func(*airlock.Request)
	settings func(*airlock.Settings)
	manifest func(*airlock.Manifest)
	records  func([]airlock.Record) []airlock.Record
	notices  func([]airlock.Notice) []airlock.Notice
	comments func([]airlock.Comment) []airlock.Comment
	page     func(airlock.Query, *airlock.Page)
	due      func([]airlock.Owed) []airlock.Owed
	home     string
}

func (b *bent) Request(ctx context.Context, workspace, id string) (airlock.Request, error) {
	r, err := b.Store.Request(ctx, workspace, id)
	if err == nil && b.request != nil {
		b.request(&r)
	}
	return r, err
}

func (b *bent) Settings(ctx context.Context, workspace string) (airlock.Settings, error) {
	s, err := b.Store.Settings(ctx, workspace)
	if b.settings != nil {
		b.settings(&s)
	}
	return s, err
}

func (b *bent) Manifest(ctx context.Context, workspace, id string, round int) (airlock.Manifest, error) {
	m, err := b.Store.Manifest(ctx, workspace, id, round)
	if b.manifest != nil {
		b.manifest(&m)
	}
	return m, err
}

func (b *bent) Records(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Record, error) {
	records, err := b.Store.Records(ctx, workspace, id, after, limit)
	if b.records != nil {
		records = b.records(records)
	}
	return records, err
}

func (b *bent) Notices(ctx context.Context, workspace, id string) ([]airlock.Notice, error) {
	notices, err := b.Store.Notices(ctx, workspace, id)
	if b.notices != nil {
		notices = b.notices(notices)
	}
	return notices, err
}

func (b *bent) Comments(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Comment, error) {
	comments, err := b.Store.Comments(ctx, workspace, id, after, limit)
	if b.comments != nil {
		comments = b.comments(comments)
	}
	return comments, err
}

func (b *bent) Requests(ctx context.Context, q airlock.Query) (airlock.Page, error) {
	page, err := b.Store.Requests(ctx, q)
	if b.page != nil {
		b.page(q, &page)
	}
	return page, err
}

func (b *bent) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	due, err := b.Store.Due(ctx, workspace, now, limit)
	if b.due != nil {
		due = b.due(due)
	}
	return due, err
}

func (b *bent) Workspace(ctx context.Context, id string) (string, error) {
	if b.home != "" {
		return b.home, nil
	}
	return b.Store.Workspace(ctx, id)
}

// resealed plays somebody who changes the trail and makes its chain fit again.
func resealed(change func([]airlock.Record) []airlock.Record) func(b *bent) {
	return func(b *bent) {
		seal := func(records []airlock.Record) []airlock.Record {
			records = change(slices.Clone(records))
			seq, head := 0, ""
			for i, r := range records {
				records[i] = r.Seal(seq, head)
				seq, head = records[i].Seq, records[i].Hash
			}
			return records
		}
		b.records = seal
		b.request = func(r *airlock.Request) {
			all, _ := b.Store.Records(context.Background(), ws, r.ID, 0, airlock.MaxPage)
			all = seal(all)
			r.RecordSeq, r.RecordHash = len(all), all[len(all)-1].Hash
		}
	}
}

func without(what sm.Event) func(b *bent) {
	return resealed(func(records []airlock.Record) []airlock.Record {
		return slices.DeleteFunc(records, func(r airlock.Record) bool { return r.What == string(what) })
	})
}

func who(what sm.Event, id string) func(b *bent) {
	return resealed(func(records []airlock.Record) []airlock.Record {
		for i := range records {
			if records[i].What == string(what) {
				records[i].Who = id
			}
		}
		return records
	})
}

// TestCheckFindsWhatIsWrong bends one thing of an approved request at a time.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	const name = "data/ä b.csv"
	request := func(change func(*airlock.Request)) func(*bent) { return func(b *bent) { b.request = change } }
	for _, test := range []struct {
		name  string
		rule  airlock.Rule
		bend  func(b *bent)
		spoil func(w *world, r airlock.Request) error
	}{
		{name: "a record is missing", rule: airlock.RuleTrail, bend: func(b *bent) {
			b.records = func(r []airlock.Record) []airlock.Record { return r[:len(r)-1] }
		}},
		{name: "a record was changed", rule: airlock.RuleTrail, bend: func(b *bent) {
			b.records = func(r []airlock.Record) []airlock.Record { r[1].Text = "nothing"; return r }
		}},
		{name: "the head is another", rule: airlock.RuleTrail, bend: request(func(r *airlock.Request) { r.RecordHash = "other" })},
		{name: "no approval in the trail", rule: airlock.RuleReplay, bend: without(sm.EventApprove)},
		{name: "no gates in the trail", rule: airlock.RuleQuorum, bend: without(sm.EventClear)},
		{name: "approved by the system", rule: airlock.RuleReplay, bend: who(sm.EventApprove, "system")},
		{name: "approved by the requester", rule: airlock.RuleQuorum, bend: who(sm.EventApprove, researcher.ID)},
		{name: "the status moved without a record", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.Status = sm.Rejected })},
		{name: "another round", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.Round++ })},
		{name: "another attempt", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.Attempt++ })},
		{name: "no history", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.History = nil })},
		{name: "changed since", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.UpdatedWhen = r.UpdatedWhen.Add(1) })},
		{name: "a status that does not exist", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.Status = "lost" })},
		{name: "sealed before it was submitted", rule: airlock.RuleManifest, bend: request(func(r *airlock.Request) { r.SealedAt = time.Time{} })},
		{name: "no reviews", rule: airlock.RuleQuorum, bend: request(func(r *airlock.Request) { r.Reviews = nil })},
		{name: "two approvals are needed", rule: airlock.RuleQuorum, bend: request(func(r *airlock.Request) { r.Policy.Slots[0].Count = 2 })},
		{name: "two approvals are needed, as the settings say", rule: airlock.RuleQuorum, bend: func(b *bent) {
			b.request = func(r *airlock.Request) { r.Policy = airlock.Policy{} }
			b.settings = func(s *airlock.Settings) { s.Approvals = 2 }
		}},
		{name: "the reviewer fits no slot", rule: airlock.RuleQuorum, bend: request(func(r *airlock.Request) {
			r.Reviews[0].Slots = []string{"another"}
		})},
		{name: "somebody rejected it", rule: airlock.RuleQuorum, bend: request(func(r *airlock.Request) {
			r.Reviews = append(r.Reviews, airlock.Review{Round: 1, Decision: sm.DecisionRejected})
		})},
		{name: "a verdict is missing", rule: airlock.RuleVerdict, bend: func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files[0].Verdict = airlock.Verdict{} }
		}},
		{name: "a verdict is only claimed", rule: airlock.RuleVerdict, bend: func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files[0].Verdict.Claimed = true }
		}},
		{name: "the manifest was changed", rule: airlock.RuleManifest, bend: func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files[0].SealedETag = "other" }
		}},
		{name: "a SHA-256 is missing", rule: airlock.RuleManifest, bend: func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files[0].SHA256 = "" }
		}},
		{name: "it tells of another digest", rule: airlock.RuleManifest, bend: request(func(r *airlock.Request) { r.ManifestDigest = "other" })},
		{name: "another blob was read again", rule: airlock.RuleManifest, bend: func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files[0].ReleasedETag = "other" }
		}},
		{name: "the summary tells of other files", rule: airlock.RuleManifest, bend: request(func(r *airlock.Request) { r.TotalBytes++ })},
		{name: "work is owed", rule: airlock.RuleOwed, bend: request(func(r *airlock.Request) {
			r.Owed, r.Due = []sm.Task{{Kind: sm.KindErase, From: sm.Spot{Zone: sm.Holding, Round: 1}}}, r.UpdatedWhen
		})},
		{name: "work is owed and never due", rule: airlock.RuleOwed, bend: request(func(r *airlock.Request) {
			r.Owed = []sm.Task{{Kind: sm.KindErase, From: sm.Spot{Zone: sm.Holding, Round: 1}}}
		})},
		{name: "it failed and does not say why", rule: airlock.RuleOwed, bend: request(func(r *airlock.Request) { r.Status = sm.Failed })},
		{name: "a notice is owed and not stored", rule: airlock.RuleNotice, bend: request(func(r *airlock.Request) { r.Untold = []string{"n"} })},
		{name: "a notice is stored and not owed", rule: airlock.RuleNotice, bend: func(b *bent) {
			b.notices = func([]airlock.Notice) []airlock.Notice { return []airlock.Notice{{ID: "n"}} }
		}},
		{name: "a notice was never published", rule: airlock.RuleNotice, spoil: func(w *world, r airlock.Request) error {
			delete(w.told.by, r.ID+"-1-requester")
			return nil
		}},
		{name: "a comment was changed", rule: airlock.RuleTrail, bend: func(b *bent) {
			b.comments = func(c []airlock.Comment) []airlock.Comment { c[0].Text = "other"; return c }
		}},
		{name: "a comment is missing", rule: airlock.RuleTrail, bend: func(b *bent) {
			b.comments = func([]airlock.Comment) []airlock.Comment { return nil }
		}},
		{name: "a comment was added", rule: airlock.RuleTrail, bend: func(b *bent) {
			b.comments = func(c []airlock.Comment) []airlock.Comment { c[0].Seq++; return c }
		}},
		{name: "comments were counted wrong", rule: airlock.RuleReplay, bend: request(func(r *airlock.Request) { r.Comments++ })},
		{name: "not in the list of its status", rule: airlock.RuleIndex, bend: func(b *bent) {
			b.page = func(q airlock.Query, p *airlock.Page) {
				if q.Status == sm.Approved {
					p.Requests = nil
				}
			}
		}},
		{name: "in the list of another status", rule: airlock.RuleIndex, bend: func(b *bent) {
			b.page = func(q airlock.Query, p *airlock.Page) {
				if q.Status == sm.Rejected {
					*p, _ = b.Store.Requests(context.Background(), airlock.Query{Workspace: ws, Order: airlock.NewestFirst, Limit: 1})
				}
			}
		}},
		{name: "twice in a list", rule: airlock.RuleIndex, bend: func(b *bent) {
			b.page = func(q airlock.Query, p *airlock.Page) {
				if q.Order == airlock.LastChanged {
					p.Requests = append(p.Requests, p.Requests...)
				}
			}
		}},
		{name: "an old version in a list", rule: airlock.RuleIndex, bend: func(b *bent) {
			b.page = func(q airlock.Query, p *airlock.Page) {
				if q.Order == airlock.LastChanged {
					p.Requests[0].Version--
				}
			}
		}},
		{name: "due and not to be looked at", rule: airlock.RuleIndex, bend: func(b *bent) {
			b.due = func([]airlock.Owed) []airlock.Owed {
				p, _ := b.Store.Requests(context.Background(), airlock.Query{Workspace: ws, Order: airlock.NewestFirst, Limit: 1})
				return []airlock.Owed{{Workspace: ws, Request: p.Requests[0].ID, Due: time.Unix(1, 0)}}
			}
		}},
		{name: "its id leads elsewhere", rule: airlock.RuleIndex, bend: func(b *bent) { b.home = "elsewhere" }},
		{name: "settings that no record tells of", rule: airlock.RuleSettings, bend: func(b *bent) {
			b.settings = func(s *airlock.Settings) { s.SelfReview = true }
		}},
		{name: "a file was overwritten", rule: airlock.RuleManifest, spoil: func(w *world, r airlock.Request) error {
			return second2(w.zones.Put(w.place(r, sm.Released, 1), name, memzone.File{Content: []byte("x")}))
		}},
		{name: "a file is missing", rule: airlock.RuleManifest, spoil: func(w *world, r airlock.Request) error {
			return w.zones.Remove(context.Background(), w.place(r, sm.Released, 1), name)
		}},
		{name: "a file was added", rule: airlock.RuleManifest, spoil: func(w *world, r airlock.Request) error {
			return second2(w.zones.Put(w.place(r, sm.Released, 1), "more", memzone.File{Content: []byte("x")}))
		}},
		{name: "the container is gone", rule: airlock.RuleZone, spoil: func(w *world, r airlock.Request) error {
			return w.zones.Erase(context.Background(), w.place(r, sm.Released, 1))
		}},
		{name: "the holding container is still there", rule: airlock.RuleZone, spoil: func(w *world, r airlock.Request) error {
			_, err := w.zones.Open(context.Background(), w.place(r, sm.Holding, 1))
			return err
		}},
		{name: "a container of a later round", rule: airlock.RuleZone, spoil: func(w *world, r airlock.Request) error {
			_, err := w.zones.Open(context.Background(), w.place(r, sm.Intake, 7))
			return err
		}},
		{name: "a container of no request", rule: airlock.RuleOrphan, spoil: func(w *world, r airlock.Request) error {
			r.ID = "00000000-0000-7000-8000-00000000dead"
			_, err := w.zones.Open(context.Background(), w.place(r, sm.Intake, 1))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.now = w.now.Add(time.Hour) // the settings were there before
			r := w.submitted(airlock.Import, "1,2,3")
			w.comment(manager, r, sm.Private, "looks fine")
			w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
			w.later(time.Hour) // what was deleted was deleted again
			b := &bent{Store: w.store}
			if test.bend != nil {
				test.bend(b)
			}
			if test.spoil != nil {
				if err := test.spoil(w, r); err != nil {
					t.Fatal(err)
				}
			}
			checker := w.checker()
			checker.Store = b
			found, err := checker.Workspace(t.Context(), ws)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(v airlock.Violation) bool { return v.Rule == test.rule }) {
				t.Errorf("found %v, want one of %q", found, test.rule)
			}
		})
	}
}

// TestCheckOfALivingAirlockFindsNothing looks at a request at every write of its life, from inside: what is on its way is
// no violation.
func TestCheckOfALivingAirlockFindsNothing(t *testing.T) {
	for _, s := range scenarios() {
		if s.alike {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			looks := 0
			s.play(t, func(p *play, _ string) effect {
				checker := p.checker()
				checker.Published, checker.Deadline = nil, time.Time{}
				found, err := checker.Workspace(context.Background(), ws)
				if err != nil {
					t.Error(err)
				}
				for _, v := range found {
					t.Error(v)
				}
				looks++
				return passes
			}, func(*play) {})
			if looks == 0 {
				t.Error("nothing was looked at")
			}
		})
	}
}

// restless is a store in which a request changes whenever it is read.
type restless struct {
	*memstore.Store
	w *world
}

func (s restless) Request(ctx context.Context, workspace, id string) (airlock.Request, error) {
	if _, err := s.w.Link(ctx, owner, workspace, id); err != nil {
		return airlock.Request{}, err
	}
	return s.Store.Request(ctx, workspace, id)
}

func TestCheckSaysWhatItCouldNotSee(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	checker := w.checker()
	checker.Store = restless{w.store, w}
	if _, err := checker.Request(t.Context(), ws, r.ID); err == nil {
		t.Error("a request that never stands still was checked")
	}
	checker.Store, checker.Zones = w.store, deaf{w.zones}
	if _, err := checker.Workspace(t.Context(), ws); err == nil {
		t.Error("a storage that does not answer was checked")
	}
	if _, err := checker.Workspace(t.Context(), "elsewhere"); err == nil {
		t.Error("a workspace that does not exist was checked")
	}
}

// deaf is a storage that lists nothing.
type deaf struct{ *memzone.Zones }

func (deaf) List(context.Context, airlock.Place) iter.Seq2[airlock.Blob, error] {
	return func(yield func(airlock.Blob, error) bool) { yield(airlock.Blob{}, airlock.ErrTransient) }
}
