package airlock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Record is one entry of an audit trail. Records form a chain: each holds the hash of the one before it and of itself,
// so that a change, a removal or a reordering is found by anybody who has the trail. Records are never changed.
type Record struct {
	Seq      int       `json:"seq"` // from 1, without gaps
	When     time.Time `json:"when"`
	Who      string    `json:"who"` // object id; "system" for the system itself
	Name     string    `json:"name,omitempty"`
	What     string    `json:"what"`              // an event of the state machine, or link, settings
	Subject  string    `json:"subject,omitempty"` // id of the request that it is about, in the trail of a workspace
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Round    int       `json:"round,omitempty"`
	Text     string    `json:"text,omitempty"`   // explanation, reason or detail
	Digest   string    `json:"digest,omitempty"` // SHA-256 of what the record is about, in hex
	Source   string    `json:"source,omitempty"` // IP address
	Trace    string    `json:"trace,omitempty"`  // correlation id
	Previous string    `json:"previous,omitempty"`
	Hash     string    `json:"hash"`
}

// systemActor is how the system itself stands in records.
const systemActor = "system"

// Seal returns the record with its place in the chain after the given head (sequence 0 and an empty hash: the first).
func (r Record) Seal(seq int, head string) Record {
	r.Seq, r.Previous = seq+1, head
	r.When = r.When.UTC().Round(0)
	r.Hash = r.digest()
	return r
}

// digest is the SHA-256 over the canonical encoding: JSON with the fields in the order of the type, without the hash.
func (r Record) digest() string {
	r.Hash = ""
	encoded, err := json.Marshal(r)
	if err != nil {
		panic("airlock: a record cannot fail to encode: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// VerifyChain checks records that follow the given head, and returns the new head. The error names the first record
// that does not fit.
func VerifyChain(records []Record, seq int, head string) (int, string, error) {
	for _, r := range records {
		switch {
		case r.Seq != seq+1:
			return seq, head, fmt.Errorf("record %d: expected number %d", r.Seq, seq+1)
		case r.Previous != head:
			return seq, head, fmt.Errorf("record %d: does not follow the one before it", r.Seq)
		case r.Hash != r.digest():
			return seq, head, fmt.Errorf("record %d: has been changed", r.Seq)
		}
		seq, head = r.Seq, r.Hash
	}
	return seq, head, nil
}

// Digest is the SHA-256 over a manifest: what reviewers decide about. It covers names, sizes and sealed ETags.
func (m Manifest) Digest() string {
	hash := sha256.New()
	for _, f := range m.Files {
		fmt.Fprintf(hash, "%q %d %q %x\n", f.Name, f.Size, f.SealedETag, f.MD5)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// digest is the SHA-256 of the settings' JSON, without what the store and the chain add.
func (next Settings) digest() string {
	next.RecordSeq, next.RecordHash = 0, ""
	encoded, err := json.Marshal(next)
	if err != nil {
		panic("airlock: settings cannot fail to encode: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}
