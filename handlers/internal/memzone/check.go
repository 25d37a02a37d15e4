package memzone

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// What Azure allows. Source: Microsoft, "Naming and referencing containers, blobs, and metadata" and "Storage account
// overview".
var (
	metadataKey   = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	metadataValue = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
	correlationID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

const (
	minName          = 3
	maxAccountName   = 24
	maxContainerName = 63
	maxBlobName      = 1024 // characters
	maxSegments      = 254
)

// The errors of this file are mistakes of the caller: no test should ever see one by accident, so they are none of the
// errors that the domain branches on.

func checkPlace(p airlock.Place) error {
	if err := checkAccount(p.Account); err != nil {
		return err
	}
	name := p.Container
	if !lowercase(strings.ReplaceAll(name, "-", "")) || len(name) < minName || len(name) > maxContainerName ||
		name[0] == '-' || name[len(name)-1] == '-' || strings.Contains(name, "--") {
		return errors.New("not the name of a container")
	}
	return nil
}

func checkAccount(name string) error {
	if !lowercase(name) || len(name) < minName || len(name) > maxAccountName {
		return errors.New("not the name of an account")
	}
	return nil
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

func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxBlobName || strings.Count(name, "/") >= maxSegments {
		return errors.New("not the name of a blob")
	}
	return nil
}

func checkCopy(c airlock.Copy) error {
	if err := checkPlace(c.From); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := checkName(c.Name); err != nil {
		return err
	}
	switch {
	case c.From == c.To:
		return errors.New("a copy onto itself")
	case c.IfMatch == "" || strings.ContainsAny(c.IfMatch, `"* `):
		return errors.New("a copy needs the ETag of its source, without quotes")
	case strings.ContainsAny(c.Replaces, `"* `):
		return errors.New("a copy replaces a blob by its ETag, without quotes")
	case len(c.Metadata) == 0:
		return errors.New("a copy without metadata would take over the source's")
	}
	for k, v := range c.Metadata {
		if !metadataKey.MatchString(k) || !metadataValue.MatchString(v) {
			return fmt.Errorf("metadata %q cannot be stored", k)
		}
	}
	return nil
}

func checkTerms(l airlock.LinkTerms) error {
	known := statemachine.Read | statemachine.Write | statemachine.List | statemachine.Delete
	switch {
	case l.Rights == 0 || l.Rights&^known != 0:
		return errors.New("a link needs rights, and only known ones")
	case !l.From.Before(l.Until):
		return errors.New("a link must begin before it ends")
	case !correlationID.MatchString(l.CorrelationID):
		return errors.New("a link needs a UUID as its correlation id")
	}
	return nil
}

func cloneMetadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
