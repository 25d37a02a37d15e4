package storage

import (
	"net/http"
	"net/url"
	"testing"

	"pgregory.net/rapid"
)

const azuriteTestAddr = "127.0.0.1:10000"

var testAddressing = addressing{suffix: "core.airlock.test", plainPort: "8000", tlsPort: "8443"}

func TestVirtualHost(t *testing.T) {
	for host, want := range map[string]struct {
		account string
		svc     service
		ok      bool
	}{
		"acct.blob.core.airlock.test":         {"acct", blobService, true},
		"acct.table.core.airlock.test":        {"acct", tableService, true},
		"ACCT.Blob.Core.Airlock.Test:8443":    {"acct", blobService, true},
		"acct.queue.core.airlock.test":        {},
		"acct.blob.core.windows.net":          {},
		"a.b.blob.core.airlock.test":          {},
		".blob.core.airlock.test":             {},
		"blob.core.airlock.test":              {},
		"core.airlock.test":                   {},
		"acct.blob.core.airlock.test.evil.io": {},
		"127.0.0.1:8000":                      {},
		"":                                    {},
	} {
		account, svc, ok := testAddressing.virtualHost(host)
		if ok != want.ok || ok && (account != want.account || svc != want.svc) {
			t.Errorf("%q: got %q %q %v", host, account, svc, ok)
		}
	}
}

func TestCopySource(t *testing.T) {
	const tail = "/c/a%20b/%231%2B1%25.csv?sv=1&sig=a%2Fb%2B"
	for source, want := range map[string]string{
		"https://acct.blob.core.airlock.test" + tail:      "https://" + azuriteTestAddr + "/acct" + tail,
		"https://acct.blob.core.airlock.test:8443" + tail: "https://" + azuriteTestAddr + "/acct" + tail,
		"http://127.0.0.1:8000/acct" + tail:               "https://" + azuriteTestAddr + "/acct" + tail,
		"http://localhost:8000/acct" + tail:               "https://" + azuriteTestAddr + "/acct" + tail,
		"http://[::1]:8000/acct" + tail:                   "https://" + azuriteTestAddr + "/acct" + tail,
		"HTTPS://127.0.0.1:8443/acct" + tail:              "https://" + azuriteTestAddr + "/acct" + tail,
		"https://" + azuriteTestAddr + "/acct" + tail:     "https://" + azuriteTestAddr + "/acct" + tail,
		"http://" + azuriteTestAddr + "/acct" + tail:      "https://" + azuriteTestAddr + "/acct" + tail,
		"https://acct.table.core.airlock.test" + tail:     "https://acct.table.core.airlock.test" + tail,
		"https://acct.blob.core.windows.net" + tail:       "https://acct.blob.core.windows.net" + tail,
		"http://127.0.0.1:9999/acct" + tail:               "http://127.0.0.1:9999/acct" + tail,
		"http://10.0.0.1:8000/acct" + tail:                "http://10.0.0.1:8000/acct" + tail,
		"ftp://127.0.0.1:8000/acct" + tail:                "ftp://127.0.0.1:8000/acct" + tail,
		"/acct" + tail:                                    "/acct" + tail,
		"":                                                "",
	} {
		if got := testAddressing.azuriteCopySource(source, azuriteTestAddr); got != want {
			t.Errorf("%s:\n got %s\nwant %s", source, got, want)
		}
	}
}

// Both doors lead to one resource, and the bytes of a path are not touched.
func TestPathsAreNotTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, 60, -1).Draw(t, "name")
		path := "/c/" + url.PathEscape(name)
		if rapid.Bool().Draw(t, "folders") {
			path = (&url.URL{Path: "/c/" + name}).EscapedPath()
		}
		svc, virtual := testAddressing.azuritePath("acct.blob.core.airlock.test", path)
		if svc != blobService || virtual != "/acct"+path {
			t.Fatalf("virtual host: %s %s", svc, virtual)
		}
		if _, plain := testAddressing.azuritePath("127.0.0.1:8000", virtual); plain != virtual {
			t.Fatalf("plain: %s, want %s", plain, virtual)
		}
		res, ok := parseResource(virtual)
		back, err := url.PathUnescape(url.PathEscape(res.blob))
		if !ok || err != nil || res.account != "acct" || res.container != "c" || back != res.blob {
			t.Fatalf("%q: %+v", virtual, res)
		}
	})
}

