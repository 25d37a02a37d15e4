package nodejs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// emptyLock is a lock file that names no package, so that npm ci has nothing to fetch.
const emptyLock = `{"name":"x","lockfileVersion":3,"requires":true,"packages":{"":{"name":"x"}}}`

func project(t *testing.T, lock string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{"package.json": `{"name":"x","private":true}`, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestModulesFindsThisRepository(t *testing.T) {
	dir, err := Modules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package-lock.json", "node_modules/azurite", "node_modules/rhea", "node_modules/" + stampFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestModulesOutsideTheRepository(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Modules(t.Context()); err == nil || !strings.Contains(err.Error(), "module airlock") {
		t.Fatalf("got %v", err)
	}
}

func TestInstallRunsOnceForALockFile(t *testing.T) {
	dir := project(t, emptyLock)
	marker := filepath.Join(dir, "node_modules", "marker")
	install := func() {
		t.Helper()
		if err := Install(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() bool {
		_, err := os.Stat(marker)
		return err == nil
	}
	install()
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	install()
	if !kept() {
		t.Fatal("installed again with the same lock file")
	}
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte(emptyLock+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	install()
	if kept() {
		t.Fatal("not installed again with another lock file")
	}
}

func TestInstallAfterAnInterruptedOne(t *testing.T) {
	dir := project(t, emptyLock)
	half := filepath.Join(dir, "node_modules", "half")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Fatal("a folder without a stamp was taken for a whole installation")
	}
}

func TestInstallTellsWhatNpmSaid(t *testing.T) {
	dir := project(t, emptyLock)
	wants := `{"name":"x","private":true,"dependencies":{"y":"1.0.0"}}` // and the lock file knows of no y
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(wants), 0o644); err != nil {
		t.Fatal(err)
	}
	err := Install(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "npm ci") || !strings.Contains(err.Error(), "npm error") {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", stampFile)); err == nil {
		t.Fatal("a failed installation left its stamp")
	}
}

func TestInstallWaitsForAnother(t *testing.T) {
	dir := project(t, emptyLock)
	unlock, err := lock(t.Context(), filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	if err := Install(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("did not wait: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- Install(t.Context(), dir) }()
	unlock()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still waiting after the lock was given back")
	}
}
