package funchost

import (
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// pipeGrace is how long output of a dead handler is still read when a child of its own holds the pipe open.
const pipeGrace = 2 * time.Second

// process is a running handler.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once it has ended and its output is read
}

// startProcess starts cmd so that it dies with this process where the system can do that (see isolate).
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.WaitDelay = pipeGrace
	isolate(cmd)
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the thread that started the child ends, not the process.
		// The thread therefore belongs to this goroutine for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// How it ended is in cmd.ProcessState; an error about unread output changes nothing.
			_ = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// pid is the operating system's number for the process.
func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends the process and its children at once, as the real host does: there is no polite signal.
func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		killTree(p.cmd)
	}
}

// exitCode is valid once exited is closed. It is -1 after a signal.
func (p *process) exitCode() int { return p.cmd.ProcessState.ExitCode() }
