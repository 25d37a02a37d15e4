package defender

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	zipSignature = "PK\x03\x04"
	// maxDepth is how deep an archive in an archive is looked into.
	maxDepth = 4
	// flagEncrypted marks an entry of a zip file that needs a password (APPNOTE 4.4.4, bit 0).
	flagEncrypted = 1
)

// EICAR is the test string that every scanner takes for malware and that does nothing. It is put together here, in pieces
// that are out of order, because a scanner would remove a file, or a program, that has it as a whole.
func EICAR() []byte {
	pieces := []string{"H+H*", "-ANTIVIRUS-", "X5O!P%@AP", "TEST-FILE!$", "[4\\PZX54(P^)", "7CC)7}$EICAR", "-STANDARD"}
	var text strings.Builder
	for _, n := range []int{2, 4, 5, 6, 1, 3, 0} {
		text.WriteString(pieces[n])
	}
	return []byte(text.String())
}

// search finds a string in what is written to it, also where the string lies across two writes.
type search struct {
	wanted []byte
	tail   []byte // the last len(wanted)-1 bytes, at most
	found  bool
}

func (s *search) Write(p []byte) (int, error) {
	if s.found {
		return len(p), nil
	}
	keep := len(s.wanted) - 1
	// What lies across the border ends within the first keep bytes of p.
	border := append(s.tail, p[:min(keep, len(p))]...)
	s.found = bytes.Contains(border, s.wanted) || bytes.Contains(p, s.wanted)
	if len(p) >= keep {
		border = p
	}
	s.tail = append(s.tail[:0:0], border[max(0, len(border)-keep):]...)
	return len(p), nil
}

// head keeps what is written to it up to a limit, and nothing beyond: a text that is longer cannot be looked into.
type head struct {
	limit   int64
	text    []byte
	tooLong bool
}

func (h *head) Write(p []byte) (int, error) {
	switch {
	case h.tooLong:
	case len(h.text) == 0 && !bytes.HasPrefix(p, []byte(zipSignature[:min(len(p), len(zipSignature))])):
		h.tooLong = true // it is no archive, so there is no use for it
	case int64(len(h.text)+len(p)) > h.limit:
		h.tooLong, h.text = true, nil
	default:
		h.text = append(h.text, p...)
	}
	return len(p), nil
}

// limits bound what a scan does for an archive.
type limits struct {
	archive  int64 // bytes of an archive that is held in memory
	unpacked int64 // bytes that all archives in a blob may still unpack to
}

// inspect reads body to its end. Its errors are those of reading.
func inspect(body io.Reader, left limits) (verdict, error) {
	digest := sha256.New()
	virus := &search{wanted: EICAR()}
	start := &head{limit: left.archive}
	_, err := io.Copy(io.MultiWriter(digest, virus, start), body)
	if err != nil {
		return verdict{}, fmt.Errorf("read: %w", err)
	}
	v := verdict{result: Clean, sha256: strings.ToUpper(hex.EncodeToString(digest.Sum(nil)))}
	if virus.found {
		v.result = Malicious
		return v, nil
	}
	if isZip(start.text) {
		v.result, v.code = left.unpack(start.text, maxDepth)
	}
	return v, nil
}

func isZip(text []byte) bool { return bytes.HasPrefix(text, []byte(zipSignature)) }

// unpack looks into every entry of a zip file. Malware in one outweighs what could not be read of the others.
func (l *limits) unpack(text []byte, depth int) (Result, string) {
	if depth == 0 {
		return NotScanned, codeNesting
	}
	archive, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return NotScanned, codeCorrupt
	}
	result, code := Clean, ""
	for _, entry := range archive.File {
		r, c := l.unpackEntry(entry, depth)
		if r == Malicious {
			return Malicious, ""
		}
		if r == NotScanned {
			result, code = r, c
		}
	}
	return result, code
}

func (l *limits) unpackEntry(entry *zip.File, depth int) (Result, string) {
	if entry.Flags&flagEncrypted != 0 {
		return NotScanned, codeProtected
	}
	content, err := entry.Open()
	if err != nil {
		return NotScanned, codeCorrupt
	}
	defer content.Close()
	virus := &search{wanted: EICAR()}
	start := &head{limit: l.archive}
	n, err := io.Copy(io.MultiWriter(virus, start), io.LimitReader(content, l.unpacked+1))
	l.unpacked = max(0, l.unpacked-n)
	switch {
	case virus.found:
		return Malicious, ""
	case l.unpacked == 0 && n > 0:
		return NotScanned, codeTimedOut // a zip bomb takes longer than anyone waits
	case err != nil:
		return NotScanned, codeCorrupt
	case isZip(start.text):
		return l.unpack(start.text, depth-1)
	}
	return Clean, ""
}
