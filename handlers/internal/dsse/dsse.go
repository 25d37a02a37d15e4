// Package dsse signs documents and checks who signed them, in the envelopes of DSSE (the Dead Simple Signing Envelope of the
// Secure Systems Lab, version 1): the document as base64, its type, and a signature over both.
//
// It promises that a signature counts for one type of document only, that the algorithm follows from the key and never from
// the envelope, and that an envelope has exactly one signature. Two algorithms are known, since Azure Key Vault has no
// Ed25519: Ed25519 over the encoding itself, and ECDSA on P-256 over its SHA-256 with the signature in ASN.1 DER. A key's id
// is the name of the algorithm, a colon, and the SHA-256 of the public key (SubjectPublicKeyInfo in DER) in hex.
//
// It knows nothing of airlocks, and never writes a key.
package dsse

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// Envelope is a signed document.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"` // in base64
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature over the type and the payload.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"` // in base64
}

// Key signs messages, wherever it is kept.
type Key interface {
	// Public returns the public key: ed25519.PublicKey, or *ecdsa.PublicKey on P-256. It is always the same one.
	Public(ctx context.Context) (crypto.PublicKey, error)
	// Sign signs a message as the package says.
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Signer makes envelopes with one key.
type Signer struct{ Key Key }

// Sign returns the document of this type in an envelope.
func (s Signer) Sign(ctx context.Context, kind string, document []byte) ([]byte, error) {
	public, err := s.Key.Public(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	id, err := KeyID(public)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signature, err := s.Key.Sign(ctx, encoding(kind, document))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	envelope, err := json.Marshal(Envelope{PayloadType: kind, Payload: document, Signatures: []Signature{{KeyID: id, Sig: signature}}})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return envelope, nil
}

// Open returns the document in an envelope of this type. It does not ask who signed it.
func (s Signer) Open(kind string, envelope []byte) ([]byte, error) {
	e, err := decode(kind, envelope)
	return e.Payload, err
}

// Verify returns the document in an envelope of this type if one of the keys has signed it.
func Verify(kind string, envelope []byte, keys ...crypto.PublicKey) ([]byte, error) {
	e, err := decode(kind, envelope)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		id, err := KeyID(key)
		if err != nil {
			return nil, err
		}
		if id != e.Signatures[0].KeyID {
			continue
		}
		if !verifies(key, encoding(kind, e.Payload), e.Signatures[0].Sig) {
			return nil, errors.New("the signature is not good")
		}
		return e.Payload, nil
	}
	return nil, fmt.Errorf("it is signed with another key: %.80q", e.Signatures[0].KeyID)
}

func decode(kind string, envelope []byte) (Envelope, error) {
	var e Envelope
	decoder := json.NewDecoder(bytes.NewReader(envelope))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&e); {
	case err != nil || decoder.More():
		return Envelope{}, errors.New("it is no envelope")
	case e.PayloadType != kind:
		return Envelope{}, fmt.Errorf("it holds a %.80q", e.PayloadType)
	case len(e.Signatures) != 1:
		return Envelope{}, fmt.Errorf("it has %d signatures", len(e.Signatures))
	}
	return e, nil
}

// encoding is what is signed: DSSE's pre-authentication encoding.
func encoding(kind string, document []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(kind), kind, len(document)), document...)
}

func verifies(key crypto.PublicKey, message, signature []byte) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(k, sum[:], signature)
	default:
		return false
	}
}

// KeyID names a public key. It fails for one that is of neither algorithm.
func KeyID(key crypto.PublicKey) (string, error) {
	algorithm := ""
	switch k := key.(type) {
	case ed25519.PublicKey:
		algorithm = "ed25519"
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			algorithm = "es256"
		}
	}
	if algorithm == "" {
		return "", errors.New("the key is neither Ed25519 nor on the curve P-256")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	sum := sha256.Sum256(der)
	return algorithm + ":" + hex.EncodeToString(sum[:]), nil
}

// ParsePublic reads a public key in PEM ("PUBLIC KEY").
func ParsePublic(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("it holds no public key in PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the public key in it cannot be read")
	}
	_, err = KeyID(key)
	return key, err
}

// file is a private key in memory.
type file struct{ key crypto.Signer }

// ParsePrivate reads a private key in PEM (PKCS #8, "PRIVATE KEY"), as a file holds it. The error says nothing of the key.
func ParsePrivate(text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it holds no private key in PEM (PKCS #8)")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the private key in it cannot be read")
	}
	if _, err := KeyID(key.Public()); err != nil {
		return nil, err
	}
	return file{key}, nil
}

// Public implements Key.
func (f file) Public(context.Context) (crypto.PublicKey, error) { return f.key.Public(), nil }

// Sign implements Key.
func (f file) Sign(_ context.Context, message []byte) ([]byte, error) {
	if _, ok := f.key.(ed25519.PrivateKey); ok {
		return f.key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return f.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}
