package airlock

import (
	"bytes"

	"airlock/statemachine"
)

// FileChange is what became of a file since the round that people reviewed before.
type FileChange string

// The changes. A file whose content nothing tells apart is unknown, and never guessed to be the same.
const (
	FileNew     FileChange = "new"
	FileChanged FileChange = "changed"
	FileSame    FileChange = "same"
	FileUnknown FileChange = "unknown"
)

// Basis is what a change was found out by.
type Basis string

// The bases. The MD5 is the one that storage keeps, which whoever uploads a file in blocks can set to anything (Azure: Put
// Block List): it tells of honest mistakes, and only the SHA-256 of the sealed bytes tells of all.
const (
	BySHA256 Basis = "sha256"
	ByMD5    Basis = "md5"
	BySize   Basis = "size"
)

// Altered is what became of one file, and how it is known; no basis where nothing tells, and for a new file.
type Altered struct {
	Change FileChange
	By     Basis
}

// Comparison is what became of files since an earlier round.
type Comparison struct {
	Round   int       // the earlier one; 0: there is none that people reviewed
	Altered []Altered // one for each file, in their order
	Gone    []File    // of the earlier round, in the order of its manifest
}

// reviewedBefore is the last round before the given one that people reviewed; 0 where there is none. A round that could not
// be sealed is not one: nobody saw it.
func (r Request) reviewedBefore(round int) int {
	last := 0
	for _, v := range r.Reviews {
		if v.Round < round && v.Decision != statemachine.DecisionRevoked {
			last = max(last, v.Round)
		}
	}
	return last
}

// compare tells what became of the files of the earlier manifest.
func compare(files []File, earlier Manifest) Comparison {
	old := make(map[string]File, len(earlier.Files))
	for _, f := range earlier.Files {
		old[f.Name] = f
	}
	c := Comparison{Round: earlier.Round, Altered: make([]Altered, len(files))}
	for i, f := range files {
		before, ok := old[f.Name]
		c.Altered[i] = Altered{Change: FileNew}
		if ok {
			c.Altered[i] = f.since(before)
			delete(old, f.Name)
		}
	}
	for _, f := range earlier.Files {
		if _, gone := old[f.Name]; gone {
			c.Gone = append(c.Gone, f)
		}
	}
	return c
}

// since compares a file with an earlier one of the same name, by the best of what is known of both.
func (f File) since(before File) Altered {
	change := func(same bool) FileChange {
		if same {
			return FileSame
		}
		return FileChanged
	}
	switch {
	case f.SHA256 != "" && before.SHA256 != "":
		return Altered{change(f.SHA256 == before.SHA256), BySHA256}
	case f.Size != before.Size:
		return Altered{FileChanged, BySize}
	case len(f.MD5) > 0 && len(before.MD5) > 0:
		return Altered{change(bytes.Equal(f.MD5, before.MD5)), ByMD5}
	default:
		return Altered{Change: FileUnknown}
	}
}
