package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"airlock/scripts/localazure"
)

// What the handler is told, so that what takes hours in a deployment takes seconds here.
const (
	sweepEvery   = 3 * time.Second
	sweepGrace   = 4 * time.Second
	retryLongest = 10 * time.Second
	scanDeadline = 12 * time.Second
	copyDeadline = time.Minute
	deletedFor   = 3 * time.Second
)

const (
	stallTime     = 4 * time.Minute // without any life coming to its end, the storm has gone on for long enough
	progressEvery = 5 * time.Second
)

// stage is a play in progress.
type stage struct {
	plan
	out     io.Writer
	azure   *localazure.Azure
	console *console
	ledger  *ledger
	desks   []*desk
	lives   []*life
	monkey  *monkey
	began   time.Time

	started, ended atomic.Int64
	phase          atomic.Value // string
}

// play starts everything, plays, and says what it found.
func play(ctx context.Context, p plan, out io.Writer) (findings, error) {
	out = &turns{next: out}
	s := &stage{plan: p, out: out, console: &console{next: p.log}, ledger: newLedger(), began: time.Now()}
	fmt.Fprintf(out, "%d requests, %d kills, %d clients, seed %d\n", p.requests, p.kills, p.clients, p.seed)
	dir := p.keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "airlock-chaos-"); err != nil {
			return findings{}, err
		}
		defer os.RemoveAll(dir)
	}
	azure, err := localazure.Start(ctx, localazure.Options{
		DataDir: filepath.Join(dir, "data"), Log: p.log, Console: s.console, Dist: p.dist,
		Sweep: sweepEvery, DeletedFor: deletedFor, RestartLimit: p.kills + 1000,
		Settings: map[string]string{
			"AIRLOCK_SWEEP_GRACE": sweepGrace.String(), "AIRLOCK_RETRY_LONGEST": retryLongest.String(),
			"AIRLOCK_SCAN_DEADLINE": scanDeadline.String(), "AIRLOCK_COPY_DEADLINE": copyDeadline.String(),
		},
	})
	if err != nil {
		return findings{}, err
	}
	defer azure.Stop()
	s.azure, s.monkey = azure, newMonkey(azure, p.seed, p.kills)
	s.invite()
	s.say("the local Azure runs")

	reporting, quiet := context.WithCancel(ctx)
	var reporter sync.WaitGroup
	reporter.Go(func() { s.report(reporting) })
	err = s.perform(ctx)
	quiet()
	reporter.Wait()
	if err != nil {
		return findings{}, err
	}
	j := &judge{azure: azure, desks: s.desks, ledger: s.ledger, lives: s.lives}
	if err := j.run(ctx); err != nil {
		return findings{}, err
	}
	s.blame(&j.found)
	s.summarise(j.found)
	return j.found, nil
}

// invite makes the people and the lives of their requests.
func (s *stage) invite() {
	transport := &http.Transport{MaxIdleConnsPerHost: s.clients, IdleConnTimeout: 10 * time.Second}
	for _, w := range s.azure.Workspaces {
		s.desks = append(s.desks, newDesk(s.azure, w, transport, s.ledger))
	}
	for i := range s.requests {
		r := cast(s.seed, i)
		s.lives = append(s.lives, newLife(r, s.desks[r.workspace]))
	}
}

// perform is the play: the storm, until the monkey is done; then everything is healed, the last lives come to their end,
// and all comes to rest, or the deadline passes.
func (s *stage) perform(ctx context.Context) error {
	living, end := context.WithCancel(ctx)
	defer end()
	var people sync.WaitGroup
	next := make(chan *life)
	for range s.clients {
		people.Go(func() {
			for l := range next {
				s.started.Add(1)
				l.play(living)
				s.ended.Add(1)
			}
		})
	}
	go func() {
		defer close(next)
		for _, l := range s.lives {
			select {
			case next <- l:
			case <-living.Done():
				return
			}
		}
	}()
	s.storm(ctx)
	healed, cancel := context.WithTimeout(ctx, s.deadline)
	defer cancel()
	stop := context.AfterFunc(healed, end)
	defer stop()
	s.phase.Store("healed")
	people.Wait()
	s.phase.Store("")
	if err := atRest(healed, s.azure, s.say); err != nil {
		return err
	}
	if err := s.monkey.err(); err != nil {
		return fmt.Errorf("the monkey: %w", err)
	}
	return ctx.Err()
}

// storm lets the monkey and the weather loose until the monkey has done what it should and everybody is there, or until
// nothing moves any more.
func (s *stage) storm(ctx context.Context) {
	s.phase.Store("storm")
	raging, calm := context.WithCancel(ctx)
	defer calm()
	var trouble sync.WaitGroup
	trouble.Go(func() { s.monkey.weather(raging, s.seed) })
	trouble.Go(func() { s.watchForStall(raging, calm) })
	s.monkey.run(raging, s.progress)
	for s.started.Load() < int64(s.requests) && raging.Err() == nil {
		wait(raging, 100*time.Millisecond)
	}
	calm()
	trouble.Wait()
}

// watchForStall ends the storm when it goes nowhere.
func (s *stage) watchForStall(ctx context.Context, calm func()) {
	last, since := s.ended.Load(), time.Now()
	for ctx.Err() == nil {
		wait(ctx, time.Second)
		if now := s.ended.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stallTime {
			s.say("no request has come to its end for a long time: the storm is over")
			calm()
		}
	}
}

// progress is how far the people are, from 0 to 1.
func (s *stage) progress() float64 {
	return float64(s.started.Load()+s.ended.Load()) / float64(2*s.requests)
}

// blame adds what the judge cannot see.
func (s *stage) blame(f *findings) {
	for _, c := range s.console.tally().crashes {
		f.wrong("the handler crashed by itself: %s", c)
	}
	if n := s.ledger.answers()[http.StatusInternalServerError]; n > 0 {
		f.wrong("the handler answered %d times with 500", n)
	}
	if _, total, _, _ := s.monkey.tally(); total < s.kills {
		f.wrong("the monkey came to only %d of %d kills", total, s.kills)
	}
}
