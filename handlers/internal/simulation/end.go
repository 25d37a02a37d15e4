package simulation

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// heal ends all that goes wrong, lets every invocation come to its end, and waits until everything rests.
func (w *world) heal() {
	w.trace("everything heals")
	w.mood = w.calm()
	for len(w.jobs) > 0 {
		w.resume(0)
	}
	for len(w.late) > 0 {
		w.doLate()
	}
	if w.mood.deaf {
		w.queue, w.events = nil, nil
	}
	w.rest()
}

// rest lets time pass, with all that arrives and a sweep now and then, until nothing is owed.
func (w *world) rest() {
	end := w.now.Add(10 * 24 * time.Hour)
	for pause := time.Minute; ; pause = min(2*pause, time.Hour) {
		for len(w.queue) > 0 || len(w.events) > 0 || len(w.scans) > 0 {
			before := len(w.queue) + len(w.events) + len(w.scans)
			w.arrive()
			if len(w.queue)+len(w.events)+len(w.scans) >= before {
				break
			}
		}
		r, busy := w.busy()
		if !busy {
			return
		}
		if w.now.After(end) {
			w.wrong("%s never rests: it is %s and owes %v and %v (%s)", r.ID, r.Status, r.Owed, r.Untold, r.LastError)
			return
		}
		w.now = w.now.Add(pause)
		if _, err := w.processes[0].Sweep(context.Background()); err != nil {
			w.wrong("a sweep fails although nothing is wrong: %v", err)
		}
	}
}

// busy returns a request that is not at rest, if there is one.
func (w *world) busy() (r airlock.Request, ok bool) {
	for _, id := range w.known {
		if r, ok := w.request(id); ok && !resting(r) {
			return r, true
		}
	}
	return airlock.Request{}, false
}

func resting(r airlock.Request) bool {
	status, _ := statemachine.Of(r.Status)
	return status.Rests() && len(r.Owed) == 0 && len(r.Untold) == 0 && len(r.Gone) == 0 && r.Tries == 0
}

// arrive delivers what is due, all of it, in any order.
func (w *world) arrive() {
	for range len(w.queue) {
		w.deliverNudge()
	}
	for range len(w.scans) {
		w.runScan()
	}
	for range len(w.events) {
		w.deliverEvent()
	}
	for len(w.jobs) > 0 {
		w.resume(0)
	}
}

// forget lets so much time pass, with nobody there, that everything ends that does.
func (w *world) forget() {
	for range 4 {
		w.now = w.now.Add(20 * 24 * time.Hour)
		if _, err := w.processes[1].Sweep(context.Background()); err != nil {
			w.wrong("a sweep fails although nothing is wrong: %v", err)
		}
		w.rest()
	}
	for _, r := range w.requests() {
		w.judgeKept(r)
	}
}

// finish lets reasonable people go on with every request: what is offered must work, and nothing fails again.
func (w *world) finish() {
	w.now = w.now.Add(time.Hour)
	for _, workspace := range []string{north, south} {
		w.put(usual(workspace))
	}
	w.now = w.now.Add(time.Hour)
	for range 4 {
		for _, r := range w.requests() {
			w.goOn(r)
		}
		w.rest()
		w.now = w.now.Add(time.Hour)
	}
	for _, r := range w.requests() {
		switch r.Status {
		case statemachine.Failed, statemachine.Draft, statemachine.InReview:
			w.wrong("%s cannot be brought to an end: it is %s (%s)", r.ID, r.Status, r.StatusMessage)
		}
	}
}

// goOn does the next thing that a request needs.
func (w *world) goOn(r airlock.Request) {
	if r.OnHold {
		w.insist(r, "tara", "lift")
	}
	owner, manager := "una", "mia"
	if r.WorkspaceID == south {
		owner, manager = r.CreatedBy.ID, "mia"
	}
	switch r.Status {
	case statemachine.Draft:
		if w.south(r) {
			return
		}
		place := w.place(r, statemachine.Intake)
		files, _ := w.zones.Blobs(place)
		for _, name := range names { // whatever was interrupted is uploaded again
			broken := slices.ContainsFunc(files, func(b airlock.Blob) bool {
				return b.Name == name && b.Copy != airlock.CopyNone && b.Copy != airlock.CopySuccess
			})
			if name != names[0] && !broken {
				continue
			}
			if err := w.putBlob(place, name, memzone.File{Content: []byte("ok at the end")}); err != nil {
				w.wrong("nothing can be uploaded to %s: %v", r.ID, err)
			}
		}
		w.insist(r, owner, "submit")
	case statemachine.InReview:
		w.insist(r, manager, "approve")
	case statemachine.Failed:
		w.insist(r, "tara", "retry")
	}
}

