package storage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// rawNames are names that a proxy can spoil.
var rawNames = []string{
	"plain.csv", "a b.csv", "hash#1.csv", "100%.csv", "100%25.csv", "1+1.csv", "data/2024/deep er/x.csv", "données–été.csv",
	"数据/结果.csv", "question?.csv", "semi;colon&amp=1.csv", "tilde~'quote'(1)[2].csv", "😀.csv", "a=b,c:d@e!$*.csv",
}

func TestContainerLifecycle(t *testing.T) {
	c, name := newContainer(t, accountA)
	_, err := c.Create(t.Context(), nil)
	wantError(t, err, 409, string(bloberror.ContainerAlreadyExists))

	listed := false
	for p := blobService(t, shared.Storage, accountA).NewListContainersPager(nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listed = listed || slices.ContainsFunc(page.ContainerItems, func(i *service.ContainerItem) bool { return *i.Name == name })
	}
	if !listed {
		t.Error("not listed")
	}
	if _, err := blobService(t, shared.Storage, accountB).NewContainerClient(name).GetProperties(t.Context(), nil); err == nil {
		t.Error("the container is in another account as well")
	}
	if _, err := c.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err = listNames(t, c)
	wantError(t, err, 404, string(bloberror.ContainerNotFound))
}

func TestDeletedContainerKeepsItsNameForAWhile(t *testing.T) {
	c, name := newContainer(t, accountA)
	if _, err := c.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.Create(t.Context(), nil)
	wantError(t, err, 409, string(bloberror.ContainerBeingDeleted))
	if _, err := blobService(t, shared.Storage, accountB).NewContainerClient(name).Create(t.Context(), nil); err != nil {
		t.Errorf("the same name in another account: %v", err)
	}
	shared.clock.Add(int64(deletedFor))
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Errorf("after %v: %v", deletedFor, err)
	}
	if _, err := c.NewBlockBlobClient("x").UploadBuffer(t.Context(), []byte("x"), nil); err != nil {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"wrong audience": func(c map[string]any) { c["aud"] = "https://graph.microsoft.com" },
		"wrong issuer":   func(c map[string]any) { c["iss"] = "http://127.0.0.1/tenant/v2.0" },
		"expired":        func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"not yet valid":  func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() },
		"no iat":         func(c map[string]any) { delete(c, "iat") },
	} {
		tok := appToken()
		change(tok.claims)
		client, err := container.NewClient("https://"+accountA+".blob."+shared.Suffix()+"/any", tok,
			&container.ClientOptions{ClientOptions: clientOptions(shared.Storage)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.GetProperties(t.Context(), nil); !bloberror.HasCode(err, bloberror.AuthenticationFailed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNamesSurviveBothDoors(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			own, name := newContainer(t, accountA)
			target, _ := newContainer(t, accountB)
			c := d.container(t, accountA, name, signedQuery(t, accountA, name, "rcwdl", nil))
			for _, n := range rawNames {
				if _, err := c.NewBlockBlobClient(n).UploadBuffer(t.Context(), []byte("body of "+n), nil); err != nil {
					t.Fatalf("%q: %v", n, err)
				}
				// What was written under a name by a link is there under the same name by the app's door, and the other way round.
				if body, err := readAll(t, own.NewBlobClient(n)); err != nil || body != "body of "+n {
					t.Errorf("%q: got %q, %v", n, body, err)
				}
				if body, err := readAll(t, c.NewBlobClient(n)); err != nil || body != "body of "+n {
					t.Errorf("%q over the link: got %q, %v", n, body, err)
				}
				if _, err := target.NewBlobClient(n).StartCopyFromURL(t.Context(), c.NewBlobClient(n).URL(), nil); err != nil {
					t.Errorf("copy %q: %v", n, err)
				}
			}
			want := slices.Sorted(slices.Values(rawNames))
			for _, c := range []*container.Client{own, c, target} {
				names, err := listNames(t, c)
				if err != nil {
					t.Fatal(err)
				}
				if slices.Sort(names); !slices.Equal(names, want) {
					t.Errorf("listed %q, want %q", names, want)
				}
			}
			var told []string
			for _, e := range shared.eventsOf(name) {
				told = append(told, strings.TrimPrefix(e.Subject, "/blobServices/default/containers/"+name+"/blobs/"))
			}
			if slices.Sort(told); !slices.Equal(told, want) {
				t.Errorf("events tell of %q, want %q", told, want)
			}
		})
	}
}

func TestListShowsMetadataTagsAndCopyState(t *testing.T) {
	source, sourceName := newContainer(t, accountA)
	target, _ := newContainer(t, accountB)
	_, err := source.NewBlockBlobClient("a b/#1+1%.txt").UploadBuffer(t.Context(), []byte("content"), &blockblob.UploadBufferOptions{
		Metadata: map[string]*string{"sealedetag": ptr("0x1"), "Mixed": ptr("Case")},
		Tags:     map[string]string{"colour": "green"},
	})
	if err != nil {
		t.Fatal(err)
	}
	from := source.NewBlobClient("a b/#1+1%.txt").URL() + "?" + signedQuery(t, accountA, sourceName, "r", nil)
	if _, err := target.NewBlobClient("a b/#1+1%.txt").StartCopyFromURL(t.Context(), from, nil); err != nil {
		t.Fatal(err)
	}
	one := func(c *container.Client) *container.BlobItem {
		t.Helper()
		page, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
			Include: container.ListBlobsInclude{Copy: true, Metadata: true, Tags: true},
		}).NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Segment.BlobItems) != 1 {
			t.Fatalf("listed %d blobs", len(page.Segment.BlobItems))
		}
		return page.Segment.BlobItems[0]
	}
	s, d := one(source), one(target)
	for _, item := range []*container.BlobItem{s, d} {
		if len(item.Metadata) != 2 || *item.Metadata["sealedetag"] != "0x1" || *item.Metadata["mixed"] != "Case" {
			t.Errorf("metadata %v", item.Metadata)
		}
		if *item.Properties.ContentLength != 7 || len(item.Properties.ContentMD5) == 0 {
			t.Errorf("length %d, MD5 %x", *item.Properties.ContentLength, item.Properties.ContentMD5)
		}
	}
	if s.BlobTags == nil || len(s.BlobTags.BlobTagSet) != 1 || *s.BlobTags.BlobTagSet[0].Value != "green" {
		t.Errorf("source tags %v", s.BlobTags)
	}
	if d.BlobTags != nil && len(d.BlobTags.BlobTagSet) != 0 {
		t.Errorf("a copy has tags: %v", d.BlobTags)
	}
	if *d.Properties.CopyStatus != blob.CopyStatusTypeSuccess || *d.Properties.CopyProgress != "7/7" {
		t.Errorf("copy state %v %v", *d.Properties.CopyStatus, *d.Properties.CopyProgress)
	}
	props, err := target.NewBlobClient("a b/#1+1%.txt").GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := source.NewBlobClient("a b/#1+1%.txt").URL(); *props.CopySource != want || *d.Properties.CopySource != want {
		t.Errorf("copy source %q, in the list %q, want %q", *props.CopySource, *d.Properties.CopySource, want)
	}
}

