package zonetest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// allRights is every right that a link can give.
const allRights = statemachine.Read | statemachine.Write | statemachine.List | statemachine.Delete

// upload is a file as a user sends it.
type upload struct {
	content  string
	kind     airlock.BlobKind // empty: BlockBlob
	tier     string           // empty: that of the account
	metadata map[string]string
}

// link returns a link that works now.
func (s *stage) link(p airlock.Place, rights statemachine.Rights) string {
	s.Helper()
	now := s.Now()
	link, err := s.Zones.Link(s.ctx, p, airlock.LinkTerms{
		Rights: rights, From: now.Add(-5 * time.Minute), Until: now.Add(time.Hour), CorrelationID: uuid.NewString(),
	})
	if err != nil {
		s.Fatalf("Link: %v", err)
	}
	return link
}

// put uploads a file through a link of its own and returns the ETag, without quotes.
func (s *stage) put(p airlock.Place, name string, u upload) string {
	s.Helper()
	return s.putBy(s.link(p, statemachine.Write), name, u)
}

func (s *stage) putBy(link, name string, u upload) string {
	s.Helper()
	status, header, body := s.send(http.MethodPut, blobURL(s, link, name), u.header(), u.body())
	if status != http.StatusCreated {
		s.Fatalf("upload: status %d: %s", status, body)
	}
	return strings.Trim(header.Get("ETag"), `"`)
}

func (u upload) header() http.Header {
	h := http.Header{}
	switch u.kind {
	case "":
		h.Set("x-ms-blob-type", string(airlock.BlockBlob))
	case airlock.PageBlob:
		h.Set("x-ms-blob-content-length", strconv.Itoa(len(u.content)))
		fallthrough
	default:
		h.Set("x-ms-blob-type", string(u.kind))
	}
	if u.tier != "" {
		h.Set("x-ms-access-tier", u.tier)
	}
	for k, v := range u.metadata {
		h.Set("x-ms-meta-"+k, v)
	}
	return h
}

// body is the content that goes with the request that makes the blob. Azure: only block blobs are made with content.
func (u upload) body() string {
	if u.kind == "" || u.kind == airlock.BlockBlob {
		return u.content
	}
	return ""
}

// get downloads a file through a link.
func (s *stage) get(p airlock.Place, name string) string {
	s.Helper()
	status, _, body := s.send(http.MethodGet, blobURL(s, s.link(p, statemachine.Read), name), nil, "")
	if status != http.StatusOK {
		s.Fatalf("download: status %d: %s", status, body)
	}
	return body
}

// send sends one request and returns the answer.
func (s *stage) send(method, url string, header http.Header, body string) (status int, got http.Header, answer string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := s.Client.Do(r)
	if err != nil {
		s.Fatalf("%s: %v", method, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatalf("%s: read the answer: %v", method, err)
	}
	return resp.StatusCode, resp.Header, string(content)
}

// blobURL puts a blob's name into a link to its container, as every storage client does.
func blobURL(s *stage, link, name string) string {
	s.Helper()
	base, query, ok := strings.Cut(link, "?")
	if !ok {
		s.Fatal("the link has no query")
	}
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return base + "/" + strings.Join(segments, "/") + "?" + query
}

// listURL is the request that lists the container of a link.
func listURL(link string) string { return link + "&restype=container&comp=list" }
