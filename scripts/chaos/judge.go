package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure"
)

// findings are what is not as it has to be, a sentence each.
type findings struct {
	lost       []string // an accepted action without effect, data or a notice that is gone
	stuck      []string // a request that is not at rest
	violations []string // anything else that must not be

	extras  int // drafts that came of a lost answer, and rest
	due     int // notices that people had to get
	notices int // of these, those that came
}

func (f *findings) well() bool { return len(f.lost)+len(f.stuck)+len(f.violations) == 0 }

func (f *findings) lose(format string, args ...any) {
	f.lost = append(f.lost, fmt.Sprintf(format, args...))
}
func (f *findings) wrong(format string, args ...any) {
	f.violations = append(f.violations, fmt.Sprintf(format, args...))
}

// judge compares what there is with what people were told. Everything works again by now, so what does not answer is a
// finding too.
type judge struct {
	azure  *localazure.Azure
	desks  []*desk
	ledger *ledger
	lives  []*life
	found  findings

	attempts map[string]*attempt           // by trace
	listed   map[string]string             // status by request id
	trails   map[string][]apiclient.Record // by request id
}

func (j *judge) run(ctx context.Context) error {
	j.attempts = map[string]*attempt{}
	for _, a := range j.ledger.all() {
		j.attempts[a.trace] = &a
	}
	j.listed, j.trails = map[string]string{}, map[string][]apiclient.Record{}
	for _, d := range j.desks {
		if err := j.list(ctx, d); err != nil {
			return err
		}
	}
	known := map[string]bool{}
	for _, l := range j.lives {
		known[l.id] = true
		j.end(ctx, l)
	}
	j.records()
	j.strangers(known)
	if err := j.tellings(ctx); err != nil {
		return err
	}
	return j.check(ctx)
}

// list reads every request of a workspace, page by page, and the trail of each.
func (j *judge) list(ctx context.Context, d *desk) error {
	query := url.Values{"limit": {"100"}}
	for {
		var page struct {
			Requests []struct {
				Request apiclient.Request `json:"airlockRequest"`
			} `json:"airlockRequests"`
		}
		next, err := d.page(ctx, query, &page)
		if err != nil {
			return fmt.Errorf("list the requests: %w", err)
		}
		for _, one := range page.Requests {
			r := one.Request
			if _, twice := j.listed[r.ID]; twice {
				j.found.wrong("%s is listed twice", r.ID)
			}
			j.listed[r.ID] = r.Status
			trail, intact, err := d.trail(ctx, r.ID)
			if err != nil || !intact {
				j.found.wrong("the trail of %s is not intact: %v", r.ID, err)
			}
			j.trails[r.ID] = trail
		}
		if next == "" {
			return nil
		}
		query.Set("cursor", next)
	}
}

