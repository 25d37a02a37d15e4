// Package buffer keeps the memory that reverse proxies copy through, so that an answer of a few hundred bytes does not take 32 KiB
// of new memory. It never clears it: whoever takes a buffer reads only what it has written there.
package buffer

import "sync"

const size = 32 << 10 // what httputil.ReverseProxy takes without a pool

// Pool is an httputil.BufferPool. The zero value is ready, and safe for concurrent use.
type Pool struct{ pool sync.Pool }

// Get returns 32 KiB.
func (p *Pool) Get() []byte {
	if b, ok := p.pool.Get().(*[size]byte); ok {
		return b[:]
	}
	return make([]byte, size)
}

// Put takes back what Get returned.
func (p *Pool) Put(b []byte) { p.pool.Put((*[size]byte)(b)) }
