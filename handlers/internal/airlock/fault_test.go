package airlock_test

import (
	"errors"
	"fmt"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
)

// effect is how a write to a port ends.
type effect int

const (
	passes     effect = iota
	fails             // nothing is done, and the caller is told
	losesReply        // it is done, and the caller is told that it may not be
	diesBefore        // the process dies: nothing is done, and nothing after it runs
	diesAfter         // it is done, and nothing after it runs
)

func (e effect) String() string {
	return [...]string{"passes", "fails", "loses the reply", "dies before", "dies after"}[e]
}

// died is what a dying process panics with.
type died struct{}

var errDied = errors.New("the process died")

// survive runs one invocation. A process that dies in it is started again.
func (w *world) survive(invocation func() error) (err error) {
	defer func() {
		if p := recover(); p != nil && p != (died{}) {
			panic(p)
		}
		if w.dead {
			w.dead, err = false, errDied
			w.build()
		}
	}()
	return invocation()
}

// write asks how a write ends: before says why nothing is done, after what the caller is told although it is.
func (w *world) write(name string) (before, after error) {
	w.alive()
	if w.onWrite == nil {
		return nil, nil
	}
	switch w.onWrite(name) {
	case fails:
		return fmt.Errorf("%s fails: %w", name, airlock.ErrTransient), nil
	case losesReply:
		return nil, fmt.Errorf("%s loses the reply: %w", name, airlock.ErrTransient)
	case diesBefore:
		w.dead = true
		panic(died{})
	case diesAfter:
		w.dead = true
		return nil, errDied
	default:
		return nil, nil
	}
}

// alive ends an invocation of a process that has died at its first call after that.
func (w *world) alive() {
	if w.dead {
		panic(died{})
	}
}

func (w *world) storeFault(op memstore.Op, _ string) memstore.Outcome {
	switch op {
	case memstore.OpLookups, memstore.OpCreate, memstore.OpCommit, memstore.OpPutSettings, memstore.OpForgetBeside, memstore.OpForget:
	default:
		w.alive()
		return memstore.Pass
	}
	before, after := w.write(string(op))
	switch {
	case before != nil:
		return memstore.NotDone
	case after != nil:
		return memstore.DoneLost
	default:
		return memstore.Pass
	}
}

func (w *world) zoneFault(c memzone.Call) (before, after error) {
	switch c.Op {
	case memzone.OpOpen, memzone.OpCopy, memzone.OpWrite, memzone.OpRemove, memzone.OpErase:
		return w.write(string(c.Op))
	case memzone.OpRead:
		w.alive()
		if w.onRead != nil {
			w.onRead()
		}
		return w.readFault, nil
	default:
		w.alive()
		return nil, nil
	}
}
