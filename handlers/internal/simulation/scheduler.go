package simulation

import (
	"iter"
	"time"

	"airlock/handlers/internal/airlock"
)

// process is one running handler.
type process struct {
	name string
	*airlock.Service
	dead bool
}

// job is one invocation in a process. It stops at calls to ports, where others go on.
type job struct {
	name    func() string
	on      *process
	started time.Time
	body    func()
	ended   func(died bool)
	done    bool
	died    bool
	*stack
}

// stack is what an invocation runs on. It is used for one after the other.
type stack struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	job   *job
}

// died is what an invocation panics with when its process dies.
type died struct{}

// start begins an invocation, up to its first stop.
func (w *world) start(on *process, name func() string, body func(), ended func(died bool)) {
	j := &job{name: name, on: on, started: w.now, body: body, ended: ended, stack: w.stacks.take()}
	j.stack.job = j
	w.jobs = append(w.jobs, j)
	w.resume(len(w.jobs) - 1)
}

// stacks are those that are free. Runs that follow each other use the same ones: growing a stack takes longer than most of
// what is done on it.
type stacks struct{ free []*stack }

// take returns one that is free.
func (all *stacks) take() *stack {
	if n := len(all.free); n > 0 {
		s := all.free[n-1]
		all.free = all.free[:n-1]
		return s
	}
	s := &stack{}
	s.next, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.yield = yield
		for {
			s.job.run()
			s.job = nil
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return s
}

// run runs an invocation to its end.
func (j *job) run() {
	defer func() {
		if p := recover(); p != nil && p != (died{}) {
			panic(p)
		} else if p != nil {
			j.died = true
		}
		j.done = true
	}()
	j.body()
}

// resume lets an invocation go on to its next stop.
func (w *world) resume(i int) {
	j := w.jobs[i]
	w.current = j
	j.next()
	w.current = nil
	if j.done {
		w.jobs = append(w.jobs[:i], w.jobs[i+1:]...)
		w.stacks.free = append(w.stacks.free, j.stack)
		w.note(j, "ends"+mark(j.died || j.on.dead, " with its process"), just(""))
		j.ended(j.died || j.on.dead)
	}
	if j.on.dead {
		w.restart(j.on)
	}
}

// restart ends all invocations of a dead process, and starts it again with an empty memory.
func (w *world) restart(p *process) {
	w.trace("%s: restarts", p.name)
	var others, lost []*job
	for _, j := range w.jobs {
		if j.on == p {
			lost = append(lost, j)
		} else {
			others = append(others, j)
		}
	}
	w.jobs = others
	for _, j := range lost {
		j.stop()
		w.note(j, "ends with its process", just(""))
		j.ended(true)
	}
	w.boot(p)
}

// close gives back what the invocations ran on.
func (all *stacks) close() {
	for _, s := range all.free {
		s.stop()
	}
}

// pause is a stop: others may go on before the call is made.
func (w *world) pause(j *job) {
	if !w.chance(w.mood.switches) {
		return
	}
	w.count(Switch)
	if !j.yield(struct{}{}) {
		panic(died{})
	}
}

func mark(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}
