package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// event is a storage event or a scan result on its way.
type event struct {
	place  airlock.Place
	report *airlock.ScanReport // nil: a blob was written
	at     time.Time
	tries  int
}

// scan is a blob that the scanner will read, or a tag that it has still to write.
type scan struct {
	place airlock.Place
	name  string
	at    time.Time
	tries int
	etag  string             // of the blob that the tag is for
	tag   airlock.ScanResult // empty: it has not read the blob yet
	slept bool
}

// grant is a link that somebody holds.
type grant struct {
	place  airlock.Place
	id     string
	rights statemachine.Rights
	until  time.Time
}

// maxTries is how often something is delivered until it is given up.
const maxTries = 10

// step lets one thing happen.
func (w *world) step() {
	if len(w.jobs) > 0 && (len(w.jobs) > 6 || w.chance(0.5)) {
		w.resume(w.random.IntN(len(w.jobs)))
		return
	}
	for !w.stimulate() {
	}
}

// stimulate lets something happen, if what was drawn can.
func (w *world) stimulate() bool {
	switch n := w.random.IntN(100); {
	case n < 32:
		w.act()
	case n < 52:
		return w.deliverNudge()
	case n < 64:
		return w.deliverEvent()
	case n < 80:
		return w.runScan()
	case n < 90:
		w.passTime()
	case n < 94:
		w.sweep()
	case n < 96:
		w.changeSettings()
	case n < 97:
		w.upload()
	case len(w.late) > 0:
		w.doLate()
	case w.chance(w.mood.wild):
		w.forge()
	case w.chance(w.mood.dies * 4):
		w.count(Crash)
		w.restart(pick(w, w.processes[:]...))
	default:
		return false
	}
	return true
}

func (w *world) passTime() {
	d := time.Duration(1+w.random.IntN(60)) * time.Second
	switch n := w.random.IntN(100); {
	case n >= 98 || w.mood.ends && n >= 90:
		d *= 24 * 60
	case n >= 90:
		d *= 200
	case n >= 60:
		d *= 5
	}
	for len(w.late) > 0 && w.late[0].until.Before(w.now.Add(d)) {
		w.doLate()
	}
	w.now = w.now.Add(d)
	w.trace("%s pass", d)
}

func (w *world) sweep() {
	p := pick(w, w.processes[:]...)
	w.start(p, just("sweep"), func() { _, _ = p.Sweep(context.Background()) }, func(bool) {})
}

// deliverNudge delivers any nudge that is due. One that is not taken comes again.
func (w *world) deliverNudge() bool {
	m, ok := take(w, &w.queue, func(m message) time.Time { return m.at })
	if !ok {
		return false
	}
	p := pick(w, w.processes[:]...)
	var err error
	w.start(p, func() string { return "nudge " + m.Request }, func() { err = p.Reconcile(context.Background(), m.Workspace, m.Request) }, func(died bool) {
		if m.tries++; (died || err != nil) && m.tries < maxTries {
			w.queue = append(w.queue, m)
		}
	})
	return true
}

// deliverEvent delivers any event that is due. One that is not taken comes again.
func (w *world) deliverEvent() bool {
	e, ok := take(w, &w.events, func(e event) time.Time { return e.at })
	if !ok {
		return false
	}
	p := pick(w, w.processes[:]...)
	var err error
	name := func() string { return "stored in " + e.place.Container }
	work := func() { _, err = p.Stored(context.Background(), e.place) }
	if e.report != nil {
		name = func() string { return fmt.Sprintf("scanned %s: %s", e.place.Container, e.report.Verdict.Result) }
		work = func() { _, err = p.Scanned(context.Background(), *e.report) }
	}
	w.start(p, name, work, func(died bool) {
		if e.tries++; (died || err != nil) && e.tries < maxTries {
			e.at = w.now.Add(time.Minute)
			w.events = append(w.events, e)
		}
	})
	return true
}

