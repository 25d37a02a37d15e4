package nodejs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// moduleLine is how the go.mod at the root of this repository begins.
	moduleLine = "module airlock"
	// stampFile, inside node_modules, holds the hash of the package-lock.json that it was installed from. It is written last, and
	// npm ci removes it with the folder, so an interrupted installation is never taken for a whole one.
	stampFile = ".airlock-lock-sha256"
	lockPoll  = 100 * time.Millisecond
)

// Modules returns the absolute path of scripts/localazure with its npm packages installed in node_modules.
//
// The repository is found by walking up from the working directory to the go.mod of module airlock: that holds for go run at
// the root and for go test in any package, and needs no path compiled into the binary. Use Install where the working
// directory is elsewhere.
func Modules(ctx context.Context) (dir string, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find npm packages: %w", err)
	}
	root, err := findRoot(wd)
	if err != nil {
		return "", fmt.Errorf("find npm packages: %w", err)
	}
	dir = filepath.Join(root, "scripts", "localazure")
	return dir, Install(ctx, dir)
}

// Install runs npm ci in dir unless node_modules there came from the package-lock.json that is there now. Several processes may
// call it at once: one installs, the others wait for it.
func Install(ctx context.Context, dir string) error {
	lockPath := filepath.Join(dir, "package-lock.json")
	unlock, err := lock(ctx, lockPath)
	if err != nil {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	defer unlock()
	locked, err := os.ReadFile(lockPath)
	if err != nil {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	sum := sha256.Sum256(locked)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(dir, "node_modules", stampFile)
	have, err := os.ReadFile(stamp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	if string(have) == want {
		return nil
	}
	if err := npmCI(ctx, dir); err != nil {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	return nil
}

func npmCI(ctx context.Context, dir string) error {
	if _, err := checkNode(ctx, "node"); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, strings.TrimSpace(out.String()))
	}
	// npm makes no node_modules for a lock file without packages; the stamp needs the folder.
	return os.MkdirAll(filepath.Join(dir, "node_modules"), 0o755)
}

// lock takes the exclusive advisory lock of an existing file, waiting for it until ctx ends. The kernel drops the lock with the
// process, so none is ever left behind.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, context.Cause(ctx))
		}
	}
}

func findRoot(from string) (string, error) {
	for dir := from; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			first, _, _ := strings.Cut(string(mod), "\n")
			if strings.TrimSpace(first) == moduleLine {
				return dir, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod of module airlock in %s or above it", from)
		}
	}
}
