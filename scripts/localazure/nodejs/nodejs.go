// Package nodejs runs the Node.js parts of the local Azure: it makes sure that their npm packages are installed, and starts
// scripts as child processes.
//
// It promises that a child never outlives its parent, even one that is killed; that Start returns only when the script has
// said that it is ready, or with the last lines of what it said instead; and that two processes never install packages at
// the same time. It never installs anything but what package-lock.json names, and never runs install scripts of packages.
//
// It works on Linux and macOS.
package nodejs

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// MinVersion is the oldest major version of Node.js that is accepted.
const MinVersion = 20

// ErrNode says that Node.js is missing or too old.
var ErrNode = errors.New("this needs Node.js 20 or newer on the PATH")

// checkNode returns the path of the program called name when it is a usable Node.js.
func checkNode(ctx context.Context, name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNode, err)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%w: run %s --version: %w", ErrNode, path, err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < MinVersion {
		return "", fmt.Errorf("%w: %s is %q", ErrNode, path, version)
	}
	return path, nil
}
