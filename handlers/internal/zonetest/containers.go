package zonetest

import (
	"context"
	"errors"

	"airlock/handlers/internal/airlock"
)

// containers returns the names of all containers of an account.
func (s *stage) containers(account int) map[string]int {
	s.Helper()
	names := map[string]int{}
	for name, err := range s.Zones.Containers(s.ctx, s.Accounts[account]) {
		if err != nil {
			s.Fatalf("Containers: %v", err)
		}
		names[name]++
	}
	return names
}

func containersOfAnAccount(s *stage) {
	empty, full, erased, elsewhere := s.opened(0), s.opened(0), s.opened(0), s.opened(1)
	s.put(full, "a.txt", upload{content: "a"})
	if err := s.Zones.Erase(s.ctx, erased); err != nil {
		s.Fatalf("Erase: %v", err)
	}
	first, second := s.containers(0), s.containers(1)
	for _, test := range []struct {
		p             airlock.Place
		first, second int
	}{{empty, 1, 0}, {full, 1, 0}, {erased, 0, 0}, {elsewhere, 0, 1}} {
		if first[test.p.Container] != test.first || second[test.p.Container] != test.second {
			s.Errorf("%s is listed %d and %d times, want %d and %d", test.p.Container,
				first[test.p.Container], second[test.p.Container], test.first, test.second)
		}
	}
}

func containersStopsWhenAsked(s *stage) {
	s.opened(0)
	s.opened(0)
	pairs := 0
	for range s.Zones.Containers(s.ctx, s.Accounts[0]) {
		pairs++
		break
	}
	if pairs != 1 {
		s.Errorf("%d pairs after the caller had stopped", pairs)
	}
}

// containersFails: the error comes alone and last, and is the right one.
func containersFails(s *stage) {
	s.opened(0)
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, test := range []struct {
		what, account string
		ctx           context.Context
		want          error
	}{
		{"a cancelled call", s.Accounts[0], cancelled, airlock.ErrTransient},
		{"no account", "", s.ctx, nil},
		{"a host", "example.com/x", s.ctx, nil},
	} {
		pairs := 0
		for name, err := range s.Zones.Containers(test.ctx, test.account) {
			pairs++
			if err == nil || name != "" {
				s.Errorf("Containers of %s: %q, %v", test.what, name, err)
				continue
			}
			s.wantError("Containers of "+test.what, err, test.want)
			if test.ctx == cancelled && !errors.Is(err, context.Canceled) {
				s.Errorf("Containers: error %v, want the context's", err)
			}
		}
		if pairs != 1 {
			s.Errorf("Containers of %s yields %d pairs, want the error alone", test.what, pairs)
		}
	}
}
