package airlock

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"airlock/statemachine"
)

// maxEncodedName is the longest name in a URL, where a letter outside ASCII takes six to twelve characters: it leaves room
// for a signature in the 2 KiB that the source of a copy may have.
const maxEncodedName = 1400

// prepareSubmit lists the files of a draft and makes their manifest, or says what is wrong with them.
func (s *Service) prepareSubmit(ctx context.Context, r Request, settings Settings) (string, Commit, error) {
	place, err := s.place(r, settings, statemachine.Spot{Zone: statemachine.Intake, Round: r.Round})
	if err != nil {
		return "", Commit{}, err
	}
	limit := min(settings.MaxFiles, MaxManifestFiles)
	m := &Manifest{Round: r.Round}
	total := int64(0)
	for blob, err := range s.Zones.List(ctx, place) {
		switch {
		case errors.Is(err, ErrNotFound):
			return "The files are still being prepared. Try again in a moment.", Commit{}, nil
		case err != nil:
			return "", Commit{}, err
		case len(m.Files) == limit:
			return fmt.Sprintf("There are more files than this workspace allows: the limit is %d. Remove %q or others.", limit, blob.Name), Commit{}, nil
		}
		if p := fileProblem(blob, settings); p != "" {
			return p, Commit{}, nil
		}
		m.Files = append(m.Files, File{Name: blob.Name, Size: blob.Size, MD5: blob.MD5, SubmittedETag: blob.ETag})
		total += blob.Size
	}
	if len(m.Files) == 0 {
		return "There are no files. Upload at least one before you submit.", Commit{}, nil
	}
	after := r
	after.Files, after.FileCount, after.TotalBytes = summary(m.Files), len(m.Files), total
	after.Scanning = settings.Scanning
	after.stamp(settings.Policy(r.Type))
	if p, err := tooLong(after, m); p != "" || err != nil {
		return p, Commit{}, err
	}
	c := Commit{After: after, Manifest: m}
	for page := range m.Pages() {
		c.Dirty = append(c.Dirty, page)
	}
	return "", c, nil
}

func summary(files []File) []FileSummary {
	summaries := make([]FileSummary, min(len(files), SummaryFiles))
	for i := range summaries {
		f := files[i]
		summaries[i] = FileSummary{Name: f.Name, Size: f.Size, MD5: hex.EncodeToString(f.MD5), SHA256: cmp.Or(f.SHA256, f.Verdict.SHA256)}
	}
	return summaries
}

// fileProblem says why a file cannot be submitted; empty when it can.
func fileProblem(b Blob, settings Settings) string {
	characters := utf8.RuneCountInString(b.Name)
	switch limit := min(settings.MaxNameLength, maxBlobName); {
	case characters > limit:
		return fmt.Sprintf("The name of %q has %d characters; the limit is %d.", shorten(b.Name), characters, limit)
	case len(url.PathEscape(b.Name)) > maxEncodedName:
		return fmt.Sprintf("The name of %q takes %d characters in a URL; the limit is %d.", shorten(b.Name), len(url.PathEscape(b.Name)), maxEncodedName)
	case b.Size > settings.MaxBytes:
		return fmt.Sprintf("%q has %d bytes; the limit is %d.", shorten(b.Name), b.Size, settings.MaxBytes)
	case b.Kind != BlockBlob:
		return fmt.Sprintf("%q was uploaded as %s; only block blobs can be scanned. Upload it again as a block blob.", shorten(b.Name), b.Kind)
	case b.Shut == Archived:
		return fmt.Sprintf("%q is in the archive tier, where nothing can read it. Upload it again to another tier.", shorten(b.Name))
	case b.Shut == ForeignKey:
		return fmt.Sprintf("%q was uploaded with an encryption key of its own, so that nothing here can read it. Upload it again without one.", shorten(b.Name))
	case b.Copy == CopyPending:
		return fmt.Sprintf("%q is still being copied. Submit when it is complete.", shorten(b.Name))
	case b.Copy == CopyFailed || b.Copy == CopyAborted:
		return fmt.Sprintf("The copy of %q did not complete. Upload it again.", shorten(b.Name))
	}
	if p := nameProblem(b.Name); p != "" {
		return fmt.Sprintf("%q cannot be submitted: %s.", shorten(b.Name), p)
	}
	for _, pattern := range settings.NameDenied {
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(path.Base(b.Name))); ok && err == nil {
			return fmt.Sprintf("%q cannot be submitted: this workspace does not allow names like %q.", shorten(b.Name), pattern)
		}
	}
	return ""
}

// nameProblem says why a name would hurt those who receive the file; empty when it would not.
func nameProblem(name string) string {
	if !utf8.ValidString(name) {
		return "its name is not valid UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return "its name holds a character that cannot be seen"
		}
	}
	if strings.ContainsRune(name, '\\') {
		return "its name holds a backslash"
	}
	for _, element := range strings.Split(name, "/") {
		switch {
		case element == "":
			return "its name has an empty folder"
		case element == "." || element == "..":
			return "its name has a folder that means another one"
		case strings.HasSuffix(element, ".") || strings.HasSuffix(element, " "):
			return "a folder or the name ends in a dot or a space"
		}
	}
	return ""
}

// shorten keeps a name readable in a sentence.
func shorten(name string) string {
	const longest = 120
	if utf8.RuneCountInString(name) <= longest {
		return name
	}
	runes := []rune(name)
	return string(runes[:longest]) + "…"
}