func TestTags(t *testing.T) {
	c, name := newContainer(t, accountA)
	etag := upload(t, c, "a b#1.csv", "x")
	tags := map[string]string{"Malware Scanning scan result": "No threats found", "t": "1"}
	if err := shared.SetTags(t.Context(), accountA, name, "a b#1.csv", tags); err != nil {
		t.Fatal(err)
	}
	got, err := shared.Tags(t.Context(), accountA, name, "a b#1.csv")
	if err != nil {
		t.Fatal(err)
	}
	seen, err := c.NewBlobClient("a b#1.csv").GetTags(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["Malware Scanning scan result"] != "No threats found" || len(seen.BlobTagSet) != 2 {
		t.Errorf("got %v", got)
	}
	props, err := c.NewBlobClient("a b#1.csv").GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *props.ETag != etag {
		t.Errorf("tags changed the ETag from %s to %s", etag, *props.ETag)
	}
	if n := len(shared.eventsOf(name)); n != 1 {
		t.Errorf("%d events, want the one of the upload", n)
	}
}

func TestOpen(t *testing.T) {
	c, name := newContainer(t, accountA)
	etag := upload(t, c, "été/1%.csv", "content")
	r, got, err := shared.Open(t.Context(), accountA, name, "été/1%.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 16)
	n, _ := r.Read(buf)
	if string(buf[:n]) != "content" || got != etag {
		t.Errorf("read %q with ETag %s, want %s", buf[:n], got, etag)
	}
	_, _, err = shared.Open(t.Context(), accountA, name, "absent")
	wantError(t, err, 404, string(bloberror.BlobNotFound))
	if _, _, err := shared.Open(t.Context(), "nosuchaccount", name, "x"); err == nil {
		t.Error("opened a blob of an account that is not there")
	}
}

func TestLinkGivesItsRightsOnly(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			own, name := newContainer(t, accountA)
			_, other := newContainer(t, accountA)
			upload(t, own, "old", "old")
			link := func(rights string) *container.Client {
				return d.container(t, accountA, name, signedQuery(t, accountA, name, rights, func(v *sas.BlobSignatureValues) {
					v.CorrelationID = "33333333-3333-3333-3333-333333333333"
				}))
			}
			operations := map[string]func(*container.Client) error{
				"r": func(c *container.Client) error { _, err := readAll(t, c.NewBlobClient("old")); return err },
				"l": func(c *container.Client) error { _, err := listNames(t, c); return err },
				"w": func(c *container.Client) error {
					_, err := c.NewBlockBlobClient("old").UploadBuffer(t.Context(), []byte("old"), nil)
					return err
				},
				"c": func(c *container.Client) error {
					_, err := c.NewBlockBlobClient("new").UploadBuffer(t.Context(), []byte("new"), nil)
					return err
				},
				"d": func(c *container.Client) error { _, err := c.NewBlobClient("new").Delete(t.Context(), nil); return err },
			}
			for _, right := range []string{"r", "l", "c", "w", "d"} {
				if err := operations[right](link(right)); err != nil {
					t.Errorf("%s with its right: %v", right, err)
				}
				without := strings.ReplaceAll("rcwdl", right, "")
				if right == "c" {
					without = "rdl" // the right to write is one to create as well
				}
				wantError(t, operations[right](link(without)), 403, string(bloberror.AuthorizationPermissionMismatch))
			}
			query := signedQuery(t, accountA, name, "rcwdl", nil)
			_, err := listNames(t, d.container(t, accountA, other, query))
			wantError(t, err, 403, "") // Azure: AuthenticationFailed; Azurite: AuthorizationFailure
			_, err = listNames(t, d.container(t, accountB, name, query))
			wantError(t, err, 403, "")
			wantError(t, func() error { _, err := link("rcwdl").Delete(t.Context(), nil); return err }(), 403,
				string(bloberror.AuthorizationPermissionMismatch))
		})
	}
}

