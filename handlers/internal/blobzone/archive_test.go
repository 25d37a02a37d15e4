package blobzone_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/blobzone"
	"airlock/handlers/internal/zonetest"
)

var _ airlock.Archive = (*blobzone.Archive)(nil)

func TestArchive(t *testing.T) {
	z := connect(t, nil)
	zonetest.RunArchive(t, func(t *testing.T) airlock.Archive {
		p := airlock.Place{Account: accounts[0], Container: uuid.NewString()}
		if _, err := z.Open(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		return z.Archive(p)
	})
}

// TestAnArchiveThatWasNotDeployed checks that a missing container is not taken for an empty one.
func TestAnArchiveThatWasNotDeployed(t *testing.T) {
	a := connect(t, nil).Archive(airlock.Place{Account: accounts[0], Container: uuid.NewString()})
	_, err := a.Read(t.Context(), "one")
	for _, err := range []error{a.Add(t.Context(), "one", nil), err} {
		if err == nil || errors.Is(err, airlock.ErrNotFound) || errors.Is(err, airlock.ErrExists) {
			t.Errorf("%v", err)
		}
	}
}