func TestParseResource(t *testing.T) {
	for path, want := range map[string]resource{
		"/acct/c":               {"acct", "c", ""},
		"/acct/c/":              {"acct", "c", ""},
		"/acct/c/a%20b/%23+.x":  {"acct", "c", "a b/#+.x"},
		"/acct/c/a%2Fb":         {"acct", "c", "a/b"},
		`/acct/c/a%5Cb`:         {"acct", "c", "a/b"},
		"/acct/c//x":            {"acct", "c", "/x"},
		"/acct":                 {"acct", "", ""},
		"/":                     {},
		"/acct/c/100%25%2525.x": {"acct", "c", "100%%25.x"},
	} {
		got, ok := parseResource(path)
		if got != want || ok != (want.container != "") {
			t.Errorf("%s: got %+v %v", path, got, ok)
		}
	}
	if _, ok := parseResource("/acct/c/%zz"); ok {
		t.Error("took a path that does not decode")
	}
}

func TestWriteAPI(t *testing.T) {
	blob, box := resource{"acct", "c", "f"}, resource{"acct", "c", ""}
	copyOf := http.Header{"X-Ms-Copy-Source": {"https://x/y"}}
	for name, tc := range map[string]struct {
		method, query string
		header        http.Header
		res           resource
		want          string
	}{
		"put blob":       {"PUT", "", nil, blob, "PutBlob"},
		"with signature": {"PUT", "sv=1&sig=x", nil, blob, "PutBlob"},
		"block list":     {"PUT", "comp=blocklist", nil, blob, "PutBlockList"},
		"copy":           {"PUT", "", copyOf, blob, "CopyBlob"},
		"block":          {"PUT", "comp=block&blockid=x", nil, blob, ""},
		"block from url": {"PUT", "comp=block&blockid=x", copyOf, blob, ""},
		"metadata":       {"PUT", "comp=metadata", nil, blob, ""},
		"tags":           {"PUT", "comp=tags", nil, blob, ""},
		"properties":     {"PUT", "comp=properties", nil, blob, ""},
		"lease":          {"PUT", "comp=lease", nil, blob, ""},
		"abort copy":     {"PUT", "comp=copy&copyid=x", nil, blob, ""},
		"append":         {"PUT", "comp=appendblock", nil, blob, ""},
		"read":           {"GET", "", nil, blob, ""},
		"delete":         {"DELETE", "", nil, blob, ""},
		"container":      {"PUT", "restype=container", nil, box, ""},
		"nothing":        {"PUT", "", nil, resource{}, ""},
	} {
		r := &http.Request{Method: tc.method, URL: &url.URL{RawQuery: tc.query}, Header: tc.header}
		if got := writeAPI(r, tc.res); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func FuzzAddressing(f *testing.F) {
	f.Add("acct.blob.core.airlock.test:8443", "/c/a%20b", "http://127.0.0.1:8000/acct/c/x?sig=1")
	f.Fuzz(func(t *testing.T, host, path, source string) {
		svc, _ := testAddressing.azuritePath(host, path)
		if svc != blobService && svc != tableService {
			t.Fatalf("service %q", svc)
		}
		parseResource(path)
		once := testAddressing.azuriteCopySource(source, azuriteTestAddr)
		if twice := testAddressing.azuriteCopySource(once, azuriteTestAddr); twice != once {
			t.Fatalf("%q became %q and then %q", source, once, twice)
		}
	})
}
