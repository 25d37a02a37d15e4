package zonetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"airlock/handlers/internal/airlock"
)

// RunArchive runs the suite of airlock.Archive on an archive that is empty.
func RunArchive(t *testing.T, open func(t *testing.T) airlock.Archive) {
	t.Run("AddAndRead", func(t *testing.T) {
		a := open(t)
		for name, document := range map[string][]byte{
			"0000000001.json": []byte("{}"), "heads/ab-c.jsonl": bytes.Repeat([]byte("0123456789abcdef"), 1<<16), "empty": {},
		} {
			if _, err := a.Read(t.Context(), name); !errors.Is(err, airlock.ErrNotFound) {
				t.Errorf("%s before it is there: %v", name, err)
			}
			if err := a.Add(t.Context(), name, document); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := a.Read(t.Context(), name); err != nil || !bytes.Equal(got, document) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	})
	t.Run("NothingIsReplaced", func(t *testing.T) {
		a := open(t)
		if err := a.Add(t.Context(), "one", []byte("first")); err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{"first", "second"} {
			if err := a.Add(t.Context(), "one", []byte(again)); !errors.Is(err, airlock.ErrExists) {
				t.Errorf("%s: %v", again, err)
			}
		}
		if got, err := a.Read(t.Context(), "one"); err != nil || string(got) != "first" {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("OneOfManySucceeds", func(t *testing.T) {
		a := open(t)
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = a.Add(t.Context(), "race", fmt.Appendf(nil, "by %d", i)) })
		}
		all.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case !errors.Is(err, airlock.ErrExists):
				t.Errorf("%d: %v", i, err)
			}
		}
		if got, err := a.Read(t.Context(), "race"); err != nil || string(got) != fmt.Sprintf("by %d", winner) {
			t.Errorf("%q, %v; %d was told that it is stored", got, err, winner)
		}
	})
	t.Run("NamesThatCannotBe", func(t *testing.T) {
		a := open(t)
		for _, name := range []string{"", "A", "a b", "/a", "a/", "../a", "a//b", "a/./b", "ä", strings.Repeat("a", 201)} {
			_, err := a.Read(t.Context(), name)
			for _, err := range []error{a.Add(t.Context(), name, nil), err} {
				if err == nil || errors.Is(err, airlock.ErrNotFound) || errors.Is(err, airlock.ErrExists) || errors.Is(err, airlock.ErrTransient) {
					t.Errorf("%q: %v", name, err)
				}
			}
		}
	})
	t.Run("ContextEnds", func(t *testing.T) {
		a := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := a.Read(ctx, "one")
		for _, err := range []error{a.Add(ctx, "one", nil), err} {
			if !errors.Is(err, airlock.ErrTransient) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
	})
}
