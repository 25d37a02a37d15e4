package blobzone

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// What Azure allows. Source: Microsoft, "Naming and referencing containers, blobs, and metadata" and "Storage account
// overview". Names of accounts and containers become parts of addresses: what is not a name never gets there.
var (
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
	metadataKey   = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	metadataValue = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
	correlationID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

const (
	maxContainerName = 63
	maxBlobName      = 1024 // characters
)

func checkPlace(p airlock.Place) error {
	switch {
	case !accountName.MatchString(p.Account):
		return mistake{errors.New("not the name of an account")}
	case !containerName.MatchString(p.Container) || len(p.Container) > maxContainerName:
		return mistake{errors.New("not the name of a container")}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxBlobName {
		return mistake{errors.New("not the name of a blob")}
	}
	return nil
}

func checkCopy(c airlock.Copy) error {
	for _, p := range []airlock.Place{c.From, c.To} {
		if err := checkPlace(p); err != nil {
			return err
		}
	}
	if err := checkName(c.Name); err != nil {
		return err
	}
	switch {
	case c.From == c.To:
		return mistake{errors.New("a copy onto itself")}
	case c.IfMatch == "" || strings.ContainsAny(c.IfMatch, "\"* \r\n"):
		return mistake{errors.New("a copy needs the ETag of its source, without quotes")}
	case strings.ContainsAny(c.Replaces, "\"* \r\n"):
		return mistake{errors.New("a copy replaces a blob by its ETag, without quotes")}
	case len(c.Metadata) == 0:
		// Azure, "Copy Blob": without any, the source's metadata is copied.
		return mistake{errors.New("a copy without metadata would take over the source's")}
	}
	for k, v := range c.Metadata {
		if !metadataKey.MatchString(k) || !metadataValue.MatchString(v) {
			return mistake{errors.New("metadata that cannot be a header")}
		}
	}
	return nil
}

func checkTerms(l airlock.LinkTerms) error {
	known := statemachine.Read | statemachine.Write | statemachine.List | statemachine.Delete
	switch {
	case l.Rights == 0 || l.Rights&^known != 0:
		return mistake{errors.New("a link needs rights, and only known ones")}
	case !l.From.Before(l.Until):
		return mistake{errors.New("a link must begin before it ends")}
	case !correlationID.MatchString(l.CorrelationID):
		return mistake{errors.New("a link needs a UUID as its correlation id")}
	}
	return nil
}
