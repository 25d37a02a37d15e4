package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"airlock/handlers/internal/config"
)

// storageClient is the HTTP client for Azure Storage: it trusts what the settings add, and connects where they say.
// Host names, and so signatures, stay those of the accounts.
func storageClient(cfg config.Config) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificates: %w", err)
	}
	if cfg.StorageCAFile != "" {
		pem, err := os.ReadFile(cfg.StorageCAFile)
		if err != nil {
			return nil, fmt.Errorf("AIRLOCK_STORAGE_CA_FILE: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("AIRLOCK_STORAGE_CA_FILE: it holds no certificate")
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if cfg.StorageDial != "" {
				address = cfg.StorageDial
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConns:        100,
		MaxIdleConnsPerHost: 20,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}}, nil
}
