package storage

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upstream is a gateway in front of a stand-in for Azurite, to see exactly what arrives there.
func upstream(t *testing.T, answer http.HandlerFunc) (door, azuriteAddr string) {
	t.Helper()
	back := httptest.NewTLSServer(answer)
	t.Cleanup(back.Close)
	azuriteAddr = back.Listener.Addr().String()
	roots := x509.NewCertPool()
	roots.AddCert(back.Certificate())
	head := func(context.Context, resource) (properties, error) {
		return properties{etag: `"0x1"`, contentLength: 7}, nil
	}
	g := newGateway(testAddressing, azuriteAt(azuriteAddr), newUpstream(roots),
		newRaiser(testAddressing.suffix, time.Now, head, func(Event) {}), newTombstones(0, time.Now), func(string) {})
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	return front.Listener.Addr().String(), azuriteAddr
}

// azuriteAt is an Azurite that serves blobs there.
func azuriteAt(blob string) *azurite {
	a := &azurite{}
	a.at.Store(&addresses{blob: blob})
	return a
}

// send writes a request as it stands, past any client that would tidy it up.
func send(t *testing.T, door, request string) (*http.Response, error) {
	t.Helper()
	conn, err := net.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

func TestRequestArrivesAsItWasSent(t *testing.T) {
	type arrived struct {
		uri, body string
		header    http.Header
	}
	got := make(chan arrived, 1)
	door, azuriteAddr := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- arrived{r.RequestURI, string(b), r.Header}
		w.Header().Set("Etag", `"0x1"`)
		w.WriteHeader(http.StatusCreated)
	})
	for _, tail := range []string{
		"/c/plain", "/c/a%20b", "/c/a+b", "/c/%2B", "/c/a%2Fb", "/c/a/b//c", "/c/%E6%95%B0", "/c/100%25", "/c/100%2525", "/c/%23",
		"/c/x'(1)*!$&,;=:@~", "/c/./a/../b", "/c/%2e%2e/b", "/c/a?sig=a%2Bb%2F%3D&se=2024-01-01T00%3A00%3A00Z&sp=rw",
		"/c/a?x=1;y=2", "/c/a?comp=tags&where=%zz", "/?comp=list",
	} {
		for host, prefix := range map[string]string{"acct.blob.core.airlock.test": "", "127.0.0.1:8000": "/acct"} {
			resp, err := send(t, door, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nX-Ms-Date: now\r\n\r\nbody", prefix+tail, host))
			if err != nil || resp.StatusCode != 201 {
				t.Fatalf("%s: %v %v", tail, resp, err)
			}
			a := <-got
			if a.uri != "/acct"+tail || a.body != "body" || a.header.Get("X-Ms-Date") != "now" {
				t.Errorf("%s%s became %s with %q", host, prefix+tail, a.uri, a.body)
			}
			if a.header.Get("X-Forwarded-For") != "" || a.header.Get("Accept-Encoding") != "" {
				t.Errorf("headers were added: %v", a.header)
			}
		}
	}
	_, err := send(t, door, "PUT /c/a HTTP/1.1\r\nHost: acct.blob.core.airlock.test\r\nContent-Length: 0\r\n"+
		"x-ms-copy-source: http://127.0.0.1:8000/src/c/a%20b?sig=1\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.header.Get("X-Ms-Copy-Source") != "https://"+azuriteAddr+"/src/c/a%20b?sig=1" {
		t.Errorf("copy source %q", a.header.Get("X-Ms-Copy-Source"))
	}
}

// A metadata name comes to the gateway in any case, and leaves it in lower case: the stand-in reads the bytes themselves.
func TestMetadataNamesAreLowerCase(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var head strings.Builder
		for s := bufio.NewScanner(conn); s.Scan() && s.Text() != ""; {
			head.WriteString(s.Text() + "\n")
		}
		raw <- head.String()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}()
	plain := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", l.Addr().String())
	}}
	g := newGateway(testAddressing, azuriteAt(l.Addr().String()), plain,
		newRaiser(testAddressing.suffix, time.Now, nil, nil), newTombstones(0, time.Now), func(string) {})
	front := httptest.NewServer(g)
	defer front.Close()
	if _, err := send(t, front.Listener.Addr().String(),
		"GET /acct/c/a HTTP/1.1\r\nHost: x\r\nX-MS-META-SealedEtag: 1\r\nx-ms-meta-other: 2\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if head := <-raw; !strings.Contains(head, "x-ms-meta-sealedetag: 1\n") || !strings.Contains(head, "x-ms-meta-other: 2\n") {
		t.Errorf("sent on:\n%s", head)
	}
}

// Of a request that Azurite took and did not answer nobody knows what became of it; the gateway must not claim to.
func TestLostAnswer(t *testing.T) {
	taken := make(chan struct{}, 1)
	door, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		taken <- struct{}{}
		panic(http.ErrAbortHandler)
	})
	resp, err := send(t, door, "PUT /acct/c/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
	<-taken
	if err == nil {
		t.Fatalf("got an answer: %s", resp.Status)
	}
}
