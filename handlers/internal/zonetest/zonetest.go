// Package zonetest is the contract of airlock.Zones as one suite of tests. Every implementation passes the same suite,
// so what is tested against the one in memory holds against Azure's.
//
// It plays the user as a user works: with nothing but a link and a plain HTTP client. It never looks into an
// implementation.
package zonetest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
)

// Fixture is a storage to test, and what the suite needs to play everybody else.
type Fixture struct {
	Zones interface {
		airlock.Zones
		airlock.Containers
	}

	// Accounts are two that exist.
	Accounts [2]string

	// Client uses links. It holds no credential.
	Client *http.Client

	// Now is the storage's clock.
	Now func() time.Time

	// Pass lets some time pass, between two looks at something that takes a while.
	Pass func()

	// Tag plays the malware scanner: it writes a result into the index tags of a blob.
	Tag func(ctx context.Context, p airlock.Place, name string, result airlock.ScanResult) error

	// Busy says that the name of an erased container stays taken for a while.
	Busy bool
}

// patience is how long the suite waits for anything, and the deadline of each test's context.
const patience = 60 * time.Second

// Run runs the suite. open is called once for each test; tests share nothing but what open's storages share, since
// every test makes containers with names of its own.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		run  func(*stage)
	}{
		{"OpenIsIdempotent", openIsIdempotent},
		{"OpenAfterErase", openAfterErase},
		{"EraseTakesAll", eraseTakesAll},
		{"RemoveIsIdempotent", removeIsIdempotent},
		{"PingAnswers", pingAnswers},
		{"ContainersOfAnAccount", containersOfAnAccount},
		{"ContainersStopsWhenAsked", containersStopsWhenAsked},
		{"ContainersFails", containersFails},
		{"ListEmpty", listEmpty},
		{"ListAbsent", listAbsent},
		{"ListOrder", listOrder},
		{"ListPages", listPages},
		{"ListStopsWhenAsked", listStopsWhenAsked},
		{"ListTellsAll", listTellsAll},
		{"ListKinds", listKinds},
		{"ListTellsWhatIsShut", listTellsWhatIsShut},
		{"UncommittedIsAbsent", uncommittedIsAbsent},
		{"TagsDoNotChangeTheETag", tagsDoNotChangeTheETag},
		{"OverwritingDropsTheTag", overwritingDropsTheTag},
		{"Names", names},
		{"CopyBetweenAccounts", copyBetweenAccounts},
		{"CopyInsideAnAccount", copyInsideAnAccount},
		{"CopyTakesNothingAlong", copyTakesNothingAlong},
		{"CopyKeepsTheKind", copyKeepsTheKind},
		{"CopyOfAnEmptyFile", copyOfAnEmptyFile},
		{"CopyChanged", copyChanged},
		{"CopyExists", copyExists},
		{"CopyReplaces", copyReplaces},
		{"CopyIntoNothing", copyIntoNothing},
		{"CopyOnceAmongMany", copyOnceAmongMany},
		{"WriteOnce", writeOnce},
		{"WriteIntoNothing", writeIntoNothing},
		{"ReadParts", readParts},
		{"ReadChanged", readChanged},
		{"ReadBeyondTheEnd", readBeyondTheEnd},
		{"ReadIntoAWriterThatFails", readIntoAWriterThatFails},
		{"LinkRights", linkRights},
		{"LinkTimes", linkTimes},
		{"LinkOfAnotherContainer", linkOfAnotherContainer},
		{"LinkIsForged", linkIsForged},
		{"LinkDiesWithItsContainer", linkDiesWithItsContainer},
		{"MistakesAreRefused", mistakesAreRefused},
		{"ContextCancelled", contextCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			t.Cleanup(cancel)
			test.run(&stage{T: t, Fixture: open(t), ctx: ctx})
		})
	}
}

// stage is one test with its storage.
type stage struct {
	*testing.T
	Fixture
	ctx context.Context
}

// place returns a container that does not exist, in the first (0) or second (1) account.
func (s *stage) place(account int) airlock.Place {
	p := airlock.Place{Account: s.Accounts[account], Container: uuid.NewString()}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Zones.Erase(ctx, p); err != nil {
			s.Errorf("clean up: %v", err)
		}
	})
	return p
}

// opened returns a new container.
func (s *stage) opened(account int) airlock.Place {
	s.Helper()
	p := s.place(account)
	if made, err := s.Zones.Open(s.ctx, p); err != nil || !made {
		s.Fatalf("Open: made it %v, %v", made, err)
	}
	return p
}

// list returns all blobs of a container.
func (s *stage) list(p airlock.Place) []airlock.Blob {
	s.Helper()
	var blobs []airlock.Blob
	for b, err := range s.Zones.List(s.ctx, p) {
		if err != nil {
			s.Fatalf("List: %v", err)
		}
		blobs = append(blobs, b)
	}
	return blobs
}

// find returns one blob of a container; ok is false when it is not there.
func (s *stage) find(p airlock.Place, name string) (found airlock.Blob, ok bool) {
	s.Helper()
	for _, b := range s.list(p) {
		if b.Name == name {
			return b, true
		}
	}
	return airlock.Blob{}, false
}

// blob returns a blob that must be there.
func (s *stage) blob(p airlock.Place, name string) airlock.Blob {
	s.Helper()
	b, ok := s.find(p, name)
	if !ok {
		s.Fatalf("List: no blob %q", name)
	}
	return b
}

// arrived waits until a copy is complete and returns it.
func (s *stage) arrived(p airlock.Place, name string) airlock.Blob {
	s.Helper()
	var b airlock.Blob
	s.eventually("the copy is complete", func() bool {
		b = s.blob(p, name)
		return b.Copy != airlock.CopyPending
	})
	if b.Copy != airlock.CopySuccess {
		s.Fatalf("copy ended as %q, want %q", b.Copy, airlock.CopySuccess)
	}
	return b
}

// eventually waits until the condition holds.
func (s *stage) eventually(what string, holds func() bool) {
	s.Helper()
	for !holds() {
		if s.ctx.Err() != nil {
			s.Fatalf("not in %v: %s", patience, what)
		}
		s.Pass()
	}
}

// wantError checks which of the port's errors an error is: this one and no other.
func (s *stage) wantError(what string, err, want error) {
	s.Helper()
	for _, coded := range []error{airlock.ErrNotFound, airlock.ErrExists, airlock.ErrChanged, airlock.ErrTransient} {
		if is := errors.Is(err, coded); is != (coded == want) {
			s.Errorf("%s: error %v; is %q: %v, want %v", what, err, coded, is, coded == want)
		}
	}
}
