package airlock

import (
	"context"
	"sync"
	"time"
)

// healthTime bounds each check.
const healthTime = 3 * time.Second

// Health asks every dependency whether it answers, all at once and each with a deadline.
func (s *Service) Health(ctx context.Context) []Check {
	probes := []struct {
		name string
		ping func(context.Context) error
	}{{"store", s.Store.Ping}, {"zones", s.Zones.Ping}, {"queue", s.Queue.Ping}}
	checks := make([]Check, len(probes))
	var group sync.WaitGroup
	for i, p := range probes {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, healthTime)
			defer cancel()
			start := s.Now()
			err := p.ping(ctx)
			checks[i] = Check{Name: p.name, Took: s.Now().Sub(start)}
			if err != nil {
				checks[i].Problem = "it does not answer"
				s.report(ctx, err)
			}
		})
	}
	group.Wait()
	return checks
}