// page reads one page of the list and returns the cursor of the next.
func (d *desk) page(ctx context.Context, query url.Values, into any) (next string, err error) {
	headers, err := d.api.Exchange(ctx, "olga", http.MethodGet, "/requests?"+query.Encode(), nil, nil, into)
	if err != nil {
		return "", err
	}
	address, _, found := strings.Cut(strings.TrimPrefix(headers.Get("Link"), "<"), ">")
	if !found {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Query().Get("cursor"), nil
}

// end looks at how a life ended.
func (j *judge) end(ctx context.Context, l *life) {
	id, last, failed, ended := l.state()
	status, listed := j.listed[id]
	switch {
	case id == "":
		j.found.stuck = append(j.found.stuck, fmt.Sprintf("%s was never made: %s", l.title(), failed))
		return
	case !listed:
		j.found.lose("%s (%s) is not listed", id, l.title())
		return
	case !ended:
		j.found.stuck = append(j.found.stuck, fmt.Sprintf("%s (%s) is %s: %s", id, l.title(), last, failed))
		return
	case status != l.script.end:
		j.found.wrong("%s (%s) is %s", id, l.title(), status)
		return
	}
	if status == "approved" || status == "draft" {
		if err := j.data(ctx, l, id); err != nil {
			j.found.lose("%s (%s): %v", id, l.title(), err)
		}
	}
	for _, link := range l.links {
		alive, err := l.desk.alive(ctx, link)
		if alive || err != nil {
			j.found.wrong("%s (%s): an old link still works, or cannot be tried: %v", id, l.title(), err)
		}
	}
}

// data compares what the requester gets with what they sent.
func (j *judge) data(ctx context.Context, l *life, id string) error {
	link, err := l.desk.link(ctx, l.requester, id)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	got, err := l.desk.download(ctx, link)
	if err != nil {
		return err
	}
	if !maps.Equal(got, l.sums(l.version())) {
		return fmt.Errorf("the %d files there are not the %d that were sent", len(got), len(l.names))
	}
	return nil
}

// records compares the trails with what people tried: what they were told is done is recorded once, what they were
// refused is not, and nobody is said to have done what they never tried.
func (j *judge) records() {
	for id, trail := range j.trails {
		for _, r := range trail {
			if r.Who == "system" {
				continue
			}
			a := j.attempts[r.Trace]
			switch {
			case a == nil && r.What == "link" && j.lostLink(id, r.Who):
				continue
			case a == nil:
				j.found.wrong("%s: nobody tried what is recorded as %s", id, r.What)
				continue
			case !a.matches(r.What) || a.request != "" && a.request != id || !j.is(a.who, r.Who):
				j.found.wrong("%s: %s is recorded as %s by %s", id, r.What, a.action, a.who)
			}
			a.recorded++
		}
	}
	for _, a := range j.attempts {
		what := fmt.Sprintf("%q of %s by %s", a.action, a.request, a.who)
		switch {
		case a.answer == done && a.recorded == 0:
			j.found.lose("%s was accepted and is not recorded", what)
		case a.answer == no && a.recorded > 0:
			j.found.wrong("%s was refused (%s) and is recorded", what, a.said)
		case a.recorded > 1:
			j.found.wrong("%s is recorded %d times", what, a.recorded)
		}
	}
}

// lostLink takes one of the attempts to get a link whose answer was lost, and with it the id of the link.
func (j *judge) lostLink(id, who string) bool {
	for _, a := range j.attempts {
		if a.action == "link" && a.answer == unknown && a.recorded == 0 && a.request == id && j.is(a.who, who) {
			a.recorded++
			return true
		}
	}
	return false
}

// is reports whether an object id is that of somebody.
func (j *judge) is(login, id string) bool {
	u, ok := j.azure.Entra.User(login)
	return ok && u.ID == id
}

// strangers: a request that nobody knows of came of an attempt whose answer was lost, and nobody has touched it since.
func (j *judge) strangers(known map[string]bool) {
	for id, status := range j.listed {
		if known[id] {
			continue
		}
		trail := j.trails[id]
		var made *attempt
		if len(trail) > 0 {
			made = j.attempts[trail[0].Trace]
		}
		switch {
		case made == nil || made.action != "" || made.answer != unknown:
			j.found.wrong("%s is %s and nobody made it", id, status)
		case status != "draft" || len(trail) != 1:
			j.found.wrong("%s came of a lost answer and is %s after %d records", id, status, len(trail))
		default:
			j.found.extras++
		}
	}
}

// tellings: everybody was told of every status, exactly as often as it came.
func (j *judge) tellings(ctx context.Context) error {
	told, err := published(ctx, j.azure)
	if err != nil {
		return err
	}
	for id, trail := range j.trails {
		for t, n := range due(id, trail) {
			if told[t] < n {
				j.found.lose("%s: the %s had to hear of %s %d times and did %d times", id, t.audience, t.status, n, told[t])
			}
			if told[t] > n {
				j.found.wrong("%s: the %s had to hear of %s %d times and did %d times", id, t.audience, t.status, n, told[t])
			}
			j.found.due += n
			j.found.notices += min(told[t], n)
			delete(told, t)
		}
	}
	for t := range told {
		j.found.wrong("%s: the %s heard of %s, which never was", t.request, t.audience, t.status)
	}
	return nil
}

// check lets the handler look at its own tables and containers.
func (j *judge) check(ctx context.Context) error {
	r, err := fsck(ctx, j.azure)
	if err != nil {
		return err
	}
	if r.Requests != len(j.listed) {
		j.found.wrong("fsck looked at %d requests; %d are listed", r.Requests, len(j.listed))
	}
	for _, v := range append(r.Violations, r.Orphans...) {
		j.found.wrong("fsck: %s: %s: %s", v.Rule, v.Request, v.Detail)
	}
	for _, p := range r.Problems {
		j.found.wrong("fsck could not look at everything: %s", p)
	}
	for _, o := range r.Owed {
		j.found.stuck = append(j.found.stuck, fmt.Sprintf("%s is %s and is owed something, due %s, after %d failures: %s",
			o.Request, o.Status, o.Due.Format(time.RFC3339), o.Tries, o.LastError))
	}
	return nil
}

// atRest waits until nobody owes anything: no message waits, no event is on its way, and no request has work left. It
// returns when ctx ends too; what then is not at rest is found later.
func atRest(ctx context.Context, azure *localazure.Azure, say func(string)) error {
	for {
		if err := azure.Grid.Idle(ctx); err != nil {
			return overdue(ctx, err)
		}
		stats, err := azure.Bus.Stats(ctx)
		if err != nil {
			return overdue(ctx, err)
		}
		queue := stats[localazure.StatusQueue]
		say(fmt.Sprintf("waiting for rest: %d messages to be read, %d for later", queue.Active, queue.Scheduled))
		if queue.Active == 0 {
			r, err := fsck(ctx, azure)
			if err != nil {
				return overdue(ctx, err)
			}
			say(fmt.Sprintf("waiting for rest: %d requests are owed something", len(r.Owed)))
			if len(r.Owed) == 0 && len(r.Problems) == 0 {
				return nil
			}
		}
		wait(ctx, 2*time.Second)
	}
}

// overdue is no error where time is up: the judge then says what is stuck.
func overdue(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return err
}

// byCode sorts what was answered by status.
func byCode(answers map[int]int) []int { return slices.Sorted(maps.Keys(answers)) }
