package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
)

// maxSteps bounds one call of Reconcile: more transitions than any request makes without a person.
const maxSteps = 24

// Reconcile looks at a request and does what the system owes for it, until nothing is owed or only the outside can go
// on. Everything that arrives leads here: a nudge, an event from storage, a verdict, the sweep, a restart. Every step
// is idempotent and conditional, so it does not matter how often or in which order it is called.
//
// It returns nil when the request rests or waits, also when a step failed in a way that time may cure: then the next
// look is stored with the request and scheduled. An error means that not even that could be done.
func (s *Service) Reconcile(ctx context.Context, workspace, id string) error {
	return s.reconcile(ctx, Request{WorkspaceID: workspace, ID: id}, nil)
}

// reconcile is Reconcile from what is known already: a request as it was just read or stored (without an ETag: only which one
// it is), and notices that were stored with it.
func (s *Service) reconcile(ctx context.Context, r Request, notices []Notice) error {
	workspace, id := r.WorkspaceID, r.ID
	digests := &digests{}
	for range maxSteps {
		if r.ETag == "" {
			var err error
			r, err = s.Store.Request(ctx, workspace, id)
			if errors.Is(err, ErrNotFound) {
				return nil // a nudge that outlived its request, or never had one
			}
			if err != nil {
				return s.comeBack(ctx, Request{WorkspaceID: workspace, ID: id}, fmt.Errorf("reconcile %s: %w", id, err))
			}
		}
		settings, err := s.workspaceSettings(ctx, workspace)
		if err != nil {
			return s.postpone(ctx, r, fmt.Errorf("reconcile %s: %w", id, err))
		}
		l := s.look(r, settings, notices)
		l.digests = digests
		again, err := l.pass(ctx)
		switch {
		case errors.Is(err, ErrLost):
			r, notices = Request{}, nil
			continue
		case err != nil:
			return s.postpone(ctx, r, fmt.Errorf("reconcile %s: %w", id, err))
		case !again:
			return nil
		}
		r, notices = l.after, l.notices
	}
	return s.comeBack(ctx, Request{WorkspaceID: workspace, ID: id}, fmt.Errorf("reconcile %s: still going after %d steps", id, maxSteps))
}

// outcome is what a task found out.
type outcome struct {
	done  bool
	event statemachine.Event // fire this, with text
	text  string
	gone  bool          // there is no request any more
	again time.Duration // no event from outside will tell: look again after this
	first bool          // what was done so far has to be stored first; then there is more to do
	more  bool          // there is more to do, in another invocation
}

// and is what comes of two tasks that both wait.
func (o outcome) and(p outcome) outcome {
	o.first, o.more = o.first || p.first, o.more || p.more
	if o.again == 0 || p.again > 0 && p.again < o.again {
		o.again = p.again
	}
	return o
}

// look is one pass over a request: its state as it will be committed, and what storage was seen to hold.
type look struct {
	s        *Service
	before   Request
	after    Request
	settings Settings
	notices  []Notice     // that are known to be stored; not always all that are
	manifest *Manifest    // loaded when first needed
	dirty    map[int]bool // pages of the manifest that differ from what is stored
	seen     map[Place]map[string]Blob
	digests  *digests
}

func (s *Service) look(r Request, settings Settings, notices []Notice) *look {
	return &look{s: s, before: r, after: r, settings: settings, notices: notices, dirty: map[int]bool{}, seen: map[Place]map[string]Blob{}, digests: &digests{}}
}

// pass looks once and makes at most one commit. again means that there may be more to do at once.
func (l *look) pass(ctx context.Context) (again bool, err error) {
	announceErr := l.announce(ctx)
	if reminded, err := l.remind(ctx); reminded || err != nil {
		return reminded, err
	}
	out, err := l.work(ctx)
	if err != nil {
		if out = l.overdue(err); out.event == "" {
			return false, errors.Join(err, l.saveProgress(ctx, false))
		}
	}
	if out.gone {
		return false, nil
	}
	if out.event != "" {
		return true, l.fire(ctx, out)
	}
	if err := l.saveProgress(ctx, announceErr == nil); err != nil {
		return false, err
	}
	if out.again > 0 {
		l.s.nudge(ctx, l.after, out.again)
	}
	if out.more {
		l.s.nudge(ctx, l.after, 0)
	}
	return out.first && announceErr == nil, announceErr
}