// south cancels the draft of somebody who has left: nobody else can submit it there.
func (w *world) south(r airlock.Request) bool {
	if r.WorkspaceID != south || r.CreatedBy.ID == "eve" || r.CreatedBy.ID == "sam" || r.CreatedBy.ID == "olga" {
		return false
	}
	w.insist(r, "tara", "cancel")
	return true
}

// insist does something that has to work.
func (w *world) insist(r airlock.Request, who, action string) {
	a := &attempt{key: w.attemptKey(), who: w.somebody(who), workspace: r.WorkspaceID, id: r.ID, action: action, explained: true, started: w.now}
	if action == "approve" || action == "reject" {
		last := "rob"
		if r.WorkspaceID == south {
			last = "sam"
		}
		for _, other := range []string{"max", "una", last} {
			if r.CreatedBy.ID != a.who.ID && !r.ReviewedBy(a.who.ID) {
				break
			}
			a.who = w.somebody(other)
		}
	}
	a.who.SourceAddress = a.key
	w.attempts[a.key] = a
	err := w.perform(w.processes[1], a)
	a.answer = answerOf(err)
	w.trace("%s: %s: %s %s is told: %v", a.key, a.who.ID, action, r.ID, err)
	if err != nil {
		w.wrong("%s cannot %s %s, which is %s: %v", a.who.ID, action, r.ID, r.Status, err)
	}
}

// lived are the workspaces in which somebody made a request, or tried to.
func (w *world) lived() []string {
	return slices.Compact(slices.Sorted(maps.Values(w.homes)))
}

// judge holds everything against what must be true.
func (w *world) judge(when string) {
	checker := airlock.Checker{
		Store: w.store, Zones: w.zones, TRE: tre, Layout: w.layout, Containers: containers{w.zones},
		Published: func(id string) bool { return w.published[id] > 0 }, Deadline: w.now.Add(365 * 24 * time.Hour),
	}
	for _, workspace := range w.lived() {
		found, err := checker.Workspace(context.Background(), workspace)
		if err != nil {
			w.wrong("%s: %v", when, err)
		}
		for _, v := range found {
			w.wrong("%s: %s", when, v)
		}
	}
	w.judgeRecords()
	for _, r := range w.requests() {
		w.judgeData(r)
	}
}

// judgeRecords: everything that people are recorded to have done was theirs to do and was answered so, and everything
// that was answered with success is recorded.
func (w *world) judgeRecords() {
	for _, a := range w.attempts {
		a.recorded = 0
	}
	for _, k := range w.kept() {
		w.judgeTrail(k)
		w.judgeLifetime(k)
	}
	for _, id := range slices.Sorted(maps.Keys(w.forgotten)) {
		w.judgeForgotten(*w.forgotten[id])
	}
	for _, key := range slices.Sorted(maps.Keys(w.attempts)) {
		a := w.attempts[key]
		switch {
		case a.answer == done && a.action != "read" && a.recorded == 0:
			w.wrong("%s was told that %s of %s is done, and it is not recorded", a.who.ID, a.action, a.id)
		case a.answer == refused && a.action != "link" && a.recorded > 0:
			w.wrong("%s was refused %s of %s, and it is recorded", a.who.ID, a.action, a.id)
		case a.action != "link" && a.recorded > 1:
			w.wrong("%s of %s by %s is recorded %d times", a.action, a.id, a.who.ID, a.recorded)
		}
	}
}

