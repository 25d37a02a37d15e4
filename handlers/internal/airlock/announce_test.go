package airlock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// apiToken is somebody whose token was made for the API itself: the member list says what they are.
func apiToken(who airlock.Identity) airlock.Identity {
	who.Roles, who.Audience, who.ForAPI = nil, "api://airlock", true
	return who
}

// memberRequest makes a request in review by a researcher who is known by the member list only.
func (w *world) memberRequest() airlock.Request {
	w.t.Helper()
	r := w.create(apiToken(researcher), airlock.Export)
	w.settle()
	w.upload(r, "a", "1")
	return w.do(w.Submit(w.t.Context(), apiToken(researcher), ws, r.ID))
}

// noLinks is a storage that makes no links.
type noLinks struct {
	*memzone.Zones
	err error
}

func (z noLinks) Link(context.Context, airlock.Place, airlock.LinkTerms) (string, error) {
	return "", z.err
}

// TestNoticesComeInOrder: those that had to wait for a topic that was down, too.
func TestNoticesComeInOrder(t *testing.T) {
	w := newWorld(t, people)
	r := w.submitted(airlock.Import, "x")
	w.heard()
	w.told.fail = fmt.Errorf("topic: %w", airlock.ErrTransient)
	decide := func(d sm.Decision) {
		w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: d, Explanation: "because"}))
	}
	var want []string
	const reviewers = "in_review → reviewers: Mia@example.org, Max@example.org"
	for range 3 {
		decide(sm.DecisionChangesRequested)
		w.do(w.Submit(t.Context(), researcher, ws, r.ID))
		want = append(want, "draft → "+ada, "submitted → "+ada, reviewers)
	}
	decide(sm.DecisionApproved)
	w.hears("a topic that is down")
	w.told.fail = nil
	for range 10 {
		w.later(15 * time.Minute)
	}
	w.hears("a topic that is back", append(want, "approval_in_progress → "+ada, "approved → "+ada)...)
	w.want(w.read(r.ID), sm.Approved)
}

// slowReader answers the next read of a request with what it was some time ago.
type slowReader struct {
	*memstore.Store
	old *airlock.Request
}

func (s *slowReader) Request(ctx context.Context, workspace, id string) (airlock.Request, error) {
	if r := s.old; r != nil {
		s.old = nil
		return *r, nil
	}
	return s.Store.Request(ctx, workspace, id)
}

// TestNoticesOfLaterChangesAreLeftAlone: an invocation that read a request some time ago finds notices of changes that it
// does not know. It published them too, before others and without the location that belongs to them.
func TestNoticesOfLaterChangesAreLeftAlone(t *testing.T) {
	w := newWorld(t, people, func(s *airlock.Settings) { s.IncludeLocation = true })
	w.told.fail = fmt.Errorf("topic: %w", airlock.ErrTransient)
	old := w.submitted(airlock.Import, "x")
	r := w.do(w.Review(t.Context(), manager, ws, old.ID, approve()))
	if r.Status != sm.Approved {
		t.Fatalf("it is %s", r.Status)
	}
	w.told.fail = nil
	w.Service.Store = &slowReader{w.store, &old}
	if err := w.Reconcile(t.Context(), ws, r.ID); err != nil {
		t.Fatal(err)
	}
	w.Service.Store = w.store
	w.later(time.Hour)
	of := func(s sm.Status) int { // where a status was told of first: what comes later with the same id is dropped
		return slices.IndexFunc(w.told.last, func(n airlock.Notice) bool { return n.Status == s })
	}
	if i := of(sm.Approved); i < of(sm.ApprovalInProgress) || i < of(sm.InReview) || w.told.last[i].Location.URL == "" {
		t.Errorf("it was told of %v", w.heard())
	}
	w.want(w.read(r.ID), sm.Approved)
}

