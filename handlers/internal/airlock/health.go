package airlock

import (
	"context"
	"slices"
	"sync"
	"time"
)

// healthTime bounds each check.
const healthTime = 3 * time.Second

// Probe asks one dependency whether it answers.
type Probe struct {
	Name string
	Ask  func(context.Context) error
}

// Health asks every dependency whether it answers, all at once and each with a deadline.
func (s *Service) Health(ctx context.Context) []Check {
	probes := slices.Concat([]Probe{{"store", s.Store.Ping}, {"zones", s.Zones.Ping}, {"queue", s.Queue.Ping}}, s.Probes)
	checks := make([]Check, len(probes))
	var group sync.WaitGroup
	for i, p := range probes {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, healthTime)
			defer cancel()
			start := s.Now()
			err := p.Ask(ctx)
			checks[i] = Check{Name: p.Name, Took: s.Now().Sub(start)}
			if err != nil {
				checks[i].Problem = "it does not answer"
				s.report(ctx, err)
			}
		})
	}
	group.Wait()
	return checks
}
