package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const mebibyte = 1 << 20

// process measures the program by itself: what it adds to an invocation, how it starts, how large it is.
func (b *bench) process(ctx context.Context) error {
	bare := filepath.Join(b.dist, "..", filepath.Base(b.dist)+"-bare")
	defer os.Remove(bare)
	if err := build(ctx, "bare", bare); err != nil {
		return err
	}
	programs := [2]func() *exec.Cmd{
		func() *exec.Cmd { return b.azure.Command(ctx) },
		func() *exec.Cmd { return exec.CommandContext(ctx, bare) },
	}
	if err := b.coldStart(ctx, programs); err != nil {
		return err
	}
	if err := b.overhead(ctx, programs); err != nil {
		return err
	}
	return b.size()
}

// build builds one of the programs that the airlock is compared with, as the airlock is built.
func build(ctx context.Context, name, program string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "airlock/scripts/bench/"+name)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return nil
}

// child is a program that serves on a port of its own.
type child struct {
	command *exec.Cmd
	base    string
	client  *http.Client
}

// spawn starts a program. The caller must stop it.
func spawn(command *exec.Cmd) (*child, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	command.Env = append(command.Env, "FUNCTIONS_CUSTOMHANDLER_PORT="+port)
	c := &child{command: command, base: "http://" + address, client: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	tie(command)
	return c, command.Start()
}

func (c *child) stop() {
	c.client.CloseIdleConnections()
	// That it was killed is what Wait says.
	_ = c.command.Process.Kill()
	_ = c.command.Wait()
}

// send sends what the host sends, and returns the status.
func (c *child) send(ctx context.Context, method, path, body string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("User-Agent", "Azure-Functions-Host/4.0")
	r.Header.Set("X-Azure-Functions-InvocationId", "00000000-0000-0000-0000-000000000000")
	r.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// firstAnswer polls until the program answers, which must not be with a fault.
func (c *child) firstAnswer(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		status, err := c.send(ctx, http.MethodGet, path, "")
		if err == nil && status >= http.StatusInternalServerError {
			return fmt.Errorf("%s: %s is answered with %d", c.command.Path, path, status)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s never answered: %w", c.command.Path, err)
		case <-time.After(time.Millisecond / 2):
		}
	}
}

// coldStart measures the time from exec to two answers: the one to the host's probe, after which the host sends it work,
// and the first of the API, which takes the whole program and what the table says of itself. The budget in times of a program that
// does nothing is for the first: nothing is asked of others for it, as in that program.
func (b *bench) coldStart(ctx context.Context, programs [2]func() *exec.Cmd) error {
	paths := [2]string{"/", "/api/workspaces/x/requests"}
	var took [2][2][]float64 // by program and path
	for i := range b.runs(30) + 1 {
		for p, command := range programs {
			began := time.Now()
			c, err := spawn(command())
			if err != nil {
				return err
			}
			for at, path := range paths {
				if err := c.firstAnswer(ctx, path); err != nil {
					c.stop()
					return err
				}
				if i > 0 {
					took[p][at] = append(took[p][at], milliseconds(time.Since(began)))
				}
			}
			status, err := c.send(ctx, http.MethodGet, "/api/health", "")
			c.stop()
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("%s answers, and is ill: status %d: %w", c.command.Path, status, err)
			}
		}
	}
	b.table.add("cold start: exec → ready for the host", "ms", took[0][0], took[1][0], limit{ratio: 3, median: 100}, "floor: a Go server that says {}")
	b.table.add("cold start: exec → first answer of the API", "ms", took[0][1], took[1][1], limit{median: 100},
		"floor: that server, which asks nobody; the airlock has got a token for its identity, and read what the table says of itself")
	return nil
}

// nothing is an invocation that the handler decodes, and that is of no concern to it: an event of another type.
const nothing = `{"Data":{"event":{"id":"1","topic":"/storageAccounts/a","subject":"/blobServices/default/containers/b/blobs/c",` +
	`"eventType":"Microsoft.Storage.BlobDeleted","eventTime":"2026-01-01T00:00:00Z","data":{},"dataVersion":"","metadataVersion":"1"}},` +
	`"Metadata":{"sys":{"MethodName":"BlobCreated","UtcNow":"2026-01-01T00:00:00Z","RandGuid":"00000000-0000-0000-0000-000000000000"}}}`

// overhead measures what the handler adds to an invocation, against one that reads and answers.
func (b *bench) overhead(ctx context.Context, programs [2]func() *exec.Cmd) error {
	var both [2]*child
	for i, command := range programs {
		c, err := spawn(command())
		if err != nil {
			return err
		}
		defer c.stop()
		if err := c.firstAnswer(ctx, "/api/health"); err != nil {
			return err
		}
		c.client.Transport = &wire{} // to be a client is no part of it
		both[i] = c
	}
	for _, call := range []struct{ figure, method, path, body string }{
		{"invocation: an event that concerns nobody", http.MethodPost, "/BlobCreated", nothing},
		{"invocation: health", http.MethodGet, "/api/health", ""},
	} {
		var took [2][]float64
		for i := range b.runs(2000) + 50 {
			for p, c := range both {
				began := time.Now()
				status, err := c.send(ctx, call.method, call.path, call.body)
				since := milliseconds(time.Since(began))
				if err != nil || status != http.StatusOK {
					return fmt.Errorf("%s: status %d: %w", call.figure, status, err)
				}
				if i >= 50 {
					took[p] = append(took[p], since)
				}
			}
		}
		b.table.add(call.figure, "ms", took[0], took[1], limit{ratio: 1.5, median: 1}, "floor: a bare net/http custom handler")
	}
	return nil
}

// size measures what is deployed.
func (b *bench) size() error {
	info, err := os.Stat(filepath.Join(b.dist, "handler"))
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if err := w.AddFS(os.DirFS(b.dist)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.table.add("the handler, a static binary", "MiB", []float64{float64(info.Size()) / mebibyte}, nil, limit{median: 30}, "")
	b.table.add("the package, as it is deployed", "MiB", []float64{float64(archive.Len()) / mebibyte}, nil, limit{median: 15}, "a zip")
	return nil
}
