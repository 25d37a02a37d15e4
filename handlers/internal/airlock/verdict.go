package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// ScanReport is what the malware scanner says of one blob.
type ScanReport struct {
	Place   Place
	Name    string
	ETag    string // without quotes
	Verdict Verdict
}

// Scanned hears a verdict. It counts for the very bytes that the manifest sealed, and for nothing else.
func (s *Service) Scanned(ctx context.Context, report ScanReport) (Heard, error) {
	heard, err := s.ScannedAll(ctx, []ScanReport{report})
	return heard[0], err
}

// ScannedAll hears verdicts on blobs of one place, with one commit for all. The error is for those of which nothing was
// heard: they have to come again.
func (s *Service) ScannedAll(ctx context.Context, reports []ScanReport) (heard []Heard, err error) {
	for range maxRaces {
		if heard, err = s.scanned(ctx, reports); !errors.Is(err, ErrLost) {
			return heard, err
		}
	}
	return heard, err
}

func (s *Service) scanned(ctx context.Context, reports []ScanReport) ([]Heard, error) {
	if p, ok := s.Layout.scannerTest(s.TRE); ok && p == reports[0].Place {
		return s.heardScannerTest(ctx, p, reports)
	}
	r, settings, spot, heard, err := s.whose(ctx, reports[0].Place)
	if err == nil && heard == "" && (spot.Zone != statemachine.Holding || spot.Round != r.Round) {
		heard = HeardStale
	}
	if err != nil || heard != "" {
		return slices.Repeat([]Heard{heard}, len(reports)), err
	}
	v := &verdicts{s: s, reports: reports, request: r, settings: settings}
	if err := v.load(ctx); err != nil {
		return make([]Heard, len(reports)), err
	}
	v.judge(ctx)
	if err := v.store(ctx); err != nil {
		return make([]Heard, len(reports)), fmt.Errorf("verdict for %s: %w", r.ID, err)
	}
	if slices.Contains(v.heard, "") {
		return v.heard, fmt.Errorf("verdict for %s: the file has not been seen to arrive: %w", r.ID, ErrTransient)
	}
	return v.heard, nil
}

// verdicts is what comes of some reports on the files of one request.
type verdicts struct {
	s        *Service
	reports  []ScanReport
	request  Request
	settings Settings
	manifest Manifest
	message  string       // of the request, with the scanner's details
	heard    []Heard      // of each report
	dirty    map[int]bool // pages of the manifest
	alarm    bool         // one of them is not clean
}

// load reads the manifest. The scanner may have been faster than we were: then what has arrived is noted first. The request is
// read before the manifest, so that what is decided about an older one is refused.
func (v *verdicts) load(ctx context.Context) (err error) {
	r := v.request
	if v.manifest, err = v.s.Store.Manifest(ctx, r.WorkspaceID, r.ID, r.Round); err != nil {
		return fmt.Errorf("verdict for %s: %w", r.ID, err)
	}
	early := slices.ContainsFunc(v.reports, func(report ScanReport) bool {
		i := v.file(report)
		return i >= 0 && v.manifest.Files[i].SealedETag != report.ETag
	})
	if !early || !sealing(r) {
		return nil
	}
	if err := v.s.reconcile(ctx, Request{WorkspaceID: r.WorkspaceID, ID: r.ID}, nil); err != nil {
		return err
	}
	if v.request, err = v.s.Store.Request(ctx, r.WorkspaceID, r.ID); err != nil {
		return fmt.Errorf("verdict for %s: %w", r.ID, err)
	}
	if v.manifest, err = v.s.Store.Manifest(ctx, r.WorkspaceID, r.ID, r.Round); err != nil {
		return fmt.Errorf("verdict for %s: %w", r.ID, err)
	}
	return nil
}

// sealing reports whether the files of the request are still being sealed.
func sealing(r Request) bool {
	return slices.ContainsFunc(r.Owed, func(t statemachine.Task) bool { return t.Kind == statemachine.KindSeal })
}

// file is where a report's file is in the manifest; below 0: nowhere.
func (v *verdicts) file(report ScanReport) int {
	return slices.IndexFunc(v.manifest.Files, func(f File) bool { return f.Name == report.Name })
}

// judge takes over from each report what counts. A report that is too early is not heard.
func (v *verdicts) judge(ctx context.Context) {
	v.heard, v.dirty, v.message = make([]Heard, len(v.reports)), map[int]bool{}, v.request.StatusMessage
	for k, report := range v.reports {
		i := v.file(report)
		switch {
		case i < 0 || v.request.Round != v.manifest.Round:
			v.heard[k] = HeardStale
		case v.manifest.Files[i].SealedETag != report.ETag && sealing(v.request):
		case v.manifest.Files[i].SealedETag != report.ETag:
			v.heard[k] = HeardStale
		case v.request.Status == statemachine.Submitted:
			v.heard[k] = v.learn(&v.manifest.Files[i], report.Verdict)
		default:
			v.heard[k] = v.explain(&v.manifest.Files[i], report.Verdict)
		}
		if v.heard[k] == HeardVerdict {
			v.dirty[i/ManifestPage] = true
			v.s.compare(ctx, v.request, i, v.manifest.Files[i])
		}
	}
}

// learn takes over a verdict, unless one that is final is known.
func (v *verdicts) learn(f *File, verdict Verdict) Heard {
	if f.Verdict.final() || f.Verdict.Result == verdict.Result {
		return HeardTwice
	}
	f.Verdict = verdict
	f.Verdict.Claimed = v.s.ScanTags
	v.alarm = v.alarm || verdict.Result != Clean
	return HeardVerdict
}

// explain adds the scanner's details to a verdict that counted already: the index tag, which has none, can be faster than the
// event. It changes no verdict.
func (v *verdicts) explain(f *File, verdict Verdict) Heard {
	if f.Verdict.Claimed || f.Verdict.Result != verdict.Result || f.Verdict.At != "" || verdict.At == "" {
		return HeardStale
	}
	before := malwareText(*f)
	f.Verdict = verdict
	if v.message == before {
		v.message = malwareText(*f)
	}
	return HeardVerdict
}

// store stores what was learned in one commit, and lets the request go on once every file has a verdict: with the last one in
// the same commit.
func (v *verdicts) store(ctx context.Context) error {
	s, r := v.s, v.request
	if len(v.dirty) == 0 {
		if slices.Contains(v.heard, HeardTwice) {
			return s.reconcile(ctx, r, nil)
		}
		return nil
	}
	l := s.look(r, v.settings, nil)
	l.manifest, l.dirty = &v.manifest, v.dirty
	if r.Status != statemachine.Submitted {
		next := r
		next.Version++
		next.StatusMessage = v.message
		return l.store(ctx, Commit{Before: r, After: next})
	}
	silent := func(f File) bool { return f.Verdict.Result == ScanPending }
	if !v.alarm && slices.ContainsFunc(v.manifest.Files, silent) {
		return l.saveProgress(ctx, true) // others are still to come
	}
	again, err := l.pass(ctx)
	switch {
	case err != nil && len(l.dirty) > 0:
		return err
	case err != nil:
		return s.postpone(ctx, l.after, err)
	case again:
		return s.reconcile(ctx, l.after, l.notices)
	default:
		return nil
	}
}