// work does the owed tasks in order, up to the first that has to wait and lets no other be done alongside, and says which
// event follows.
func (l *look) work(ctx context.Context) (outcome, error) {
	var waiting outcome
	for i := 0; i < len(l.after.Owed); {
		t := l.after.Owed[i]
		out, err := l.task(ctx, t)
		switch {
		case err != nil || out.event != "" || out.gone:
			return out, err
		case out.done:
			l.after.Owed = slices.Concat(l.after.Owed[:i], l.after.Owed[i+1:])
			continue
		case !t.Alongside():
			return waiting.and(out), nil
		}
		waiting, i = waiting.and(out), i+1
	}
	if len(l.after.Owed) > 0 {
		return waiting, nil
	}
	status, _ := statemachine.Of(l.after.Status)
	switch {
	case !status.Rests():
		return outcome{event: status.Completion, text: l.completionText()}, nil
	default:
		if out := l.ended(); out.event != "" {
			return out, nil
		}
		return outcome{done: true}, l.eraseAgain(ctx)
	}
}

// completionText carries over what a blocked request says of itself.
func (l *look) completionText() string {
	if l.after.Status == statemachine.BlockingInProgress {
		return l.before.StatusMessage
	}
	return ""
}

func (l *look) task(ctx context.Context, t statemachine.Task) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, l.s.Timing.task(ctx))
	defer cancel()
	switch t.Kind {
	case statemachine.KindOpen:
		return l.container(ctx, t.To, func(ctx context.Context, p Place) error { _, err := l.s.Zones.Open(ctx, p); return err })
	case statemachine.KindErase:
		out, err := l.container(ctx, t.From, l.s.Zones.Erase)
		if err == nil {
			l.gone(t.From)
		}
		return out, err
	case statemachine.KindSeal:
		return l.seal(ctx, t)
	case statemachine.KindGates:
		return l.gates(ctx, t)
	case statemachine.KindHash:
		return l.hash(ctx, t)
	case statemachine.KindVerify:
		return l.verify(ctx, t)
	case statemachine.KindMove:
		return l.move(ctx, t)
	case statemachine.KindHandBack:
		return l.handBack(ctx, t)
	case statemachine.KindForget:
		return l.forget(ctx)
	default:
		return outcome{}, fmt.Errorf("owed work of kind %q is not known", t.Kind)
	}
}

func (l *look) container(ctx context.Context, spot statemachine.Spot, do func(context.Context, Place) error) (outcome, error) {
	place, err := l.s.place(l.before, l.settings, spot)
	if err != nil {
		return outcome{}, err
	}
	return outcome{done: true}, do(ctx, place)
}

// overdue turns an error into a failure once the deadline of the status has passed.
func (l *look) overdue(err error) outcome {
	late := l.s.Now().Sub(l.after.StatusSince) >= l.s.Timing.CopyDeadline
	if !late || !statemachine.Has(l.after.Status, statemachine.EventFail) {
		return outcome{}
	}
	l.s.report(context.Background(), fmt.Errorf("request %s gives up: %w", l.before.ID, err))
	return outcome{event: statemachine.EventFail, text: fmt.Sprintf(
		"The files could not be moved within %s. Nothing is lost: an operator can retry.", l.s.Timing.CopyDeadline)}
}

// fire commits the transition that a system event makes, with all progress so far.
func (l *look) fire(ctx context.Context, out outcome) error {
	f := facts(l.after, l.settings, system())
	f.Parties = statemachine.System
	f.Explanation = out.text != ""
	ended := l.ended().event == out.event
	f.Idle, f.Outlived = ended, ended
	f.Sealed, f.GatesPassed, f.Arrived = len(l.after.Owed) == 0, len(l.after.Owed) == 0, len(l.after.Owed) == 0
	f.GateBlocked = out.event == statemachine.EventBlock
	f.Hashed = l.manifest != nil && l.manifest.Hashed()
	t, refusal := statemachine.Decide(f, out.event)
	if refusal != nil && refusal.Guard == statemachine.Hashed { // an older program has sealed it, or has stored its files since
		l.after.Owed = []statemachine.Task{{Kind: statemachine.KindHash, From: l.after.Spot()}}
		return l.saveProgress(ctx, true)
	}
	if refusal != nil {
		return fmt.Errorf("%s of %s is refused: %s", out.event, l.before.ID, refusal.Sentence)
	}
	digest := l.after.ManifestDigest
	if l.manifest != nil {
		digest, l.after.Files = l.manifest.Digest(), summary(l.manifest.Files)
	}
	left := l.after // with what was found out in this pass
	c := l.s.applied(l.before, l.after, *t, system(), l.settings, out.text, digest)
	if err := l.store(ctx, c); err != nil {
		return err
	}
	l.s.observeMoved(ctx, left, out.event)
	return nil
}

