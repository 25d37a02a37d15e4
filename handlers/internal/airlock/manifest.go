package airlock

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Manifest lists the files of one round of a request, in the order of their names. It is made at submit, and nothing
// but what arrived exactly so moves on.
type Manifest struct {
	Round int
	Files []File
}

// File is one file of a manifest.
type File struct {
	Name string `json:"name"` // the blob's name, as it is: slashes, spaces and any script
	Size int64  `json:"size"` // bytes
	MD5  []byte `json:"md5,omitempty"`

	SubmittedETag string `json:"submittedETag"`        // in the intake, when it was submitted
	SealedETag    string `json:"sealedETag,omitempty"` // in the holding zone; empty until it is there

	SHA256       string `json:"sha256,omitempty"`       // of the sealed bytes, in lower-case hex; empty until all of them were read
	ReleasedETag string `json:"releasedETag,omitempty"` // in the released zone, of what was read again there and has this SHA-256; empty: nothing

	Reading Reading `json:"reading,omitzero"` // of the digest that is being computed; its zero value: none is

	Verdict Verdict `json:"verdict,omitzero"`
}

// Reading is how far the computation of a digest has come that takes more than one invocation.
type Reading struct {
	ETag   string `json:"etag,omitempty"`   // of the blob that is read
	Offset int64  `json:"offset,omitempty"` // how many of its bytes were read
	State  []byte `json:"state,omitempty"`  // of the hash after them, as crypto/sha256 marshals it
}

// Verdict is what the malware scanner said of a file's sealed bytes.
type Verdict struct {
	Result  ScanResult `json:"result,omitempty"` // empty: nothing yet
	Reason  string     `json:"reason,omitempty"` // the scanner's reason for not scanning
	Malware []string   `json:"malware,omitempty"`
	SHA256  string     `json:"sha256,omitempty"`
	At      string     `json:"at,omitempty"`      // the scanner's own time stamp
	Claimed bool       `json:"claimed,omitempty"` // an event said so, but no index tag agrees: it does not count
}

// ScanResult is the outcome of a scan, in the words that Defender for Storage uses in events and index tags.
// Source: Microsoft, "Understand malware scanning results".
type ScanResult string

// The results. Only Clean is clean.
const (
	ScanPending ScanResult = ""
	Clean       ScanResult = "No threats found"
	Malicious   ScanResult = "Malicious"
	NotScanned  ScanResult = "Not Scanned" // may be transient: a real result can still follow
)

// ManifestPage is how many files the store keeps in one row.
const ManifestPage = 50

// MaxManifestFiles is the largest manifest: its rows must fit one entity group transaction (100 operations, 4 MiB)
// together with the request's.
const MaxManifestFiles = 2000

// Hashed reports whether the SHA-256 of every file is known.
func (m Manifest) Hashed() bool {
	return !slices.ContainsFunc(m.Files, func(f File) bool { return f.SHA256 == "" })
}

// Digest is the SHA-256, in hex, of the list of the files: what reviewers decide about. The list has one line for each file,
// in the order of the bytes of the names: the file's SHA-256 in hex (a hyphen where it is not known yet), its size in bytes
// in decimal, and its name in UTF-8, with one space between them and a line feed at the end. Names hold no line feed, so
// two lists never read alike. Whoever has the files can compute it:
//
//	find . -type f -printf '%P\n' | LC_ALL=C sort | while IFS= read -r f
//	do echo "$(sha256sum <"$f" | cut -c1-64) $(stat -c %s "$f") $f"
//	done | sha256sum
func (m Manifest) Digest() string {
	files := slices.SortedFunc(slices.Values(m.Files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	hash := sha256.New()
	for _, f := range files {
		fmt.Fprintf(hash, "%s %d %s\n", cmp.Or(f.SHA256, "-"), f.Size, f.Name)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Pages returns how many rows the manifest takes.
func (m Manifest) Pages() int { return (len(m.Files) + ManifestPage - 1) / ManifestPage }

// Page returns the files of one row, counted from 0.
func (m Manifest) Page(n int) []File {
	return m.Files[n*ManifestPage : min((n+1)*ManifestPage, len(m.Files))]
}
