package airlock

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

	Verdict Verdict `json:"verdict,omitzero"`
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

// Pages returns how many rows the manifest takes.
func (m Manifest) Pages() int { return (len(m.Files) + ManifestPage - 1) / ManifestPage }

// Page returns the files of one row, counted from 0.
func (m Manifest) Page(n int) []File {
	return m.Files[n*ManifestPage : min((n+1)*ManifestPage, len(m.Files))]
}
