package main

import (
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// TestAccess asks for everything, as everybody, everywhere, in every status, with every kind of token, and compares
// with testdata/access.golden. The edge, the verification of tokens and the domain are the real ones; only what they
// stand on is in memory. With -short it asks one question in seven.
func TestAccess(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // every case makes garbage and keeps nothing
	wallet := newWallet(t)
	all := operations()
	golden := readGolden(t, "testdata/access.golden", vocabulary(all))
	used := make([]atomic.Int64, len(golden.rules))
	var mu sync.Mutex
	total := map[string]int{}
	t.Run("status", func(t *testing.T) {
		for _, status := range vocabulary(all)[1] {
			t.Run(status, func(t *testing.T) {
				t.Parallel()
				m := &matrix{t: t, wallet: wallet, golden: golden, used: used, status: status, operations: all, seen: map[string]int{}}
				m.run()
				mu.Lock()
				defer mu.Unlock()
				for name, n := range m.seen {
					total[name] += n
				}
			})
		}
	})
	for i, r := range golden.rules {
		if used[i].Load() == 0 && !testing.Short() {
			t.Errorf("access.golden:%d is the answer of no case", r.line)
		}
	}
	cases := 0
	for _, o := range all {
		if total[o.name] == 0 {
			t.Errorf("nobody asked for %s", o.name)
		}
		cases += total[o.name]
	}
	t.Logf("%d cases by %d lines", cases, len(golden.rules))
}

// vocabulary is every value of every column.
func vocabulary(all []operation) [columns][]string {
	var names, statuses []string
	for _, o := range all {
		names = append(names, o.name)
	}
	for _, f := range statemachine.Statuses() {
		statuses = append(statuses, string(f.Status))
	}
	return [columns][]string{
		names, append(statuses, "-"), slices.Sorted(maps.Keys(roleSets)), slices.Sorted(maps.Keys(people)),
		{"own", "archived", "foreign", "smuggled", "nowhere"},
		slices.Concat(listed, unlisted, slices.Sorted(maps.Keys(wrong))),
	}
}

// matrix is all cases of one status.
type matrix struct {
	t          *testing.T
	wallet     *wallet
	golden     *golden
	used       []atomic.Int64
	status     string // "-": of what concerns no request
	operations []operation
	seen       map[string]int // cases by operation
	wrongs     int            // cases that went wrong
	asked      int
}

// sparse is the one in how many questions that -short asks.
const sparse = 7

// maxWrongs is how many cases are told: one wrong rule makes thousands.
const maxWrongs = 5

func (m *matrix) run() {
	status := statemachine.Status(m.status)
	if m.status == "-" {
		status = statemachine.Draft
		checkOperations(m.t, newAPI(&asked{}, m.wallet), m.operations)
	}
	base := newWorld(m.t, status)
	for _, roles := range slices.Sorted(maps.Keys(roleSets)) {
		var held []airlock.Role
		for _, name := range roleSets[roles] {
			if roles != "A" {
				held = append(held, airlock.Role(name))
			}
		}
		persons := []airlock.Member{{ID: requesterID, Roles: held}, {ID: otherID, Roles: held}}
		group := []airlock.Member{{ID: groupID, Roles: held}}
		m.tokens(base, persons, roles, listed)
		m.tokens(base, group, roles, slices.Concat(unlisted, slices.Sorted(maps.Keys(wrong))))
	}
}

// tokens runs the cases of one set of roles, in a world whose member lists are as given.
func (m *matrix) tokens(base *world, members []airlock.Member, roles string, tokens []string) {
	prepared := base.clone()
	prepared.settle(m.t, own, members, false)
	prepared.settle(m.t, archived, members, true)
	prepared.settle(m.t, foreign, nil, false)
	service := &asked{prepared.service()}
	handler := newAPI(service, m.wallet)
	prepared.learn(m.t, handler, m.wallet.of(question{roles: "A", who: "other", token: "user"}))
	w := prepared.clone()
	service.Service = w.service()
	for _, o := range m.operations {
		if (o.scope >= ofListing) != (m.status != "-") {
			continue
		}
		for _, where := range o.places() {
			for _, who := range slices.Sorted(maps.Keys(people)) {
				for _, token := range tokens {
					if who == "requester" && (o.scope < ofListing || anonymous(token)) {
						continue // nobody made it, or nobody knows who asks
					}
					if m.asked++; testing.Short() && m.asked%sparse != 0 {
						continue
					}
					if m.try(o, question{o.name, m.status, roles, who, where, token}, w, handler) {
						w = prepared.clone()
						service.Service = w.service()
					}
				}
			}
		}
	}
}

// try asks one question and compares. It tells whether the world has changed.
func (m *matrix) try(o operation, q question, w *world, handler http.Handler) (changed bool) {
	m.seen[o.name]++
	w.effects.reset()
	got, answer := o.ask(w, handler, q, m.wallet.of(q))
	problem := o.judge(w, q, answer)
	if i := m.golden.answer(q); i < 0 {
		problem = "no line says what it is; it is " + got
	} else {
		m.used[i].Add(1)
		if r := m.golden.rules[i]; r.answer != got {
			problem = fmt.Sprintf("got %s, want %s (line %d)", got, r.answer, r.line)
		}
	}
	if problem != "" {
		m.wrongs++
		if m.wrongs <= maxWrongs {
			m.t.Errorf("%v: %s", q, problem)
		}
	}
	return len(w.effects.writes) > 0
}
