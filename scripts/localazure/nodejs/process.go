package nodejs

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultStopTimeout = 5 * time.Second
	tailLines          = 20
	maxLine            = 64 << 10
)

//go:embed lifeline.mjs
var lifeline string

// Options say what to start.
type Options struct {
	Script string   // path of the script, absolute or relative to Dir
	Args   []string // arguments of the script
	Env    []string // KEY=VALUE, added to the environment of this process
	Dir    string   // working directory; empty means that of this process

	// Ready is called with each line of standard output until it returns true: the script is then ready. Nil means that it is
	// ready once started.
	Ready func(line string) bool
	// Output, if set, is called with each line of standard output and standard error, one call at a time.
	Output func(line string)
	// StopTimeout is the time between SIGTERM and SIGKILL in Stop; zero means 5 seconds.
	StopTimeout time.Duration
	// Node is the program to run; empty means node on the PATH.
	Node string
}

// Process is a running script.
type Process struct {
	cmd         *exec.Cmd
	stdin       io.WriteCloser
	name        string
	stopTimeout time.Duration
	output      *output
	told        atomic.Bool // Stop or Kill was called
	done        chan struct{}
	waitErr     error // set before done is closed
}

// Start runs a script and waits until it is ready. The context bounds only the start: the script then runs until Stop or Kill,
// its own end, or the end of this process. A script that ends or does not get ready in time gives an error with the last lines
// of its output.
//
// The script is put into a process group of its own, so that Ctrl-C in a terminal reaches this process alone, which can then
// stop its children in order.
func Start(ctx context.Context, o Options) (*Process, error) {
	node, err := checkNode(ctx, cmp.Or(o.Node, "node"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Script, err)
	}
	watch := "data:text/javascript;base64," + base64.StdEncoding.EncodeToString([]byte(lifeline))
	cmd := exec.Command(node, append([]string{"--import", watch, o.Script}, o.Args...)...)
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out := &output{sink: o.Output, ready: o.Ready, isReady: make(chan struct{})}
	if o.Ready == nil {
		out.markReady()
	}
	stdout := &lineWriter{emit: func(line string) { out.line(line, true) }}
	stderr := &lineWriter{emit: func(line string) { out.line(line, false) }}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Script, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Script, err)
	}
	p := &Process{cmd: cmd, stdin: stdin, name: o.Script, stopTimeout: o.StopTimeout, output: out, done: make(chan struct{})}
	if p.stopTimeout == 0 {
		p.stopTimeout = defaultStopTimeout
	}
	go p.wait(stdout, stderr)
	return p.awaitReady(ctx)
}

// PID is the process id, for messages.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the script has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the script ended on its own, with the last lines of its output. It is nil while the script runs, when it ended
// with code 0, and when Stop or Kill ended it.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.waitErr
	default:
		return nil
	}
}

// Send writes one line to the script's standard input. The script must be listening there, so send only after its ready line.
func (p *Process) Send(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return fmt.Errorf("send to %s: %w", p.name, err)
	}
	return nil
}

// Stop ends the script with SIGTERM, or with SIGKILL if it is still there after Options.StopTimeout, and waits for its end. It
// gives an error only when the script had to be killed. Stopping a script that has ended does nothing.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(p.stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("stop %s: killed, since it was still running %v after SIGTERM", p.name, p.stopTimeout)
	}
}

// Kill ends the script with SIGKILL, as a crash would, and waits for its end.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal reaches the whole process group, so that nothing the script started is left behind.
func (p *Process) signal(s syscall.Signal) {
	select {
	case <-p.done:
		return // the id may belong to another process by now
	default:
	}
	p.told.Store(true)
	// An error means that the group has just ended, which done will tell.
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

func (p *Process) wait(streams ...*lineWriter) {
	err := p.cmd.Wait()
	for _, w := range streams {
		w.flush()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // something the script started still holds its output; the script itself ended well
	}
	if err != nil && !p.told.Load() {
		p.waitErr = fmt.Errorf("%s: %w%s", p.name, err, p.output.tail())
	}
	close(p.done)
}

func (p *Process) awaitReady(ctx context.Context) (*Process, error) {
	select {
	case <-p.output.isReady:
		return p, nil
	case <-p.done:
		if err := p.Err(); err != nil {
			return nil, fmt.Errorf("start %w", err)
		}
		return nil, fmt.Errorf("start %s: it ended before it was ready%s", p.name, p.output.tail())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("start %s: not ready: %w%s", p.name, context.Cause(ctx), p.output.tail())
	}
}

// output takes the lines of both streams.
type output struct {
	sink    func(string)
	ready   func(string) bool
	isReady chan struct{}

	mu   sync.Mutex
	was  bool
	last []string
}

func (o *output) line(line string, stdout bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == tailLines {
		o.last = o.last[1:]
	}
	o.last = append(o.last, line)
	if o.sink != nil {
		o.sink(line)
	}
	if stdout && !o.was && o.ready(line) {
		o.markReady()
	}
}

func (o *output) markReady() {
	o.was = true
	close(o.isReady)
}

// tail is the end of an error message: the last lines, if any.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == 0 {
		return ""
	}
	return "; its last output:\n" + strings.Join(o.last, "\n")
}

// lineWriter cuts a stream into lines. A line longer than maxLine comes in pieces, so that no output can grow the memory.
type lineWriter struct {
	emit func(string)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		switch {
		case end >= 0:
			w.emit(strings.TrimSuffix(string(w.rest[:end]), "\r"))
			w.rest = w.rest[end+1:]
		case len(w.rest) >= maxLine:
			w.emit(string(w.rest))
			w.rest = nil
		default:
			return len(b), nil
		}
	}
}

// flush emits a last line that has no end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.emit(string(w.rest))
		w.rest = nil
	}
}
