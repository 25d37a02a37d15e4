package main

import (
	"os/exec"
	"syscall"
)

// tie lets the kernel end the child when this program is gone, however it went.
func tie(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
