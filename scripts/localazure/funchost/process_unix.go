//go:build unix && !linux

package funchost

import (
	"os/exec"
	"syscall"
)

// isolate makes the child the leader of a process group, so that its own children can be ended with it.
// There is no parent-death signal here: a host that is killed leaves its handler behind.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// killTree kills the child's process group. An error means that it is gone already.
func killTree(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// peakMemory is not known on this system.
func peakMemory(int) int64 { return 0 }
