package entraid

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

const (
	keyFile = "entraid-key.pem"
	keyBits = 2048
)

// ring is the key that signs, and the one before it, which is still published.
type ring struct {
	current  *rsa.PrivateKey
	previous *rsa.PrivateKey // nil before the first rotation
}

// openRing reads the key in dir, or makes one and puts it there. An empty dir keeps nothing.
func openRing(dir string) (ring, error) {
	if dir == "" {
		return ring{}.rotated("")
	}
	text, err := os.ReadFile(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ring{}.rotated(dir)
	}
	if err != nil {
		return ring{}, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return ring{}, fmt.Errorf("read key: %s holds no PEM block", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return ring{}, fmt.Errorf("read key: %s: %w", keyFile, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return ring{}, fmt.Errorf("read key: %s holds a key that is not RSA", keyFile)
	}
	return ring{current: key}, nil
}

// rotated returns the ring with a new key in front, which it keeps in dir.
func (r ring) rotated(dir string) (ring, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return ring{}, fmt.Errorf("make key: %w", err)
	}
	if dir == "" {
		return ring{current: key, previous: r.current}, nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return ring{}, fmt.Errorf("encode key: %w", err)
	}
	err = os.MkdirAll(dir, 0o700)
	if err != nil {
		return ring{}, fmt.Errorf("keep key: %w", err)
	}
	// Written beside and renamed, so that a process that dies here leaves the old key or the new one.
	path := filepath.Join(dir, keyFile)
	err = os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if err != nil {
		return ring{}, fmt.Errorf("keep key: %w", err)
	}
	err = os.Rename(path+".new", path)
	if err != nil {
		return ring{}, fmt.Errorf("keep key: %w", err)
	}
	return ring{current: key, previous: r.current}, nil
}

// published is the key set document.
func (r ring) published() (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	for _, key := range []*rsa.PrivateKey{r.current, r.previous} {
		if key == nil {
			continue
		}
		id, err := keyID(key)
		if err != nil {
			return jose.JSONWebKeySet{}, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Use: "sig"})
	}
	return set, nil
}

// keyID names a key by its thumbprint, so that two keys never have one name.
func keyID(key *rsa.PrivateKey) (string, error) {
	public := jose.JSONWebKey{Key: &key.PublicKey}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint), nil
}
