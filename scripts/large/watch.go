package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watch follows a request until its file is hashed, and kills the handler on the way.
type watch struct {
	*people
	id    string
	size  int64
	kills int

	killed int
	reads  int   // parts that were read
	memory int64 // the most that a handler took, in bytes
}

// patience is how long nothing may go on.
const patience = 5 * time.Minute

// parts counts what handlers have read since the start, for any request.
func (w *watch) parts() int { return w.azure.Storage.Stats().TLS["GetBlob"] }

// hashed waits until the request is in review, and returns the SHA-256 that it then has.
func (w *watch) hashed(ctx context.Context) (sum string, err error) {
	begun, first := time.Now(), w.parts()
	last, moved := first, time.Now()
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		w.memory = max(w.memory, w.azure.Host.PeakMemory())
		if n := w.parts(); n > last {
			last, moved = n, time.Now()
		}
		w.reads = last - first
		total := int(w.size / partSize)
		if w.killed < w.kills && w.reads > (w.killed+1)*total/(w.kills+1) {
			w.killed++
			w.azure.Host.Kill()
			w.say("kill %d of the handler, after %d reads of 64 MiB", w.killed, w.reads)
			continue
		}
		r, err := w.Get(ctx, "ada", w.id) // a handler that was just killed does not answer
		switch {
		case err != nil && time.Since(moved) > patience:
			return "", err
		case err == nil && r.Status == "in_review":
			w.say("in review after %s", time.Since(begun).Round(time.Second))
			return w.sum(ctx)
		case err == nil && r.Status != "submitted":
			return "", fmt.Errorf("the request is %s", r.Status)
		case time.Since(moved) > patience:
			return "", errors.New("nothing goes on")
		}
	}
}

// sum is what the request says of its one file.
func (w *watch) sum(ctx context.Context) (string, error) {
	files, err := w.Files(ctx, "ada", w.id)
	if err != nil {
		return "", err
	}
	if len(files) != 1 || files[0].SHA256 == "" || files[0].Size != w.size {
		return "", fmt.Errorf("the request has %+v", files)
	}
	w.say("SHA-256 of the request's %d GiB:       %s", w.size/gib, files[0].SHA256)
	return files[0].SHA256, nil
}

// judge says what is not as it must be.
func (w *watch) judge(got, want string) error {
	calls := w.azure.Host.Stats()["StatusChanged"].Invocations
	total := int(w.size / partSize)
	w.say("%d kills, %d invocations, %d parts read for %d in the file, at most %d MiB of memory", w.killed, calls, w.reads, total, w.memory>>20)
	var errs []error
	if got != want {
		errs = append(errs, errors.New("the digests differ"))
	}
	// A kill costs what was read since the last time that it was stored: one invocation's reading.
	if again := w.reads - total; again > total/2 {
		errs = append(errs, fmt.Errorf("%d parts were read again", again))
	}
	if w.memory > maxMemory {
		errs = append(errs, fmt.Errorf("the handler took %d MiB", w.memory>>20))
	}
	if w.killed < w.kills {
		errs = append(errs, fmt.Errorf("only %d kills were possible", w.killed))
	}
	if len(errs) == 0 {
		w.say("the same")
	}
	return errors.Join(errs...)
}
