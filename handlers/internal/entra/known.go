package entra

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// maxKnown bounds the memory for known tokens: most take 1 KiB, those with 200 groups 8.
const maxKnown = 1000

// known remembers tokens that were found good, because a client sends the same one for an hour, and a signature takes more of
// the processor than all else that a read of a request does. A token is known by a digest of every byte of it, and for as long
// as the keys are those it was verified with; whether it has expired is asked each time.
type known struct {
	mu     sync.Mutex
	keys   int // which fetch they came with
	tokens map[digest]Token
}

type digest [sha256.Size]byte

// find returns a token that was verified with these keys.
func (k *known) find(keys int, d digest) (Token, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.tokens[d]
	if !ok || k.keys != keys {
		return Token{}, false
	}
	t.Roles, t.Groups = slices.Clone(t.Roles), slices.Clone(t.Groups) // the caller's own
	return t, true
}

// add remembers a token that was verified with these keys or later ones. When there are too many, all are forgotten: they are
// verified again, and that is all.
func (k *known) add(keys int, d digest, t Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if keys < k.keys {
		return
	}
	if keys > k.keys || len(k.tokens) >= maxKnown {
		k.keys, k.tokens = keys, nil
	}
	if k.tokens == nil {
		k.tokens = map[digest]Token{}
	}
	t.Roles, t.Groups = slices.Clone(t.Roles), slices.Clone(t.Groups)
	k.tokens[d] = t
}