func TestLinkCannotBeChanged(t *testing.T) {
	own, name := newContainer(t, accountA)
	upload(t, own, "f", "f")
	query := signedQuery(t, accountA, name, "r", func(v *sas.BlobSignatureValues) {
		v.CorrelationID = "33333333-3333-3333-3333-333333333333"
		v.AuthorizedObjectID = "44444444-4444-4444-4444-444444444444"
	})
	d := doors()[1]
	if _, err := readAll(t, d.container(t, accountA, name, query).NewBlobClient("f")); err != nil {
		t.Fatal(err)
	}
	for _, change := range []*strings.Replacer{
		strings.NewReplacer("sp=r", "sp=rw"),
		strings.NewReplacer("scid=33333333", "scid=33333334"),
		strings.NewReplacer("saoid=44444444", "saoid=44444445"),
		strings.NewReplacer("scid=", "ignored="),
	} {
		changed := change.Replace(query)
		if changed == query {
			t.Fatalf("nothing was changed in a link")
		}
		_, err := readAll(t, d.container(t, accountA, name, changed).NewBlobClient("f"))
		wantError(t, err, 403, "")
	}
	expired := signedQuery(t, accountA, name, "r", func(v *sas.BlobSignatureValues) { v.ExpiryTime = time.Now().UTC().Add(-time.Minute) })
	_, err := readAll(t, d.container(t, accountA, name, expired).NewBlobClient("f"))
	wantError(t, err, 403, "")
}