// judgeTrail: people did what was theirs to do.
func (w *world) judgeTrail(k keepsake) {
	r := k.Request
	approvers := map[string]bool{}
	var at standing
	var stamped []*policy
	for _, rec := range k.records {
		at.status = statemachine.Status(rec.From)
		if rec.Who != "system" {
			a := w.attempts[rec.Source]
			if a == nil || a.who.ID != rec.Who || a.workspace != r.WorkspaceID || a.id != "" && a.id != r.ID || actionOf(rec) != a.action {
				w.wrong("record %d of %s tells of %s by %s, who never tried", rec.Seq, r.ID, rec.What, rec.Who)
				continue
			}
			if rec.What == "late" {
				if a.answer == done {
					w.wrong("%s was told that %s of %s is done, and it came too late", a.who.ID, a.action, r.ID)
				}
				continue
			}
			a.recorded++
			if rec.What == "submit" {
				stamped = w.policiesOf(r.WorkspaceID, a.started, rec.When)
				at.selfReview = slices.ContainsFunc(stamped, func(p *policy) bool { return p.Policy(airlock.Import).SelfReview })
			}
			if !w.permitted(a, r.CreatedBy.ID, at, rec.When) {
				w.wrong("%s was not to %s %s, which was %s (on hold: %v, purged: %v)", rec.Who, rec.What, r.ID, rec.From, at.onHold, at.purged)
			}
			w.judgeQuorum(r, rec, stamped, approvers)
		}
		at.follow(rec)
	}
	if stamped != nil && !slices.ContainsFunc(stamped, func(p *policy) bool {
		asked := p.Policy(airlock.Import)
		return asked.String() == r.Policy.String() && asked.SelfReview == r.Policy.SelfReview && asked.OneRejectionEnds == r.Policy.OneRejectionEnds &&
			(p.Version == 0 || p.Version == r.Policy.Version)
	}) {
		w.wrong("%s was submitted under another policy than %s of version %d", r.ID, r.Policy, r.Policy.Version)
	}
}

// judgeQuorum counts the reviews since the gates: who has approved, and who has not.
func (w *world) judgeQuorum(r airlock.Request, rec airlock.Record, stamped []*policy, approvers map[string]bool) {
	switch rec.What {
	case "submit":
		clear(approvers)
	case "endorse", "approve", "conclude", "oppose", "reject":
		if _, spoken := approvers[rec.Who]; spoken {
			w.wrong("%s reviewed %s twice", rec.Who, r.ID)
		}
		approvers[rec.Who] = rec.What != "oppose" && rec.What != "reject"
	}
	yes := 0
	for _, approved := range approvers {
		if approved {
			yes++
		}
	}
	enough := func(p *policy) bool { return yes >= p.Policy(airlock.Import).Reviews() }
	waits := func(p *policy) bool {
		asked := p.Policy(airlock.Import)
		return !asked.OneRejectionEnds && len(approvers) < asked.Reviews()
	}
	switch {
	case rec.What == "approve" && !slices.ContainsFunc(stamped, enough):
		w.wrong("%s was approved by %d", r.ID, yes)
	case rec.What == "oppose" && !slices.ContainsFunc(stamped, waits):
		w.wrong("a rejection of %s did not end its round", r.ID)
	case (rec.What == "approve" || rec.What == "conclude") && (yes == len(approvers)) != (rec.What == "approve"):
		w.wrong("%s: %s after %d of %d approved", r.ID, rec.What, yes, len(approvers))
	}
}

// judgeData: where it rests, its data is what was submitted, byte for byte, and what was scanned and let through has no
// malware in it.
func (w *world) judgeData(r airlock.Request) {
	status, _ := statemachine.Of(r.Status)
	if !status.Rests() || r.Status == statemachine.Draft || r.Status == statemachine.Failed || r.Zone() == statemachine.Nowhere {
		return
	}
	place := w.place(r, r.Zone())
	m, err := w.store.Manifest(context.Background(), r.WorkspaceID, r.ID, r.Round)
	if err != nil {
		w.wrong("manifest of %s: %v", r.ID, err)
	}
	for _, f := range m.Files {
		content, _ := w.zones.Content(place, f.Name)
		if submitted, known := w.contents[f.SubmittedETag]; known && submitted != string(content) {
			w.wrong("a file of %s, which is %s, is not what was submitted", r.ID, r.Status)
		}
		if r.Scanning && r.Status != statemachine.BlockedByScan && strings.HasPrefix(string(content), malware) {
			w.wrong("%s is %s with malware in it", r.ID, r.Status)
		}
	}
}
