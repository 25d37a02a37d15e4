package storage_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

// do sends a plain HTTP request, as curl or a browser would.
func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestLinkWorksWithPlainRequests(t *testing.T) {
	_, name := newContainer(t, accountA)
	query := "?" + signedQuery(t, accountA, name, "rcwl", nil)
	url := shared.PlainURL(accountA) + "/" + name + "/data/a%20b%231.csv" + query
	if resp, b := do(t, "PUT", url, "1,2\n", "x-ms-blob-type", "BlockBlob", "Content-Type", "text/csv"); resp.StatusCode != 201 {
		t.Fatalf("PUT %d %s", resp.StatusCode, b)
	}
	resp, b := do(t, "GET", url, "")
	if resp.StatusCode != 200 || b != "1,2\n" || resp.Header.Get("Content-Type") != "text/csv" {
		t.Fatalf("GET %d %q", resp.StatusCode, b)
	}
	if resp, b = do(t, "GET", url, "", "Range", "bytes=2-2"); resp.StatusCode != 206 || b != "2" {
		t.Fatalf("GET of a range %d %q", resp.StatusCode, b)
	}
	if resp, _ = do(t, "HEAD", url, ""); resp.StatusCode != 200 || resp.ContentLength != 4 {
		t.Fatalf("HEAD %d with length %d", resp.StatusCode, resp.ContentLength)
	}
	list := shared.PlainURL(accountA) + "/" + name + query + "&restype=container&comp=list"
	if resp, b = do(t, "GET", list, ""); resp.StatusCode != 200 || !strings.Contains(b, "<Name>data/a b#1.csv</Name>") {
		t.Fatalf("list %d %s", resp.StatusCode, b)
	}
	if resp, _ = do(t, "GET", shared.PlainURL(accountA)+"/"+name+"/data/a%20b%231.csv", ""); resp.StatusCode/100 != 4 {
		t.Fatalf("without signature: %d", resp.StatusCode)
	}
}

func TestBrowsersOfAnyOriginAreAnswered(t *testing.T) {
	_, name := newContainer(t, accountA)
	url := shared.PlainURL(accountA) + "/" + name + "/f?" + signedQuery(t, accountA, name, "rcw", nil)
	resp, _ := do(t, "OPTIONS", url, "", "Origin", "http://localhost:3000",
		"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-ms-blob-type,content-type")
	if resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
		resp.Header.Get("Access-Control-Allow-Methods") != "PUT" ||
		resp.Header.Get("Access-Control-Allow-Headers") != "x-ms-blob-type,content-type" {
		t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
	}
	resp, b := do(t, "PUT", url, "x", "Origin", "http://localhost:3000", "x-ms-blob-type", "BlockBlob")
	if resp.StatusCode != 201 || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
		resp.Header.Get("Access-Control-Expose-Headers") != "*" {
		t.Errorf("PUT: %d %s %v", resp.StatusCode, b, resp.Header)
	}
	if resp, _ = do(t, "GET", url, ""); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS headers without an origin")
	}
}

func TestTLSDoorNeedsItsAuthority(t *testing.T) {
	pem, err := os.ReadFile(shared.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the CA file")
	}
	for host, ok := range map[string]bool{
		accountA + ".blob." + shared.Suffix():  true,
		accountA + ".table." + shared.Suffix(): true,
		"127.0.0.1":                            true,
		"localhost":                            true,
		accountA + ".queue." + shared.Suffix(): false,
		"example.com":                          false,
	} {
		conn, err := tls.Dial("tcp", shared.Dial(), &tls.Config{RootCAs: roots, ServerName: host})
		if err == nil {
			conn.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
	if conn, err := tls.Dial("tcp", shared.Dial(), &tls.Config{ServerName: "localhost"}); err == nil {
		conn.Close()
		t.Error("the system trusts the local authority")
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{shared.Dial(), strings.TrimPrefix(strings.TrimSuffix(shared.PlainURL("x"), "/x"), "http://")} {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("listens on %s", addr)
		}
	}
}

// zeros is a large body that takes no memory.
type zeros struct{ size, at int64 }

func (z *zeros) Read(b []byte) (int, error) {
	n := min(int64(len(b)), z.size-z.at)
	if n == 0 {
		return 0, io.EOF
	}
	clear(b[:n])
	z.at += n
	return int(n), nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	z.at = offset + map[int]int64{io.SeekStart: 0, io.SeekCurrent: z.at, io.SeekEnd: z.size}[whence]
	return z.at, nil
}

// Client and gateway share this process, so all that either allocates is counted.
func TestLargeBodiesAreNotHeld(t *testing.T) {
	const size, limit = 64 << 20, 48 << 20 // whoever holds the body needs all of size, and twice as much while growing
	c, name := newContainer(t, accountA)
	allocated := func(what string, f func() error) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > limit {
			t.Errorf("%s of %d MiB allocated %d MiB", what, size>>20, n>>20)
		}
	}
	allocated("upload", func() error {
		_, err := c.NewBlockBlobClient("big").Upload(t.Context(), streaming.NopCloser(&zeros{size: size}), nil)
		return err
	})
	allocated("download", func() error {
		r, err := c.NewBlobClient("big").DownloadStream(t.Context(), nil)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil && n != size {
			err = fmt.Errorf("got %d bytes", n)
		}
		return err
	})
	if e := theEvent(t, name, 0); e.Data.ContentLength != size {
		t.Errorf("event tells of %d bytes", e.Data.ContentLength)
	}
}

func TestManyAtOnceOverBothDoors(t *testing.T) {
	const workers, each = 8, 10
	_, name := newContainer(t, accountA)
	query := signedQuery(t, accountA, name, "rcwdl", nil)
	errs := make(chan error, workers*each)
	var wg sync.WaitGroup
	for w := range workers {
		d := doors()[w%2]
		c := d.container(t, accountA, name, query)
		wg.Go(func() {
			for i := range each {
				b := c.NewBlockBlobClient(fmt.Sprintf("w%d/%d", w, i))
				content := bytes.Repeat([]byte{byte(w), byte(i)}, 1000)
				if _, err := b.UploadBuffer(t.Context(), content, nil); err != nil {
					errs <- err
					continue
				}
				got := make([]byte, len(content))
				if _, err := b.DownloadBuffer(t.Context(), got, nil); err != nil || !bytes.Equal(got, content) {
					errs <- fmt.Errorf("blob w%d/%d came back changed: %v", w, i, err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if n := len(shared.eventsOf(name)); n != workers*each {
		t.Errorf("%d events, want %d", n, workers*each)
	}
}

// Only one of many conditional writers of a name may win.
func TestOneWriterWins(t *testing.T) {
	c, name := newContainer(t, accountA)
	var wg sync.WaitGroup
	won := make(chan int, 8)
	for w := range 8 {
		wg.Go(func() {
			_, err := c.NewBlockBlobClient("f").UploadBuffer(t.Context(), []byte{byte(w)}, &blockblob.UploadBufferOptions{
				AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: ptr(azcore.ETagAny)}},
			})
			if err == nil {
				won <- w
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || len(shared.eventsOf(name)) != 1 {
		t.Errorf("%d writers won, %d events", len(won), len(shared.eventsOf(name)))
	}
}
