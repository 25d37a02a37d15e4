package airlock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"airlock/statemachine"
)

// Record is one entry of an audit trail. Records form a chain: each holds the hash of the one before it and of itself,
// so that a change, a removal or a reordering is found by anybody who has the trail. Records are never changed.
//
// The canonical encoding of a record, which is hashed and which an export as JSON Lines shows, is one JSON object without
// white space: the members in the order of the fields here, members that may be omitted left out where they are empty or
// zero, times in UTC as RFC 3339 with as many digits of a second as it takes, "<", ">", "&", U+2028 and U+2029 in strings
// written as \u escapes, and all other characters as encoding/json writes them. The hash is the SHA-256 of that encoding
// with "hash":"" at its end, in hex. A field that is added later may be omitted, so that older records stay as they are.
type Record struct {
	Seq      int       `json:"seq"`             // from 1, without gaps
	Chain    string    `json:"chain,omitempty"` // the trail that it belongs to, as Chain makes it
	When     time.Time `json:"when"`
	Who      string    `json:"who"` // object id; "system" for the system itself
	Name     string    `json:"name,omitempty"`
	What     string    `json:"what"`              // an event of the state machine, an occasion to remind people, or one of those below
	Subject  string    `json:"subject,omitempty"` // id of the request that it is about, in the trail of a workspace; of whom a claim was handed to; of the owner in whose place a review was given
	Last     int       `json:"last,omitempty"`    // of a trail that was deleted with its request: the number of its last record, whose hash is the digest
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Round    int       `json:"round,omitempty"`
	Policy   int       `json:"policy,omitempty"` // version of the review policy that applied
	Text     string    `json:"text,omitempty"`   // explanation, reason or detail
	Digest   string    `json:"digest,omitempty"` // SHA-256 of what the record is about, in hex
	Source   string    `json:"source,omitempty"` // IP address
	Trace    string    `json:"trace,omitempty"`  // correlation id
	Previous string    `json:"previous,omitempty"`
	Hash     string    `json:"hash"`
}

// What a record tells of that no event of the state machine is.
const (
	recordSettings   = "settings"  // settings were changed
	recordLate       = "late"      // a review came while another one decided the round, and does not count
	recordLink       = "link"      // a link was given out
	recordFiles      = "files"     // files were listed
	recordAudit      = "audit"     // a trail was exported
	recordTakeOver   = "take_over" // another system has brought it to its end
	RecordForget     = string(statemachine.EventForget)
	recordDisclosure = "record" // the record of a decision was exported
)

// Chain names a trail: that of a request, or without one that of the workspace itself.
func Chain(workspace, request string) string {
	if request == "" {
		return workspace
	}
	return workspace + "/" + request
}

// chained returns the record as the next one of the request's trail.
func (r Request) chained(rec Record) Record {
	rec.Chain = Chain(r.WorkspaceID, r.ID)
	return rec.Seal(r.RecordSeq, r.RecordHash)
}

// chained returns the record as the next one of the workspace's trail.
func (s Settings) chained(rec Record) Record {
	rec.Chain = Chain(s.WorkspaceID, "")
	return rec.Seal(s.RecordSeq, s.RecordHash)
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
	var room [1024]byte // for nearly all
	sum := sha256.Sum256(r.canonical(room[:0]))
	return hex.EncodeToString(sum[:])
}

// canonical appends the canonical encoding to b, as encoding/json writes it, but with none of its time: a trail is verified
// from its beginning whenever somebody reads it.
func (r Record) canonical(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"seq":`...), int64(r.Seq), 10)
	b = appendOptional(b, `,"chain":`, r.Chain)
	b = append(b, `,"when":"`...)
	b, err := r.When.AppendText(b)
	if err != nil {
		panic("airlock: a record cannot fail to encode: " + err.Error())
	}
	b = appendString(append(b, `","who":`...), r.Who)
	b = appendOptional(b, `,"name":`, r.Name)
	b = appendString(append(b, `,"what":`...), r.What)
	b = appendOptional(b, `,"subject":`, r.Subject)
	b = appendCount(b, `,"last":`, r.Last)
	b = appendOptional(b, `,"from":`, r.From)
	b = appendOptional(b, `,"to":`, r.To)
	b = appendCount(b, `,"round":`, r.Round)
	b = appendCount(b, `,"policy":`, r.Policy)
	b = appendOptional(b, `,"text":`, r.Text)
	b = appendOptional(b, `,"digest":`, r.Digest)
	b = appendOptional(b, `,"source":`, r.Source)
	b = appendOptional(b, `,"trace":`, r.Trace)
	b = appendOptional(b, `,"previous":`, r.Previous)
	return append(b, `,"hash":""}`...)
}

// appendOptional appends a member unless it is empty.
func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value)
}

// appendCount appends a member unless it is zero.
func appendCount(b []byte, name string, value int) []byte {
	if value == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), int64(value), 10)
}

// appendString appends a string as JSON. What needs an escape is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			encoded, err := json.Marshal(s)
			if err != nil {
				panic("airlock: a string cannot fail to encode: " + err.Error())
			}
			return append(b, encoded...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
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

// VerifyTrail checks a whole trail, of which every record must say that it belongs to it. It returns the head.
func VerifyTrail(chain string, records []Record) (int, string, error) {
	return verifyPart(chain, records, 0, "")
}

// verifyPart checks the part of a trail that follows the given head, and returns the new head.
func verifyPart(chain string, records []Record, seq int, head string) (int, string, error) {
	for _, r := range records {
		if r.Chain != chain {
			return seq, head, fmt.Errorf("record %d: is of another trail", r.Seq)
		}
	}
	return VerifyChain(records, seq, head)
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
