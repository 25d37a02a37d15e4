package storage_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/storage"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

func TestAzuriteStopsAndComesBack(t *testing.T) {
	c, name := newContainer(t, accountA)
	etag := upload(t, c, "f", "before")
	link := shared.PlainURL(accountA) + "/" + name + "/f?" + signedQuery(t, accountA, name, "r", nil)
	if err := shared.StopAzurite(); err != nil {
		t.Fatal(err)
	}
	_, err := c.NewBlobClient("f").GetProperties(t.Context(), nil)
	wantError(t, err, 503, "ServerBusy")
	if resp, b := do(t, "GET", link, ""); resp.StatusCode != 503 || !strings.Contains(b, "<Code>ServerBusy</Code>") {
		t.Errorf("link: %d %s", resp.StatusCode, b)
	}
	for _, at := range shared.AzuriteAt() { // somebody else gets the ports
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if err := shared.StartAzurite(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := shared.StartAzurite(t.Context()); err != nil {
		t.Errorf("starting what runs: %v", err)
	}
	props, err := c.NewBlobClient("f").GetProperties(t.Context(), nil)
	if err != nil || *props.ETag != etag {
		t.Errorf("after the restart: %v", err)
	}
	if resp, b := do(t, "GET", link, ""); resp.StatusCode != 200 || b != "before" {
		t.Errorf("the link after the restart: %d %s", resp.StatusCode, b)
	}
	upload(t, c, "f", "after")
}

// TestWhatIsBegunIsAnsweredBeforeTheEnd stops Azurite in the middle of an upload. What is answered with success is there
// afterwards.
func TestWhatIsBegunIsAnsweredBeforeTheEnd(t *testing.T) {
	_, name := newContainer(t, accountA)
	link := shared.PlainURL(accountA) + "/" + name + "/slow?" + signedQuery(t, accountA, name, "rcw", nil)
	const half = 8 << 20 // more than all buffers on the way hold
	body, pen := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link, body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = 2 * half
	request.Header.Set("x-ms-blob-type", "BlockBlob")
	answered := make(chan int, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error("the upload was cut off")
			answered <- 0
			return
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	if _, err := pen.Write(make([]byte, half)); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- shared.StopAzurite() }()
	t.Cleanup(func() {
		if err := shared.StartAzurite(context.Background()); err != nil {
			t.Error(err)
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for refused := false; !refused; { // until it takes nothing new
		<-tick.C
		resp, err := http.Get(link)
		if err != nil {
			continue // on a connection that was just being closed
		}
		resp.Body.Close()
		refused = resp.StatusCode == http.StatusServiceUnavailable
	}
	if _, err := pen.Write(make([]byte, half)); err != nil {
		t.Fatal(err)
	}
	pen.Close()
	status := <-answered
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if status != http.StatusCreated {
		t.Fatalf("the upload was answered with %d", status)
	}
	if err := shared.StartAzurite(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, b := do(t, "GET", link, ""); resp.StatusCode != http.StatusOK || len(b) != 2*half {
		t.Errorf("after the restart: %d and %d bytes", resp.StatusCode, len(b))
	}
}

func TestAddAccount(t *testing.T) {
	account := fmt.Sprintf("stalexlate%d", shared.names.Add(1))
	fresh := blobService(t, shared.Storage, account).NewContainerClient("box")
	if _, err := fresh.Create(t.Context(), nil); err == nil {
		t.Fatal("the account was there before it was added")
	}
	for range 2 {
		if err := shared.AddAccount(t.Context(), account); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fresh.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	upload(t, fresh, "f", "x")
	if _, _, err := shared.Open(t.Context(), account, "box", "f"); err != nil {
		t.Errorf("with its key: %v", err)
	}
	if _, err := tables(t, shared.Storage, account).CreateTable(t.Context(), "table", nil); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "ab", "UPPER", "with-dash", "a:key;b", strings.Repeat("a", 25)} {
		if err := shared.AddAccount(t.Context(), bad); err == nil {
			t.Errorf("added %q", bad)
		}
	}
}

func TestDataDirSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	begin := func(o storage.Options) (*storage.Storage, *container.Client) {
		t.Helper()
		o.DataDir, o.Suffix = dir, "storage.example.test"
		s, err := storage.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s, blobService(t, s, accountA).NewContainerClient("kept")
	}
	s, c := begin(storage.Options{Accounts: []string{accountA}})
	if err := s.AddAccount(t.Context(), accountB); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	upload(t, c, "f", "kept")
	if _, err := tables(t, s, accountA).CreateTable(t.Context(), "kept", nil); err != nil {
		t.Fatal(err)
	}
	tlsAddr, plain := s.Dial(), strings.Split(s.PlainURL(""), "/")[2]
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping twice: %v", err)
	}

	s, c = begin(storage.Options{TLSAddr: tlsAddr, PlainAddr: plain})
	if body, err := readAll(t, c.NewBlobClient("f")); err != nil || body != "kept" {
		t.Errorf("blob %q, %v", body, err)
	}
	if _, _, err := s.Open(t.Context(), accountA, "kept", "f"); err != nil {
		t.Errorf("with the key of before: %v", err)
	}
	if _, err := tables(t, s, accountA).NewClient("kept").GetEntity(t.Context(), "a", "b", nil); err == nil || !strings.Contains(err.Error(), "ResourceNotFound") {
		t.Errorf("table: %v", err)
	}
	if _, err := blobService(t, s, accountB).NewContainerClient("b1b").Create(t.Context(), nil); err != nil {
		t.Errorf("account added before the restart: %v", err)
	}
	if s.Dial() != tlsAddr {
		t.Errorf("listens on %s, want %s", s.Dial(), tlsAddr)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := storage.Start(t.Context(), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.Split(s.PlainURL(""), "/")[2]
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{s.Dial(), plain} {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			t.Errorf("still listening on %s", addr)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestStartFailsCleanly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]storage.Options{
		"account name": {Accounts: []string{"not/a/name"}},
		"port":         {PlainAddr: taken.Addr().String()},
		"modules":      {Modules: t.TempDir()},
	} {
		if s, err := storage.Start(t.Context(), o); err == nil {
			s.Stop()
			t.Errorf("%s: started", name)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
