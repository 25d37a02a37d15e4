package blobzone_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// listing is what Azure lists, where the local storage would list it otherwise.
const listing = `<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults><Blobs>
<Blob><Name> leading &amp; #1.txt</Name><Properties><Etag>"0x8D1"</Etag><Content-Length>5</Content-Length>
  <Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5><BlobType>BlockBlob</BlobType></Properties>
  <Metadata><Mixed>Value</Mixed></Metadata>
  <Tags><TagSet><Tag><Key>Other</Key><Value>x</Value></Tag><Tag><Key>malware scanning Scan Result</Key><Value>No threats found</Value></Tag></TagSet></Tags></Blob>
<Blob><Name Encoded="true">odd%EF%BF%BE.txt</Name><Properties><Etag>0x8D2</Etag><Content-Length>0</Content-Length><Content-MD5 />
  <BlobType>AppendBlob</BlobType><CopyStatus>pending</CopyStatus></Properties><Metadata />
  <Tags><TagSet><Tag><Key>Malware Scanning scan result</Key><Value>Not scanned</Value></Tag></TagSet></Tags></Blob>
<Blob><Name>c</Name><Properties><Etag>0x8D3</Etag><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>
  <CopyStatus>aborted</CopyStatus></Properties>
  <Tags><TagSet><Tag><Key>Malware Scanning scan result</Key><Value>no threats found</Value></Tag></TagSet></Tags></Blob>
<Blob><Name>d</Name><Properties><Etag>0x8D4</Etag><Content-Length>0</Content-Length><BlobType>PageBlob</BlobType>
  <CopyStatus>failed</CopyStatus></Properties>
  <Tags><TagSet><Tag><Key>Malware Scanning scan result</Key><Value>malicious</Value></Tag></TagSet></Tags></Blob>
<Blob><Name>e</Name><Properties><Etag>0x8D5</Etag><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>
  <AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus></Properties></Blob>
<Blob><Name>f</Name><Properties><Etag>0x8D6</Etag><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>
  <CustomerProvidedKeySha256>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</CustomerProvidedKeySha256></Properties></Blob>
</Blobs><NextMarker /></EnumerationResults>`

func TestListing(t *testing.T) {
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) { return reply(r, http.StatusOK, "", listing), nil }}, time.Now)
	var got []airlock.Blob
	for b, err := range z.List(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b)
	}
	none := map[string]string{}
	want := []airlock.Blob{
		{Name: " leading & #1.txt", Size: 5, ETag: "0x8D1", Kind: airlock.BlockBlob, Metadata: map[string]string{"mixed": "Value"}, ScanTag: airlock.Clean,
			MD5: []byte("\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92")},
		{Name: "odd\ufffe.txt", ETag: "0x8D2", Kind: airlock.AppendBlob, Copy: airlock.CopyPending, Metadata: none, ScanTag: airlock.NotScanned},
		// Only the exact words mean clean.
		{Name: "c", ETag: "0x8D3", Kind: airlock.BlockBlob, Copy: airlock.CopyAborted, Metadata: none, ScanTag: "no threats found"},
		{Name: "d", ETag: "0x8D4", Kind: airlock.PageBlob, Copy: airlock.CopyFailed, Metadata: none, ScanTag: airlock.Malicious},
		{Name: "e", ETag: "0x8D5", Kind: airlock.BlockBlob, Shut: airlock.Archived, Metadata: none},
		{Name: "f", ETag: "0x8D6", Kind: airlock.BlockBlob, Shut: airlock.ForeignKey, Metadata: none},
	}
	for i := range got {
		if len(got[i].MD5) == 0 {
			got[i].MD5 = nil
		}
		if i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("blob %d: %+v", i, got[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d blobs, want %d", len(got), len(want))
	}
}

// TestListingThatIsIncomplete: a blob without what the domain decides by is no blob at all.
func TestListingThatIsIncomplete(t *testing.T) {
	const incomplete = `<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Content-Length>5</Content-Length>
		<BlobType>BlockBlob</BlobType></Properties></Blob></Blobs></EnumerationResults>`
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) { return reply(r, http.StatusOK, "", incomplete), nil }}, time.Now)
	pairs := 0
	for b, err := range z.List(t.Context(), from) {
		pairs++
		wantError(t, err, airlock.ErrTransient)
		if b.Name != "" {
			t.Errorf("a blob beside the error: %+v", b)
		}
	}
	if pairs != 1 {
		t.Errorf("%d pairs, want the error alone", pairs)
	}
}
