package zonetest

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

func listEmpty(s *stage) {
	if blobs := s.list(s.opened(0)); len(blobs) != 0 {
		s.Errorf("a new container has %d blobs", len(blobs))
	}
}

func listAbsent(s *stage) {
	pairs := 0
	for b, err := range s.Zones.List(s.ctx, s.place(0)) {
		pairs++
		s.wantError("List of no container", err, airlock.ErrNotFound)
		if b.Name != "" {
			s.Errorf("List of no container yields %q", b.Name)
		}
	}
	if pairs != 1 {
		s.Errorf("List of no container yields %d pairs, want the error alone", pairs)
	}
}

func listOrder(s *stage) {
	p := s.opened(0)
	want := []string{"!", "%41", "0", "10", "2", "A", "B/1", "B/10", "B/2", "B0", "a", "a b", "a+b", "a.b", "a/b", "b", "~"}
	slices.Sort(want)
	link := s.link(p, statemachine.Write)
	for i := range want {
		s.putBy(link, want[(i*7)%len(want)], upload{content: "x"})
	}
	var got []string
	for _, b := range s.list(p) {
		got = append(got, b.Name)
	}
	if !slices.Equal(got, want) {
		s.Errorf("order\n got %q\nwant %q", got, want)
	}
}

// manyBlobs is more than one answer of storage can list when it is asked for the usual thousand.
const manyBlobs = 1_010

func listPages(s *stage) {
	p := s.opened(0)
	link := s.link(p, statemachine.Write)
	numbers := make(chan int)
	var uploads sync.WaitGroup
	for range 8 {
		uploads.Go(func() {
			for n := range numbers {
				u := upload{content: fmt.Sprint(n)}
				status, _, body := s.send(http.MethodPut, blobURL(s, link, fmt.Sprintf("part %04d", n)), u.header(), u.body())
				if status != http.StatusCreated {
					s.Errorf("upload: status %d: %s", status, body)
				}
			}
		})
	}
	for n := range manyBlobs {
		numbers <- n
	}
	close(numbers)
	uploads.Wait()

	n := 0
	for b, err := range s.Zones.List(s.ctx, p) {
		if err != nil {
			s.Fatalf("List: %v", err)
		}
		if want := fmt.Sprintf("part %04d", n); b.Name != want {
			s.Fatalf("blob %d is %q, want %q", n, b.Name, want)
		}
		n++
	}
	if n != manyBlobs {
		s.Errorf("List yields %d blobs, want %d", n, manyBlobs)
	}
}

func listStopsWhenAsked(s *stage) {
	p := s.opened(0)
	for _, name := range []string{"a", "b", "c"} {
		s.put(p, name, upload{content: name})
	}
	seen := 0
	for _, err := range s.Zones.List(s.ctx, p) {
		if err != nil {
			s.Fatalf("List: %v", err)
		}
		seen++
		// Whoever looks at a blob may act on it at once.
		if err := s.Zones.Remove(s.ctx, p, "b"); err != nil {
			s.Fatalf("Remove while listing: %v", err)
		}
		break
	}
	if seen != 1 {
		s.Errorf("List yields %d after it was stopped at 1", seen)
	}
}

func listTellsAll(s *stage) {
	p := s.opened(0)
	content := strings.Repeat("0123456789abcdef", 100)
	etag := s.put(p, "a.txt", upload{content: content, metadata: map[string]string{"Mixedcase": "Value, with: punctuation"}})
	if err := s.Tag(s.ctx, p, "a.txt", airlock.Malicious); err != nil {
		s.Fatalf("Tag: %v", err)
	}
	got := s.blob(p, "a.txt")
	sum := md5.Sum([]byte(content))
	switch {
	case got.ETag != etag || etag == "" || strings.Contains(got.ETag, `"`):
		s.Errorf("ETag %q, want %q", got.ETag, etag)
	case got.Size != int64(len(content)):
		s.Errorf("size %d, want %d", got.Size, len(content))
	case !slices.Equal(got.MD5, sum[:]):
		s.Errorf("MD5 %x, want %x", got.MD5, sum)
	case got.Kind != airlock.BlockBlob:
		s.Errorf("kind %q", got.Kind)
	case got.Copy != airlock.CopyNone:
		s.Errorf("an uploaded blob has the copy state %q", got.Copy)
	case len(got.Metadata) != 1 || got.Metadata["mixedcase"] != "Value, with: punctuation":
		s.Errorf("metadata %v", got.Metadata)
	case got.ScanTag != airlock.Malicious:
		s.Errorf("scan tag %q, want %q", got.ScanTag, airlock.Malicious)
	}
}