// store commits, and goes on from what is stored then.
func (l *look) store(ctx context.Context, c Commit) error {
	l.files(&c)
	stored, err := l.s.commit(ctx, c)
	if err != nil {
		return err
	}
	l.s.observeScanned(ctx, c)
	l.before, l.after, l.notices = stored, stored, append(l.notices, c.Notices...)
	clear(l.dirty)
	l.digests.stored()
	return nil
}

// saveProgress commits what changed in this pass without a change of status, if anything did. well says that nothing
// failed in it: the failures of earlier passes are then over.
func (l *look) saveProgress(ctx context.Context, well bool) error {
	a := &l.after
	progress := l.unsaved() || well && a.Tries > 0
	looked := !a.Due.IsZero() && !a.Due.After(l.s.Now())
	if !progress && !looked {
		return nil
	}
	a.Version++
	a.Due = l.s.due(*a, l.settings)
	if progress {
		a.Tries, a.LastError = 0, ""
	}
	return l.store(ctx, Commit{Before: l.before, After: *a})
}

// unsaved reports whether anything was done that is not stored yet.
func (l *look) unsaved() bool {
	b, a := l.before, l.after
	return len(a.Owed) != len(b.Owed) || len(a.Untold) != len(b.Untold) || len(l.dirty) > 0 ||
		!a.SealedAt.Equal(b.SealedAt) || len(a.Gone) != len(b.Gone)
}

// files adds the pages of the manifest that changed to the commit.
func (l *look) files(c *Commit) {
	if len(l.dirty) == 0 {
		return
	}
	c.Manifest = l.manifest
	for page := range l.manifest.Pages() {
		if l.dirty[page] {
			c.Dirty = append(c.Dirty, page)
		}
	}
}

// postpone stores when to look again after a failure, and schedules it. A request that cannot be stored either is
// only scheduled.
func (s *Service) postpone(ctx context.Context, r Request, cause error) error {
	s.report(ctx, cause)
	if fresh, err := s.Store.Request(ctx, r.WorkspaceID, r.ID); err == nil {
		r = fresh // progress may have been saved before the failure
	}
	next := r
	next.Version++
	next.Tries++
	next.LastError = shorten(cause.Error())
	next.Due = s.inTime(r, s.pause(r.Tries))
	pause := next.Due.Sub(s.Now())
	stored, err := s.commit(ctx, Commit{Before: r, After: next})
	switch {
	case errors.Is(err, ErrLost):
		return s.schedule(ctx, r, s.Timing.RetryFirst, cause) // somebody else is at it
	case err != nil:
		return s.schedule(ctx, r, pause, cause)
	default:
		return s.schedule(ctx, stored, pause, cause)
	}
}

// comeBack schedules another look without storing anything, and fails only when that is impossible too.
func (s *Service) comeBack(ctx context.Context, r Request, cause error) error {
	s.report(ctx, cause)
	return s.schedule(ctx, r, s.Timing.RetryFirst, cause)
}

func (s *Service) schedule(ctx context.Context, r Request, after time.Duration, cause error) error {
	key := fmt.Sprintf("%s-%d-%d-retry", r.ID, r.Version, s.Now().UnixNano())
	if err := s.Queue.Nudge(ctx, Nudge{Workspace: r.WorkspaceID, Request: r.ID, Key: key}, after); err != nil {
		return errors.Join(cause, fmt.Errorf("schedule %s: %w", r.ID, err))
	}
	return nil
}

// pause is the exponential back-off after so many failures in a row, spread by up to half so that many requests that
// failed together do not come back together.
func (s *Service) pause(tries int) time.Duration {
	pause := s.Timing.RetryLongest
	if doubled := s.Timing.RetryFirst << min(tries, 20); doubled > 0 && doubled < pause {
		pause = doubled
	}
	return pause/2 + time.Duration(s.Spread()*float64(pause/2))
}
