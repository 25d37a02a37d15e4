//go:build !unix

package funchost

import "os/exec"

// isolate does nothing: this system has no process groups to use.
func isolate(*exec.Cmd) {}

// killTree kills the child. An error means that it is gone already.
func killTree(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
}

// peakMemory is not known on this system.
func peakMemory(int) int64 { return 0 }
