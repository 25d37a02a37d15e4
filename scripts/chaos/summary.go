package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"airlock/scripts/localazure"
)

// listed is how many findings of a kind are printed.
const listed = 30

// turns lets one write at a time: what happens is told by several.
type turns struct {
	mu   sync.Mutex
	next io.Writer
}

func (t *turns) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next.Write(p)
}

func (s *stage) say(what string) {
	fmt.Fprintf(s.out, "%6.1f s  %s\n", time.Since(s.began).Seconds(), what)
}

// report says every few seconds how far everything is.
func (s *stage) report(ctx context.Context) {
	for wait(ctx, progressEvery); ctx.Err() == nil; wait(ctx, progressEvery) {
		phase, _ := s.phase.Load().(string)
		if phase == "" {
			continue
		}
		_, kills, _, last := s.monkey.tally()
		started, ended := s.started.Load(), s.ended.Load()
		line := fmt.Sprintf("%s: %d of %d requests ended, %d under way, %d kills", phase, ended, s.requests, started-ended, kills)
		if last != "" {
			line += " (last: " + last + ")"
		}
		s.say(fmt.Sprintf("%s, %d answers lost", line, s.ledger.lost()))
		if phase == "healed" {
			s.sayWaiting()
		}
	}
}

// sayWaiting names a few of those that are still under way.
func (s *stage) sayWaiting() {
	said := 0
	for _, l := range s.lives {
		id, last, failed, ended := l.state()
		if ended || id == "" || said == 3 {
			continue
		}
		said++
		s.say(fmt.Sprintf("          %s (%s) is %s; last problem: %s", id, l.title(), last, failed))
	}
}

// summarise prints everything that was found, and as the last line whether all is well.
func (s *stage) summarise(f findings) {
	for _, found := range []struct {
		kind string
		list []string
	}{{"LOST", f.lost}, {"STUCK", f.stuck}, {"VIOLATION", f.violations}} {
		for i, what := range found.list {
			if i == listed {
				fmt.Fprintf(s.out, "%s: and %d more\n", found.kind, len(found.list)-listed)
				break
			}
			fmt.Fprintf(s.out, "%s: %s\n", found.kind, what)
		}
	}
	kills, total, weathers, _ := s.monkey.tally()
	fmt.Fprintln(s.out)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(s.out, "  %-28s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("took", "%.0f s", time.Since(s.began).Seconds())
	for _, p := range parts() {
		row(string(p), "%d", kills[p])
	}
	grid, scans := s.azure.Grid.Stats(), s.azure.Defender.Stats()
	row("changes of weather", "%d", weathers)
	row("events", "%d published, %d dropped, %d doubled, %d reordered, %d tried again, %d given up",
		grid.Published, grid.Dropped, grid.Doubled, grid.Reordered, grid.Retried, grid.DeadLettered)
	row("scans", "%d clean, %d malicious, %d not scanned, %d silent, %d broken", scans.Clean, scans.Malicious, scans.NotScanned, scans.Silenced, scans.Faults)
	seen := s.console.tally()
	row("sweeps", "%d, of which %d found something to do", seen.sweeps, seen.useful)
	row("handler", "%d problems noted, %d invocations failed", seen.problems, seen.failures)
	row("answers", "%s", s.answers())
	row("answers that were lost", "%d, which left %d drafts that nobody knows of", s.ledger.lost(), f.extras)
	row("retries of failed requests", "%d", s.retries())
	row("notices", "%d due, %d of them came", f.due, f.notices)
	if stats, err := s.azure.Bus.Stats(context.Background()); err == nil {
		row("dead letters", "%d", stats[localazure.StatusQueue].DeadLettered)
	}
	for _, sc := range scripts() {
		n := 0
		for _, l := range s.lives {
			if l.name == sc.name {
				n++
			}
		}
		row(sc.name, "%d requests", n)
	}
	fmt.Fprintf(s.out, "chaos: %d requests, %d kills, lost %d, stuck %d, violations %d\n", s.requests, total, len(f.lost), len(f.stuck), len(f.violations))
}

func (s *stage) answers() string {
	answers := s.ledger.answers()
	var list []string
	for _, status := range byCode(answers) {
		list = append(list, fmt.Sprintf("%d × %d", answers[status], status))
	}
	return strings.Join(list, ", ")
}

// retries is how often somebody let a failed request go on.
func (s *stage) retries() (n int) {
	for _, a := range s.ledger.all() {
		if a.action == "retry" && a.answer == done {
			n++
		}
	}
	return n
}
