package storage

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"airlock/scripts/localazure/nodejs"
)

// azurite is the running child and what a restart of it needs.
type azurite struct {
	modules string // scripts/localazure
	dataDir string
	suffix  string
	certs   *certificates
	log     func(string)

	at           atomic.Pointer[addresses] // nil before the first start
	process      *nodejs.Process
	accountsRead chan struct{}
}

// addresses are where Azurite listens, as host:port. Each start chooses new ports: somebody else may have got the ones before.
type addresses struct{ blob, table string }

const (
	blobListens  = "Azurite Blob service is successfully listening at "
	tableListens = "Azurite Table service is successfully listening at "
	accountsRead = "accounts read" // from azurite.mjs
	// childStopTimeout covers the writing of a large metadata file.
	childStopTimeout = 15 * time.Second
)

// start runs Azurite with the accounts given, each name with its base64 key. The queue service comes with it and is not used.
func (a *azurite) start(ctx context.Context, accounts map[string]string) error {
	read := make(chan struct{}, 1)
	var at addresses
	p, err := nodejs.Start(ctx, nodejs.Options{
		Script: filepath.Join(a.modules, "storage", "azurite.mjs"),
		Args: []string{
			"--location", a.dataDir,
			"--blobHost", "127.0.0.1", "--blobPort", "0",
			"--tableHost", "127.0.0.1", "--tablePort", "0",
			"--queueHost", "127.0.0.1", "--queuePort", "0",
			// Longer than the gateway keeps an idle connection, so that none is closed just as a request goes out on it.
			"--blobKeepAliveTimeout", "120", "--tableKeepAliveTimeout", "120",
			"--cert", a.certs.certFile, "--key", a.certs.keyFile,
			"--oauth", "basic",
			// The SDKs send an API version that is newer than the newest that Azurite lists.
			"--skipApiVersionCheck",
			"--disableProductStyleUrl", "--disableTelemetry", "--silent",
		},
		Env: []string{
			"AZURITE_ACCOUNTS=" + accountsEnv(accounts),
			"AIRLOCK_STORAGE_SUFFIX=" + a.suffix,
			// For a copy between accounts Azurite asks itself for the source, over HTTPS, and must not go through a proxy for it.
			"NODE_EXTRA_CA_CERTS=" + a.certs.caFile,
			"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
		},
		Dir:         a.dataDir,
		StopTimeout: childStopTimeout,
		Ready: func(line string) bool {
			if s, ok := strings.CutPrefix(line, blobListens); ok {
				at.blob = hostPort(s)
			}
			s, ok := strings.CutPrefix(line, tableListens)
			if ok {
				at.table = hostPort(s)
			}
			return ok
		},
		Output: func(line string) {
			if line == accountsRead {
				select {
				case read <- struct{}{}:
				default:
				}
				return
			}
			a.log("azurite: " + line)
		},
	})
	if err != nil {
		return fmt.Errorf("start Azurite: %w", err)
	}
	a.process, a.accountsRead = p, read
	a.at.Store(&at)
	return nil
}

// setAccounts makes a running Azurite know the accounts.
func (a *azurite) setAccounts(ctx context.Context, accounts map[string]string) error {
	if err := a.process.Send("accounts " + accountsEnv(accounts)); err != nil {
		return fmt.Errorf("set accounts of Azurite: %w", err)
	}
	select {
	case <-a.accountsRead:
		return nil
	case <-a.process.Done():
		return fmt.Errorf("set accounts of Azurite: it ended: %w", a.process.Err())
	case <-ctx.Done():
		return fmt.Errorf("set accounts of Azurite: %w", context.Cause(ctx))
	}
}

func accountsEnv(accounts map[string]string) string {
	// An empty value would bring up Azurite's default account, whose key is known to everybody.
	value := ";"
	for name, key := range accounts {
		value += name + ":" + key + ";"
	}
	return value
}

func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