func listKinds(s *stage) {
	p := s.opened(0)
	want := map[string]airlock.BlobKind{"block": airlock.BlockBlob, "append": airlock.AppendBlob, "page": airlock.PageBlob}
	for name, kind := range want {
		u := upload{kind: kind}
		if kind == airlock.PageBlob {
			u.content = strings.Repeat("\x00", 512)
		}
		s.put(p, name, u)
	}
	for _, b := range s.list(p) {
		if b.Kind != want[b.Name] {
			s.Errorf("%s: kind %q, want %q", b.Name, b.Kind, want[b.Name])
		}
		delete(want, b.Name)
	}
	if len(want) != 0 {
		s.Errorf("not listed: %v", want)
	}
}

// listTellsWhatIsShut: a blob in the archive tier is there, and no copy of it begins.
func listTellsWhatIsShut(s *stage) {
	from, to := s.opened(0), s.opened(1)
	want := map[string]airlock.Shut{"archived": airlock.Archived, "cool": airlock.Readable, "plain": airlock.Readable}
	etag := s.put(from, "archived", upload{content: "x", tier: "Archive"})
	s.put(from, "cool", upload{content: "x", tier: "Cool"})
	s.put(from, "plain", upload{content: "x"})
	for _, b := range s.list(from) {
		if b.Shut != want[b.Name] {
			s.Errorf("%s: %q, want %q", b.Name, b.Shut, want[b.Name])
		}
	}
	if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: "archived", IfMatch: etag}); err == nil {
		s.Error("a copy of an archived blob begins")
	}
}

// uncommittedIsAbsent: a block that was sent and never committed is no file.
func uncommittedIsAbsent(s *stage) {
	p := s.opened(0)
	block := blobURL(s, s.link(p, statemachine.Write), "half.txt") + "&comp=block&blockid=QUFBQQ=="
	if status, _, body := s.send(http.MethodPut, block, nil, "half"); status != http.StatusCreated {
		s.Fatalf("put block: status %d: %s", status, body)
	}
	if blobs := s.list(p); len(blobs) != 0 {
		s.Errorf("List yields %v", blobs)
	}
}

func tagsDoNotChangeTheETag(s *stage) {
	p := s.opened(0)
	etag := s.put(p, "a.txt", upload{content: "a"})
	for _, result := range []airlock.ScanResult{airlock.NotScanned, airlock.Clean} {
		if err := s.Tag(s.ctx, p, "a.txt", result); err != nil {
			s.Fatalf("Tag: %v", err)
		}
		if b := s.blob(p, "a.txt"); b.ETag != etag || b.ScanTag != result {
			s.Errorf("after the tag %q: ETag %s (was %s), tag %q", result, b.ETag, etag, b.ScanTag)
		}
	}
}

// overwritingDropsTheTag: a verdict is about bytes, not about a name.
func overwritingDropsTheTag(s *stage) {
	p := s.opened(0)
	first := s.put(p, "a.txt", upload{content: "harmless"})
	if err := s.Tag(s.ctx, p, "a.txt", airlock.Clean); err != nil {
		s.Fatalf("Tag: %v", err)
	}
	second := s.put(p, "a.txt", upload{content: "harmful"})
	if b := s.blob(p, "a.txt"); b.ScanTag != airlock.ScanPending || b.ETag != second || first == second {
		s.Errorf("after an overwrite: tag %q, ETag %s, want no tag and %s, not %s", b.ScanTag, b.ETag, second, first)
	}
}