// TestLocationInTheNotice: only the requester gets it, only when the request is approved and where the workspace asks.
func TestLocationInTheNotice(t *testing.T) {
	include := func(s *airlock.Settings) { s.IncludeLocation = true }
	play := func(t *testing.T, changes ...func(*airlock.Settings)) (*world, airlock.Request) {
		w := newWorld(t, append([]func(*airlock.Settings){people}, changes...)...)
		r := w.submitted(airlock.Import, "x")
		return w, w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	}
	located := func(w *world) (with []airlock.Notice) {
		for _, n := range w.told.last {
			if n.Location != (airlock.Location{}) {
				with = append(with, n)
			}
		}
		return with
	}
	t.Run("asked for", func(t *testing.T) {
		w, r := play(t, include)
		with := located(w)
		if len(with) != 1 || with[0].Status != sm.Approved || with[0].Audience != sm.AudienceRequester || !with[0].Location.ExpiresAt.Equal(w.now.Add(time.Hour)) {
			t.Fatalf("locations in %+v", with)
		}
		trail, err := w.Audit(t.Context(), owner, ws, r.ID)
		if err != nil || !trail.Intact {
			t.Fatalf("%v, %+v", err, trail)
		}
		last := trail.Records[len(trail.Records)-2] // before the one of this look at it
		if last.What != "link" || last.Who != "system" || !strings.Contains(last.Text, researcher.ID) || !strings.HasPrefix(last.Text, "read, list, until") ||
			!strings.Contains(with[0].Location.URL, last.Trace) {
			t.Errorf("the record is %+v", last)
		}
		w.want(r, sm.Approved)
	})
	t.Run("not asked for", func(t *testing.T) {
		if w, _ := play(t); len(located(w)) != 0 {
			t.Error("a location was sent")
		}
	})
	t.Run("revoked before it was sent", func(t *testing.T) {
		w := newWorld(t, people, include)
		r := w.submitted(airlock.Import, "x")
		w.told.fail = fmt.Errorf("topic: %w", airlock.ErrTransient)
		r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
		if r.Status != sm.Approved {
			t.Fatalf("it is %s", r.Status)
		}
		r = w.do(w.Revoke(t.Context(), manager, ws, r.ID, "no"))
		w.told.fail = nil
		for range 10 {
			w.later(15 * time.Minute)
		}
		w.want(w.read(r.ID), sm.Revoked)
		if with := located(w); len(with) != 0 || !slices.ContainsFunc(w.told.last, func(n airlock.Notice) bool { return n.Status == sm.Approved }) {
			t.Errorf("%d locations in %d notices", len(with), len(w.told.last))
		}
	})
	t.Run("no right to it any more", func(t *testing.T) {
		w := newWorld(t, people, include, func(s *airlock.Settings) { s.Audience = "api://other" })
		r := w.memberRequest()
		w.want(w.do(w.Review(t.Context(), apiToken(manager), ws, r.ID, approve())), sm.Approved)
		if len(located(w)) != 1 {
			t.Error("a member got no location")
		}
		s, err := w.Settings(t.Context(), admin, ws)
		if err != nil {
			t.Fatal(err)
		}
		r = w.memberRequest()
		s.Members = s.Members[1:]
		if _, err := w.PutSettings(t.Context(), admin, s); err != nil {
			t.Fatal(err)
		}
		w.told.last = nil
		w.want(w.do(w.Review(t.Context(), apiToken(manager), ws, r.ID, approve())), sm.Approved)
		if len(located(w)) != 0 {
			t.Error("somebody who left the workspace got a location")
		}
	})
	t.Run("storage makes no link", func(t *testing.T) {
		w := newWorld(t, people, include)
		r := w.submitted(airlock.Import, "x")
		broken := errors.New("no key")
		w.Service.Zones = noLinks{w.zones, broken}
		w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
		if len(located(w)) != 0 || !slices.ContainsFunc(w.problems, func(err error) bool { return errors.Is(err, broken) }) {
			t.Errorf("problems: %v", w.problems)
		}
	})
}
