package entra

import (
	"encoding/binary"
	"testing"
)

// TestKnownTokensAreBounded adds more tokens than are remembered.
func TestKnownTokensAreBounded(t *testing.T) {
	var k known
	number := func(n int) (d digest) {
		binary.BigEndian.PutUint32(d[:], uint32(n))
		return d
	}
	for n := range 2*maxKnown + 2 {
		k.add(1, number(n), Token{Subject: "ada"})
		if len(k.tokens) > maxKnown {
			t.Fatalf("%d tokens are remembered", len(k.tokens))
		}
		if _, ok := k.find(1, number(n)); !ok {
			t.Fatalf("token %d is forgotten at once", n)
		}
	}
	if _, ok := k.find(1, number(0)); ok {
		t.Error("the first token is remembered after so many others")
	}
}

// TestKnownTokensGoByTheirKeys adds and finds tokens with keys that came later, and with keys that are gone.
func TestKnownTokensGoByTheirKeys(t *testing.T) {
	var k known
	k.add(2, digest{1}, Token{Subject: "ada"})
	k.add(1, digest{2}, Token{Subject: "mia"}) // by somebody who was slow
	for keys, want := range map[int]bool{1: false, 2: true, 3: false} {
		if got, ok := k.find(keys, digest{1}); ok != want || ok && got.Subject != "ada" {
			t.Errorf("with keys %d, ada's token is known: %v", keys, ok)
		}
		if _, ok := k.find(keys, digest{2}); ok {
			t.Errorf("with keys %d, a token of earlier keys is known", keys)
		}
	}
	k.add(3, digest{3}, Token{})
	if _, ok := k.find(2, digest{1}); ok {
		t.Error("a token of withdrawn keys is known")
	}
}
