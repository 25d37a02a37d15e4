package dsse_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"airlock/handlers/internal/dsse"
)

const kind = "application/vnd.example.v1+json"

// made returns a new key of each algorithm, private and public, as files hold them.
func made(t *testing.T) map[string][2][]byte {
	t.Helper()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][2][]byte{}
	for name, key := range map[string]crypto.Signer{"ed25519": edwards, "es256": p256} {
		files[name] = [2][]byte{private(t, key), public(t, key.Public())}
	}
	return files
}

func private(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func public(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func parsed(t *testing.T, files [2][]byte) (dsse.Signer, crypto.PublicKey) {
	t.Helper()
	key, err := dsse.ParsePrivate(files[0])
	if err != nil {
		t.Fatal(err)
	}
	public, err := dsse.ParsePublic(files[1])
	if err != nil {
		t.Fatal(err)
	}
	return dsse.Signer{Key: key}, public
}

func TestSignAndVerify(t *testing.T) {
	document := []byte(`{"a":"b"}`)
	for name, files := range made(t) {
		signer, public := parsed(t, files)
		envelope, err := signer.Sign(t.Context(), kind, document)
		if err != nil {
			t.Fatal(err)
		}
		var e dsse.Envelope
		if err := json.Unmarshal(envelope, &e); err != nil || !strings.HasPrefix(e.Signatures[0].KeyID, name+":") {
			t.Errorf("%s: %v %s", name, err, envelope)
		}
		if got, err := dsse.Verify(kind, envelope, public); err != nil || !bytes.Equal(got, document) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if got, err := signer.Open(kind, envelope); err != nil || !bytes.Equal(got, document) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if _, err := dsse.Verify("application/json", envelope, public); err == nil {
			t.Errorf("%s: it is another type of document", name)
		}
	}
}

// TestEveryChangeIsFound changes every bit of what is signed and of the signature, and puts another key's name over it.
func TestEveryChangeIsFound(t *testing.T) {
	keys := made(t)
	for name, files := range keys {
		signer, public := parsed(t, files)
		envelope, err := signer.Sign(t.Context(), kind, []byte(`{"a":"b"}`))
		if err != nil {
			t.Fatal(err)
		}
		refuses := func(what string, change func(*dsse.Envelope)) {
			t.Helper()
			var e dsse.Envelope
			if err := json.Unmarshal(envelope, &e); err != nil {
				t.Fatal(err)
			}
			change(&e)
			changed, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dsse.Verify(e.PayloadType, changed, public); err == nil {
				t.Errorf("%s: %s is not found", name, what)
			}
		}
		for bit := range 8 * 9 {
			refuses("a bit of the document", func(e *dsse.Envelope) { e.Payload[bit/8] ^= 1 << (bit % 8) })
		}
		for bit := range 8 * 64 {
			refuses("a bit of the signature", func(e *dsse.Envelope) { e.Signatures[0].Sig[bit/8] ^= 1 << (bit % 8) })
		}
		refuses("the type", func(e *dsse.Envelope) { e.PayloadType += "x" })
		refuses("a longer document", func(e *dsse.Envelope) { e.Payload = append(e.Payload, ' ') })
		refuses("no document", func(e *dsse.Envelope) { e.Payload = nil })
		refuses("no signature", func(e *dsse.Envelope) { e.Signatures = nil })
		refuses("a second signature", func(e *dsse.Envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) })
		refuses("no key", func(e *dsse.Envelope) { e.Signatures[0].KeyID = "" })
		for other, files := range keys {
			_, key := parsed(t, files)
			if _, err := dsse.Verify(kind, envelope, key); (err == nil) != (other == name) {
				t.Errorf("signed with %s, verified with %s: %v", name, other, err)
			}
			id, err := dsse.KeyID(key)
			if err != nil {
				t.Fatal(err)
			}
			if other != name {
				refuses("the name of another key", func(e *dsse.Envelope) { e.Signatures[0].KeyID = id })
			}
		}
	}
	for _, nonsense := range []string{"", "{}", "[]", "null", `{"payloadType":"` + kind + `","payload":"","signatures":[],"more":1}`} {
		if _, err := dsse.Verify(kind, []byte(nonsense)); err == nil {
			t.Errorf("%q is an envelope", nonsense)
		}
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "nonsense": []byte("nonsense"), "RSA": private(t, large), "P-384": private(t, p384),
		"a public key": public(t, p384.Public()), "damaged": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		if _, err := dsse.ParsePrivate(text); err == nil {
			t.Errorf("%s is taken as a private key", name)
		}
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "RSA": public(t, large.Public()), "P-384": public(t, p384.Public()), "a private key": private(t, p384),
		"damaged": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
	} {
		if _, err := dsse.ParsePublic(text); err == nil {
			t.Errorf("%s is taken as a public key", name)
		}
	}
}
