//go:build !linux

package funchost

import "os"

const envHost = "FUNCHOST_TEST_HOST"

// runHost is used on Linux only: no other system ends the handler of a host that was killed.
func runHost(string) int { return 1 }

// alive tells whether a process can still be signalled.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(os.Interrupt) == nil
}