func TestLinkDiesWithItsContainer(t *testing.T) {
	own, name := newContainer(t, accountA)
	upload(t, own, "f", "f")
	query := signedQuery(t, accountA, name, "rl", nil)
	if _, err := own.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range doors() {
		_, err := readAll(t, d.container(t, accountA, name, query).NewBlobClient("f"))
		wantError(t, err, 404, string(bloberror.ContainerNotFound))
		_, err = listNames(t, d.container(t, accountA, name, query))
		wantError(t, err, 404, string(bloberror.ContainerNotFound))
	}
}

func TestConditionalCopyBetweenAccounts(t *testing.T) {
	source, sourceName := newContainer(t, accountA)
	target, _ := newContainer(t, accountB)
	etag := upload(t, source, "f", "first")
	query := signedQuery(t, accountA, sourceName, "r", nil)
	from := source.NewBlobClient("f").URL() + "?" + query
	copyTo := func(name, from string, sealed azcore.ETag, metadata map[string]*string) (blob.StartCopyFromURLResponse, error) {
		return target.NewBlobClient(name).StartCopyFromURL(t.Context(), from, &blob.StartCopyFromURLOptions{
			Metadata:                       metadata,
			SourceModifiedAccessConditions: &blob.SourceModifiedAccessConditions{SourceIfMatch: &sealed},
			AccessConditions: &blob.AccessConditions{
				ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: ptr(azcore.ETagAny)},
			},
		})
	}
	r, err := copyTo("f", from, etag, map[string]*string{"sealedetag": ptr(string(etag))})
	if err != nil {
		t.Fatal(err)
	}
	if *r.CopyStatus != blob.CopyStatusTypeSuccess {
		t.Errorf("status %s", *r.CopyStatus)
	}
	if body, err := readAll(t, target.NewBlobClient("f")); err != nil || body != "first" {
		t.Errorf("copied %q, %v", body, err)
	}
	_, err = copyTo("f", from, etag, nil)
	wantError(t, err, 409, string(bloberror.BlobAlreadyExists))

	upload(t, source, "f", "changed")
	_, err = copyTo("g", from, etag, nil)
	wantError(t, err, 412, string(bloberror.SourceConditionNotMet))
	_, err = target.NewBlobClient("g").GetProperties(t.Context(), nil)
	wantError(t, err, 404, string(bloberror.BlobNotFound))

	_, err = copyTo("g", source.NewBlobClient("f").URL(), etag, nil)
	if err == nil {
		t.Error("copied from another account without a signature")
	}
	_, err = copyTo("g", source.NewBlobClient("absent").URL()+"?"+query, etag, nil)
	wantError(t, err, 404, string(bloberror.CannotVerifyCopySource))
}

func TestCopySourceMayBeSpelledThreeWays(t *testing.T) {
	source, sourceName := newContainer(t, accountA)
	target, _ := newContainer(t, accountB)
	upload(t, source, "a b/#1+1%.csv", "x")
	query := signedQuery(t, accountA, sourceName, "r", nil)
	tail := "/" + sourceName + "/a%20b/%231%2B1%25.csv?" + query
	for i, from := range []string{
		"https://" + accountA + ".blob." + shared.Suffix() + tail,
		shared.PlainURL(accountA) + tail,
		strings.Replace(shared.PlainURL(accountA), "127.0.0.1", "localhost", 1) + tail,
		"https://" + shared.Dial() + "/" + accountA + tail,
	} {
		if _, err := target.NewBlobClient(string(rune('a'+i))).StartCopyFromURL(t.Context(), from, nil); err != nil {
			t.Errorf("source %d: %v", i, err)
		}
	}
	_, err := target.NewBlobClient("z").StartCopyFromURL(t.Context(), "https://example.invalid"+tail, nil)
	wantError(t, err, 404, string(bloberror.CannotVerifyCopySource))
}
