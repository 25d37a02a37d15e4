package memzone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"airlock/handlers/internal/airlock"
)

// Archive is airlock.Archive in memory. The zero value is empty and ready.
type Archive struct {
	// Fault decides how a call ends: before says why nothing is done, after what the caller is told although it is. Nil: well.
	Fault func(op, name string) (before, after error)

	mu        sync.Mutex
	documents map[string][]byte
}

// Add implements airlock.Archive.
func (a *Archive) Add(ctx context.Context, name string, document []byte) error {
	before, after := a.fault(ctx, "Add", name)
	if before != nil {
		return before
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.documents[name]; ok {
		return fmt.Errorf("add %s: %w", name, airlock.ErrExists)
	}
	if a.documents == nil {
		a.documents = map[string][]byte{}
	}
	a.documents[name] = slices.Clone(document)
	return after
}

// Read implements airlock.Archive.
func (a *Archive) Read(ctx context.Context, name string) ([]byte, error) {
	before, after := a.fault(ctx, "Read", name)
	if before != nil || after != nil {
		return nil, errors.Join(before, after)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	document, ok := a.documents[name]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", name, airlock.ErrNotFound)
	}
	return slices.Clone(document), nil
}

// Documents returns everything that is stored, by name.
func (a *Archive) Documents() map[string][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string][]byte{}
	for name, document := range a.documents {
		all[name] = slices.Clone(document)
	}
	return all
}

func (a *Archive) fault(ctx context.Context, op, name string) (before, after error) {
	switch {
	case !airlock.IsDocumentName(name):
		return fmt.Errorf("%s: not the name of a document", op), nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", op, airlock.ErrTransient, context.Cause(ctx)), nil
	case a.Fault == nil:
		return nil, nil
	default:
		return a.Fault(op, name)
	}
}