// take removes one that is due, mostly the first, now and then any.
func take[T any](w *world, from *[]T, at func(T) time.Time) (T, bool) {
	var due []int
	for i, x := range *from {
		if !at(x).After(w.now) {
			due = append(due, i)
		}
	}
	var none T
	if len(due) == 0 {
		return none, false
	}
	n := 0
	if len(due) > 1 && w.chance(0.4) {
		n = w.random.IntN(len(due))
		if n > 0 {
			w.count(OutOfOrder)
		}
	}
	taken := (*from)[due[n]]
	*from = slices.Delete(*from, due[n], due[n]+1)
	return taken, true
}

// written raises what follows a write: a storage event, and in a holding zone a scan.
func (w *world) written(p airlock.Place, name string, delay time.Duration) {
	w.raise(event{place: p, at: w.now.Add(delay)})
	if holding(p) {
		w.scans = append(w.scans, scan{place: p, name: name, at: w.now.Add(max(delay, 0) + 2*time.Second)})
	}
}

func (w *world) raise(e event) {
	switch {
	case w.chance(w.mood.drops):
		w.count(EventLost)
	case w.chance(w.mood.doubles):
		w.count(EventTwice)
		w.events = append(w.events, e, e)
	default:
		w.events = append(w.events, e)
	}
}

// holding reports whether a place is one where the scanner reads.
func holding(p airlock.Place) bool {
	return strings.Contains(p.Container, "-holding") || strings.HasPrefix(p.Account, "stalimip") || strings.HasPrefix(p.Account, "stalexip")
}

// find returns a blob as it is now.
func (w *world) find(p airlock.Place, name string) (airlock.Blob, bool) {
	blobs, _ := w.zones.Blobs(p)
	i := slices.IndexFunc(blobs, func(b airlock.Blob) bool { return b.Name == name })
	if i < 0 {
		return airlock.Blob{}, false
	}
	return blobs[i], true
}

// runScan lets the scanner do one thing that is due.
func (w *world) runScan() bool {
	s, ok := take(w, &w.scans, func(s scan) time.Time { return s.at })
	if !ok {
		return false
	}
	b, ok := w.find(s.place, s.name)
	switch {
	case !ok: // it has been deleted
	case s.tag != "":
		if b.ETag == s.etag {
			w.tag(s.place, s.name, s.tag)
		}
	case b.Copy == airlock.CopyPending:
		if s.tries++; s.tries < 100 {
			s.at = w.now.Add(time.Minute)
			w.scans = append(w.scans, s)
		}
	case b.Copy == airlock.CopySuccess:
		truth := airlock.Clean
		if content, _ := w.zones.Content(s.place, s.name); strings.HasPrefix(string(content), malware) {
			truth = airlock.Malicious
		}
		w.read(s, b, truth)
	}
	return true
}

// read lets the scanner say something about a blob whose truth is known.
func (w *world) read(s scan, b airlock.Blob, truth airlock.ScanResult) {
	report := airlock.ScanReport{Place: s.place, Name: s.name, ETag: b.ETag, Verdict: airlock.Verdict{Result: truth}}
	again := s
	again.slept = true
	switch {
	case w.chance(w.mood.silent):
		w.count(ScanSilent)
		w.trace("scanner: silent about %s", s.place.Container)
		return
	case !s.slept && w.chance(w.mood.slow):
		w.count(ScanSlow)
		again.at = w.now.Add(time.Duration(1+w.random.IntN(8*60)) * time.Minute)
		w.scans = append(w.scans, again)
		return
	case w.chance(w.mood.not):
		w.count(ScanNot)
		report.Verdict = airlock.Verdict{Result: airlock.NotScanned, Reason: "SAM259215"}
		w.tag(s.place, s.name, pick(w, airlock.NotScanned, "Not scanned"))
		if w.chance(0.5) {
			again.at = w.now.Add(time.Duration(1+w.random.IntN(60)) * time.Minute)
			w.scans = append(w.scans, again)
		}
	case w.mood.tags && w.chance(w.mood.lying):
		w.count(ScanContrary)
		if report.Verdict.Result = airlock.Clean; truth == airlock.Clean {
			report.Verdict.Result = airlock.Malicious
		}
		w.tag(s.place, s.name, truth)
	case w.chance(0.3): // the event is faster than the tag
		again.at, again.tag, again.etag = w.now.Add(time.Duration(w.random.IntN(90))*time.Second), truth, b.ETag
		w.scans = append(w.scans, again)
	default:
		w.tag(s.place, s.name, truth)
	}
	w.trace("scanner: %s in %s: %s", s.name, s.place.Container, report.Verdict.Result)
	w.raise(event{place: s.place, report: &report, at: w.now})
}

