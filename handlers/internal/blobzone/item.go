package blobzone

import (
	"errors"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/handlers/internal/airlock"
)

// scanTag is the key of the index tag that Defender for Storage writes. Microsoft, "Understand malware scanning
// results"; its own texts differ in upper and lower case, so neither counts.
const scanTag = "Malware Scanning scan result"

// fromItem translates one entry of a listing.
func fromItem(item *container.BlobItem) (airlock.Blob, error) {
	p := item.Properties
	if item.Name == nil || p == nil || p.ETag == nil || p.ContentLength == nil || p.BlobType == nil {
		return airlock.Blob{}, errors.New("storage lists a blob without a name, an ETag, a size or a type")
	}
	b := airlock.Blob{
		Name: *item.Name, Size: *p.ContentLength, ETag: strings.Trim(string(*p.ETag), `"`), MD5: p.ContentMD5,
		Kind: airlock.BlobKind(*p.BlobType), Metadata: make(map[string]string, len(item.Metadata)),
	}
	switch {
	case p.AccessTier != nil && *p.AccessTier == container.AccessTierArchive: // also while it is being brought back
		b.Shut = airlock.Archived
	case p.CustomerProvidedKeySHA256 != nil && *p.CustomerProvidedKeySHA256 != "":
		b.Shut = airlock.ForeignKey
	}
	if p.CopyStatus != nil {
		b.Copy = airlock.CopyState(*p.CopyStatus)
	}
	for k, v := range item.Metadata { // the SDK has brought the keys to lower case
		if v != nil {
			b.Metadata[k] = *v
		}
	}
	if item.BlobTags != nil {
		for _, t := range item.BlobTags.BlobTagSet {
			if t.Key != nil && t.Value != nil && strings.EqualFold(*t.Key, scanTag) {
				b.ScanTag = scanResult(*t.Value)
			}
		}
	}
	return b, nil
}

// scanResult reads a verdict. Clean is what is exactly so; what is not known stays as it is, and is not clean.
func scanResult(value string) airlock.ScanResult {
	for _, r := range []airlock.ScanResult{airlock.Malicious, airlock.NotScanned} {
		if strings.EqualFold(value, string(r)) {
			return r
		}
	}
	return airlock.ScanResult(value)
}
