package airlock

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"airlock/statemachine"
)

// What Azure allows. Source: Microsoft, "Naming and referencing containers, blobs, and metadata" and "Storage account
// overview". Names of accounts and containers become parts of addresses: what is not a name never gets there.
var (
	metadataKey   = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	metadataValue = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
)

const (
	minPlaceName     = 3 // of accounts and containers
	maxAccountName   = 24
	maxContainerName = 63
	maxBlobName      = 1024 // characters
	maxSegments      = 254  // of a blob's name
)

// IsAccount reports whether a storage account can have the name.
func IsAccount(name string) bool {
	return lowercase(name) && len(name) >= minPlaceName && len(name) <= maxAccountName
}

// lowercase reports whether there is nothing but lower-case letters and digits.
func lowercase(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Check reports what cannot be a container. Every storage refuses it, and sends nothing.
func (p Place) Check() error {
	name := p.Container
	switch {
	case !IsAccount(p.Account):
		return errors.New("not the name of an account")
	case !lowercase(strings.ReplaceAll(name, "-", "")) || len(name) < minPlaceName || len(name) > maxContainerName,
		name[0] == '-' || name[len(name)-1] == '-' || strings.Contains(name, "--"):
		return errors.New("not the name of a container")
	}
	return nil
}

// CheckBlobName reports what cannot be the name of a blob.
func CheckBlobName(name string) error {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxBlobName || strings.Count(name, "/") >= maxSegments {
		return errors.New("not the name of a blob")
	}
	return nil
}

// notInETags are the characters that would make another condition of an ETag, or another header.
const notInETags = "\"* \r\n"

// Check reports what no storage may read, as Zones.Read says.
func (p Part) Check() error {
	if err := p.Place.Check(); err != nil {
		return err
	}
	if err := CheckBlobName(p.Name); err != nil {
		return err
	}
	switch {
	case p.ETag == "" || strings.ContainsAny(p.ETag, notInETags):
		return errors.New("reading needs the ETag of the blob, without quotes")
	case p.Offset < 0 || p.Length < 1:
		return errors.New("a part that no blob has")
	}
	return nil
}

// Check reports what no storage may begin, as Zones.Copy says.
func (c Copy) Check() error {
	if err := c.From.Check(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := c.To.Check(); err != nil {
		return err
	}
	if err := CheckBlobName(c.Name); err != nil {
		return err
	}
	switch {
	case c.From == c.To:
		return errors.New("a copy onto itself")
	case c.IfMatch == "" || strings.ContainsAny(c.IfMatch, notInETags):
		return errors.New("a copy needs the ETag of its source, without quotes")
	case strings.ContainsAny(c.Replaces, notInETags):
		return errors.New("a copy replaces a blob by its ETag, without quotes")
	case len(c.Metadata) == 0: // Azure, "Copy Blob": without any, the source's metadata is copied.
		return errors.New("a copy without metadata would take over the source's")
	}
	return checkMetadata(c.Metadata)
}

func checkMetadata(metadata map[string]string) error {
	for k, v := range metadata {
		if !metadataKey.MatchString(k) || !metadataValue.MatchString(v) {
			return errors.New("metadata that cannot be a header")
		}
	}
	return nil
}

// maxUpload is the largest blob that is written, in bytes.
const maxUpload = 64 << 10

// Check reports what no storage may write, as Zones.Write says.
func (u Upload) Check() error {
	if err := u.Place.Check(); err != nil {
		return err
	}
	if err := CheckBlobName(u.Name); err != nil {
		return err
	}
	if len(u.Content) == 0 || len(u.Content) > maxUpload {
		return errors.New("not a small blob")
	}
	return checkMetadata(u.Metadata)
}

// Check reports terms for which no storage may make a link.
func (l LinkTerms) Check() error {
	known := statemachine.Read | statemachine.Write | statemachine.List | statemachine.Delete
	switch {
	case l.Rights == 0 || l.Rights&^known != 0:
		return errors.New("a link needs rights, and only known ones")
	case !l.From.Before(l.Until):
		return errors.New("a link must begin before it ends")
	case !IsRequestID(l.CorrelationID):
		return errors.New("a link needs a UUID as its correlation id")
	}
	return nil
}
