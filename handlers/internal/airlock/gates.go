package airlock

import (
	"context"
	"fmt"
	"strings"
	"time"

	"airlock/statemachine"
)

// gates waits for the verdicts of the malware scan on the sealed files, and says what they mean. Only a clean verdict
// on every file passes; a malicious one blocks; anything else waits, and fails when the deadline has passed.
func (l *look) gates(ctx context.Context, t statemachine.Task) (outcome, error) {
	if !l.after.Scanning {
		return outcome{done: true}, nil
	}
	m, place, err := l.subject(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	blobs, _, err := l.list(ctx, place)
	if err != nil {
		return outcome{}, err
	}
	var open []File
	unconfirmed := false
	for i := range m.Files {
		f := &m.Files[i]
		b, ok := blobs[f.Name]
		if !ok || b.ETag != f.SealedETag {
			return failed("%q is no longer as it was sealed. An operator has to look at it.", f.Name), nil
		}
		verdict := l.s.verdictOf(*f, b)
		unconfirmed = unconfirmed || verdict.Claimed
		if verdict.Result != f.Verdict.Result || verdict.Claimed != f.Verdict.Claimed {
			f.Verdict = verdict
			l.dirty[i/ManifestPage] = true
		}
		if !verdict.Claimed && verdict.Result == Malicious {
			return outcome{event: statemachine.EventBlock, text: malwareText(*f)}, nil
		}
		if verdict.Claimed || verdict.Result != Clean {
			open = append(open, *f)
		}
	}
	switch {
	case len(open) == 0:
		return outcome{done: true}, nil
	case !l.s.Now().Before(l.after.SealedAt.Add(l.s.Timing.ScanDeadline)):
		return outcome{event: statemachine.EventFail, text: silenceText(open, l.s.Timing.ScanDeadline)}, nil
	case unconfirmed:
		return outcome{again: l.s.Timing.RetryFirst}, nil
	case !l.after.SealedAt.Equal(l.before.SealedAt): // the first time: be back at the deadline, whatever comes before
		return outcome{again: l.s.Timing.ScanDeadline}, nil
	default:
		return outcome{}, nil
	}
}

// verdictOf is the verdict on a sealed file as far as it is known: what the scanner's event said, and where index tags
// are on, only what the tag on the blob confirms.
func (s *Service) verdictOf(f File, b Blob) Verdict {
	v := f.Verdict
	switch {
	case !s.ScanTags:
		return v
	case b.ScanTag == ScanPending:
		v.Claimed = v.Result != ScanPending
		return v
	case b.ScanTag == v.Result:
		v.Claimed = false
		return v
	default:
		return Verdict{Result: b.ScanTag}
	}
}

// final reports whether nothing more is to come. Not scanned is not final: a real result can follow.
func (v Verdict) final() bool { return !v.Claimed && (v.Result == Clean || v.Result == Malicious) }

func malwareText(f File) string {
	text := fmt.Sprintf("Malware was found in %q", shorten(f.Name))
	if len(f.Verdict.Malware) > 0 {
		text += ": " + shorten(strings.Join(f.Verdict.Malware, ", "))
	}
	return text + "."
}

func silenceText(open []File, deadline time.Duration) string {
	f := open[0]
	text := fmt.Sprintf("The malware scanner has given no result for %q within %s", shorten(f.Name), deadline)
	if f.Verdict.Reason != "" {
		text += " (" + shorten(f.Verdict.Reason) + ")"
	}
	if len(open) > 1 {
		text += fmt.Sprintf(", nor for %d more", len(open)-1)
	}
	return text + ". Nothing is lost: an airlock manager, an owner or an operator can retry."
}

// patience waits for copies that are on their way, up to the deadline.
func (l *look) patience(since time.Time) (outcome, error) {
	deadline := l.s.Timing.CopyDeadline
	if l.s.Now().Sub(since) >= deadline && statemachine.Has(l.after.Status, statemachine.EventFail) {
		return outcome{event: statemachine.EventFail, text: fmt.Sprintf(
			"The files could not be moved within %s. Nothing is lost: an operator can retry.", deadline)}, nil
	}
	return outcome{again: l.s.Timing.CopyPoll}, nil
}
