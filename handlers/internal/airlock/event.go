package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// Heard says what became of something that arrived from outside; every value but these is an error.
type Heard string

// What can become of an event.
const (
	HeardNudge   Heard = "nudged"  // the request was looked at
	HeardVerdict Heard = "verdict" // a verdict was stored
	HeardUnknown Heard = "unknown" // no request of ours has such a container
	HeardStale   Heard = "stale"   // another round, zone or version of the file: old news
	HeardIntake  Heard = "intake"  // uploads concern nobody before they are submitted
	HeardTwice   Heard = "known"   // the verdict is stored already
)

// ScanReport is what the malware scanner says of one blob.
type ScanReport struct {
	Place   Place
	Name    string
	ETag    string // without quotes
	Verdict Verdict
}

// Stored hears that a blob was written somewhere: if it is one that a request waits for, the request is looked at.
func (s *Service) Stored(ctx context.Context, p Place) (Heard, error) {
	r, _, spot, heard, err := s.whose(ctx, p)
	awaited := slices.ContainsFunc(r.Owed, func(t statemachine.Task) bool { return t.Moves() && t.To == spot })
	switch {
	case err != nil || heard != "":
		return heard, err
	case awaited:
		return HeardNudge, s.reconcile(ctx, r, nil)
	case spot.Zone == statemachine.Intake:
		return HeardIntake, nil
	default:
		return HeardStale, nil // all has arrived and was seen
	}
}

// Scanned hears a verdict. It counts for the very bytes that the manifest sealed, and for nothing else.
func (s *Service) Scanned(ctx context.Context, report ScanReport) (Heard, error) {
	for range maxRaces {
		r, settings, spot, heard, err := s.whose(ctx, report.Place)
		if err != nil || heard != "" {
			return heard, err
		}
		if spot.Zone != statemachine.Holding || spot.Round != r.Round {
			return HeardStale, nil
		}
		m, err := s.Store.Manifest(ctx, r.WorkspaceID, r.ID, r.Round)
		if err != nil {
			return "", fmt.Errorf("verdict for %s: %w", r.ID, err)
		}
		i := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == report.Name })
		if i >= 0 && m.Files[i].SealedETag != report.ETag && sealing(r) {
			// The scanner may have been faster than we were: note what has arrived, then look again. The request is read
			// first, so that what is decided about an older manifest is refused.
			if err := s.Reconcile(ctx, r.WorkspaceID, r.ID); err != nil {
				return "", err
			}
			if r, err = s.Store.Request(ctx, r.WorkspaceID, r.ID); err != nil {
				return "", fmt.Errorf("verdict for %s: %w", r.ID, err)
			}
			if m, err = s.Store.Manifest(ctx, r.WorkspaceID, r.ID, m.Round); err != nil {
				return "", fmt.Errorf("verdict for %s: %w", r.ID, err)
			}
			if r.Round != m.Round {
				return HeardStale, nil
			}
			if m.Files[i].SealedETag != report.ETag && sealing(r) {
				return "", fmt.Errorf("verdict for %s: the file has not been seen to arrive: %w", r.ID, ErrTransient)
			}
		}
		if i < 0 || m.Files[i].SealedETag != report.ETag {
			return HeardStale, nil
		}
		if r.Status != statemachine.Submitted {
			heard, err = s.explainVerdict(ctx, r, m, i, report.Verdict)
		} else {
			heard, err = s.storeVerdict(ctx, r, settings, m, i, report.Verdict)
		}
		if !errors.Is(err, ErrLost) {
			return heard, err
		}
	}
	return "", fmt.Errorf("verdict for %s: %w", report.Place.Container, ErrLost)
}

// sealing reports whether the files of the request are still being sealed.
func sealing(r Request) bool {
	return slices.ContainsFunc(r.Owed, func(t statemachine.Task) bool { return t.Kind == statemachine.KindSeal })
}

// storeVerdict stores one verdict, and lets the request go on once every file has one: with the last one in the same commit.
func (s *Service) storeVerdict(ctx context.Context, r Request, settings Settings, m Manifest, i int, v Verdict) (Heard, error) {
	known := m.Files[i].Verdict
	if known.final() || known.Result == v.Result {
		return HeardTwice, s.reconcile(ctx, r, nil)
	}
	v.Claimed = s.ScanTags
	m.Files[i].Verdict = v
	l := s.look(r, settings, nil)
	l.manifest, l.dirty[i/ManifestPage] = &m, true
	silent := func(f File) bool { return f.Verdict.Result == ScanPending }
	var err error
	again := false
	if v.Result == Clean && slices.ContainsFunc(m.Files, silent) {
		err = l.saveProgress(ctx, true) // others are still to come
	} else {
		again, err = l.pass(ctx)
	}
	switch {
	case err != nil && len(l.dirty) > 0:
		return "", fmt.Errorf("verdict for %s: %w", r.ID, err)
	case err != nil:
		return HeardVerdict, s.postpone(ctx, l.after, fmt.Errorf("verdict for %s: %w", r.ID, err))
	case again:
		return HeardVerdict, s.reconcile(ctx, l.after, l.notices)
	default:
		return HeardVerdict, nil
	}
}

// explainVerdict adds the scanner's details to a verdict that counted already: the index tag, which has none, can be
// faster than the event. It changes no verdict.
func (s *Service) explainVerdict(ctx context.Context, r Request, m Manifest, i int, v Verdict) (Heard, error) {
	known := &m.Files[i].Verdict
	if known.Claimed || known.Result != v.Result || known.At != "" || v.At == "" {
		return HeardStale, nil
	}
	before := malwareText(m.Files[i])
	*known = v
	next := r
	next.Version++
	if r.StatusMessage == before {
		next.StatusMessage = malwareText(m.Files[i])
	}
	if _, err := s.commit(ctx, Commit{Before: r, After: next, Manifest: &m, Dirty: []int{i / ManifestPage}}); err != nil {
		return "", fmt.Errorf("verdict for %s: %w", r.ID, err)
	}
	return HeardVerdict, nil
}

// whose finds the request, and which of its containers, a place belongs to. heard is set when it is none of ours.
func (s *Service) whose(ctx context.Context, p Place) (r Request, settings Settings, spot statemachine.Spot, heard Heard, err error) {
	id := RequestID(p.Container)
	if id == "" {
		return r, settings, spot, HeardUnknown, nil
	}
	workspace, err := s.Store.Workspace(ctx, id)
	if err == nil {
		r, err = s.Store.Request(ctx, workspace, id)
	}
	if errors.Is(err, ErrNotFound) {
		return r, settings, spot, HeardUnknown, nil
	}
	if err == nil {
		settings, err = s.workspaceSettings(ctx, workspace)
	}
	if err != nil {
		return r, settings, spot, "", fmt.Errorf("event of %s: %w", id, err)
	}
	spot, ok := s.Layout.With(settings.Layout).Spot(r.Type, s.TRE, settings.Suffix, id, r.Round, p)
	if !ok {
		return r, settings, spot, HeardUnknown, nil
	}
	return r, settings, spot, "", nil
}