// tag writes the index tag. What was found to be malicious stays so.
func (w *world) tag(p airlock.Place, name string, result airlock.ScanResult) {
	if b, ok := w.find(p, name); ok && w.mood.tags && b.ScanTag != airlock.Malicious {
		_ = w.zones.Tag(p, name, result)
	}
}

// forge raises an event that nobody sent: for other bytes, another place, or a request that does not exist; where tags
// have to agree, also for the very bytes that are waiting.
func (w *world) forge() {
	places := w.zones.Places()
	if len(places) == 0 {
		return
	}
	w.count(ScanForged)
	p := pick(w, places...)
	report := airlock.ScanReport{Place: p, Name: pick(w, names...), ETag: "0xFORGED", Verdict: airlock.Verdict{Result: pick(w, airlock.Clean, airlock.Malicious, airlock.NotScanned)}}
	if b, ok := w.find(p, report.Name); ok && (w.mood.tags || !holding(p)) {
		report.ETag = b.ETag
	} else if w.chance(0.2) {
		report.Place.Container = "00000000-0000-7000-8000-000000000000"
	}
	w.raise(event{place: report.Place, report: &report, at: w.now})
}

// malware is how content begins in which the scanner finds something.
const malware = "EICAR"

// names are those of all files.
var names = []string{"a.csv", "b/ü.csv", "c"}

// upload plays somebody who uses a link: they add, overwrite or delete a file while the link lives.
func (w *world) upload() {
	var open []grant
	for _, g := range w.links {
		if _, there := w.zones.Blobs(g.place); there && g.until.After(w.now) && g.rights&statemachine.Write != 0 {
			open = append(open, g)
		}
	}
	if len(open) == 0 {
		return
	}
	g := pick(w, open...)
	if w.chance(0.2) {
		name := pick(w, names...)
		_ = w.zones.Remove(context.Background(), g.place, name)
		w.trace("somebody deletes %s in %s", name, g.place.Container)
	} else {
		w.putFile(g)
	}
	if r, ok := w.request(g.id); ok && (r.Status != statemachine.Draft || statemachine.Moving(r.Owed)) {
		w.count(FileMeddled)
	}
}

// putFile puts a file where a link allows it.
func (w *world) putFile(g grant) {
	w.serial++
	name, content := pick(w, names...), fmt.Sprintf("ok %d", w.serial)
	if w.chance(w.mood.malware) {
		content = fmt.Sprintf("%s %d", malware, w.serial)
	}
	if w.putBlob(g.place, name, memzone.File{Content: []byte(content), Blocks: w.chance(0.3)}) != nil {
		return
	}
	w.trace("somebody puts %s into %s: %s", name, g.place.Container, content)
	w.written(g.place, name, 0)
}

// putBlob stores a file, and remembers what is in this version of it.
func (w *world) putBlob(p airlock.Place, name string, f memzone.File) error {
	etag, err := w.zones.Put(p, name, f)
	w.contents[etag] = string(f.Content)
	return err
}

// noteSubmitted remembers what is in the files that are about to be submitted, as far as they are still there: those that
// were handed back nobody has put.
func (w *world) noteSubmitted(c airlock.Commit) {
	if c.Record == nil || c.Record.What != "submit" || c.Manifest == nil {
		return
	}
	p := w.place(c.Before, statemachine.Intake)
	for _, f := range c.Manifest.Files {
		if b, ok := w.find(p, f.Name); ok && b.ETag == f.SubmittedETag {
			content, _ := w.zones.Content(p, f.Name)
			w.contents[b.ETag] = string(content)
		}
	}
}
