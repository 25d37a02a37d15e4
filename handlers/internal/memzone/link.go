package memzone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// linkHost is the domain of the links. The top-level domain is reserved and never resolves (RFC 2606).
const linkHost = ".blob.memory.invalid"

// letters are the rights as links have them, in the order of Azure's service SAS.
var letters = []struct {
	right  statemachine.Rights
	letter string
}{{statemachine.Read, "r"}, {statemachine.Write, "cw"}, {statemachine.Delete, "d"}, {statemachine.List, "l"}}

// Link implements airlock.Zones. The link has the parameters of Azure's.
func (z *Zones) Link(ctx context.Context, p airlock.Place, l airlock.LinkTerms) (string, error) {
	var link string
	err := z.do(ctx, Call{Op: OpLink, Place: p}, func() error {
		if err := l.Check(); err != nil {
			return err
		}
		sp := ""
		for _, r := range letters {
			if l.Rights&r.right != 0 {
				sp += r.letter
			}
		}
		q := url.Values{"sr": {"c"}, "sp": {sp}, "scid": {l.CorrelationID},
			"st": {l.From.UTC().Format(time.RFC3339)}, "se": {l.Until.UTC().Format(time.RFC3339)}}
		q.Set("sig", signature(p, q))
		link = "https://" + p.Account + linkHost + "/" + p.Container + "?" + q.Encode()
		return nil
	})
	return link, err
}

// signature tells a link that Link made from one that was changed. It keeps no secret: nobody attacks a test.
func signature(p airlock.Place, q url.Values) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{p.Account, p.Container, q.Get("sp"), q.Get("st"), q.Get("se"), q.Get("scid")}, "\n")))
	return hex.EncodeToString(sum[:])
}

// Client returns an HTTP client that follows the links, without a network. It speaks what a user needs of Azure's
// protocol: Get Blob, Put Blob, Put Block, Delete Blob, List Blobs. These are no calls: nothing is counted.
func (z *Zones) Client() *http.Client { return &http.Client{Transport: transport{z}} }

type transport struct{ z *Zones }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var content []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if content, err = io.ReadAll(r.Body); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	t.z.mu.Lock()
	defer t.z.mu.Unlock()
	t.z.settle()
	a := t.z.serve(r, content)
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set("Content-Length", strconv.FormatInt(a.size, 10))
	if a.body == nil {
		a.body = strings.NewReader("")
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, Header: a.header, ContentLength: a.size, Body: io.NopCloser(a.body), Request: r,
	}, nil
}

// answer is what a user gets.
type answer struct {
	status int
	header http.Header
	body   io.Reader
	size   int64
}

// refusal is an answer with an error code of Azure's.
func refusal(status int, code string) answer {
	body := "<Error><Code>" + code + "</Code></Error>"
	return answer{status, http.Header{"X-Ms-Error-Code": {code}}, strings.NewReader(body), int64(len(body))}
}

// serve does what a link allows.
func (z *Zones) serve(r *http.Request, content []byte) answer {
	account, found := strings.CutSuffix(r.URL.Hostname(), linkHost)
	container, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p, q := airlock.Place{Account: account, Container: container}, r.URL.Query()
	from, errFrom := time.Parse(time.RFC3339, q.Get("st"))
	until, errUntil := time.Parse(time.RFC3339, q.Get("se"))
	now := z.options.Now()
	if !found || errors.Join(errFrom, errUntil) != nil || q.Get("sig") != signature(p, q) || now.Before(from) || !now.Before(until) {
		return refusal(http.StatusForbidden, "AuthenticationFailed")
	}
	list := r.Method == http.MethodGet && name == "" && q.Get("comp") == "list"
	needs := map[bool]string{true: "l"}[list]
	if name != "" {
		needs = map[string]string{http.MethodGet: "r", http.MethodPut: "w", http.MethodDelete: "d"}[r.Method]
	}
	if needs == "" || !strings.Contains(q.Get("sp"), needs) {
		return refusal(http.StatusForbidden, "AuthorizationPermissionMismatch")
	}
	switch {
	case z.containers[p] == nil:
		return refusal(http.StatusNotFound, "ContainerNotFound")
	case list:
		return z.serveList(p)
	case r.Method == http.MethodPut:
		return z.servePut(p, name, r.Header, q, content)
	case z.containers[p][name] == nil:
		return refusal(http.StatusNotFound, "BlobNotFound")
	case r.Method == http.MethodDelete:
		delete(z.containers[p], name)
		z.forgetOrphans()
		return answer{status: http.StatusAccepted}
	default:
		return serveGet(z.containers[p][name])
	}
}

func (z *Zones) servePut(p airlock.Place, name string, h http.Header, q url.Values, content []byte) answer {
	if q.Get("comp") == "block" {
		return answer{status: http.StatusCreated} // nobody commits it, so nobody ever sees it
	}
	f := File{Content: content, Kind: airlock.BlobKind(h.Get("x-ms-blob-type")), Metadata: map[string]string{}}
	if f.Kind == airlock.PageBlob {
		size, err := strconv.Atoi(h.Get("x-ms-blob-content-length"))
		if err != nil || size < 0 || size%512 != 0 || len(content) != 0 {
			return refusal(http.StatusBadRequest, "InvalidHeaderValue")
		}
		f.Content, f.Size = nil, int64(size)
	}
	if h.Get("x-ms-access-tier") == "Archive" {
		f.Shut = airlock.Archived
	}
	for k, v := range h {
		if key, ok := strings.CutPrefix(strings.ToLower(k), "x-ms-meta-"); ok {
			f.Metadata[key] = strings.Join(v, ",")
		}
	}
	if f.Kind != airlock.BlockBlob && f.Kind != airlock.AppendBlob && f.Kind != airlock.PageBlob {
		return refusal(http.StatusBadRequest, "InvalidHeaderValue")
	}
	etag, err := z.put(p, name, f)
	switch {
	case errors.Is(err, airlock.ErrExists):
		return refusal(http.StatusConflict, "PendingCopyOperation")
	case err != nil:
		return refusal(http.StatusBadRequest, "InvalidResourceName")
	}
	return answer{status: http.StatusCreated, header: http.Header{"Etag": {`"` + etag + `"`}}}
}

func serveGet(b *blob) answer {
	a := answer{status: http.StatusOK, header: http.Header{"Etag": {`"` + b.ETag + `"`}}, size: b.Size}
	if b.content != nil {
		a.body = strings.NewReader(string(b.content))
	} else {
		a.body = io.LimitReader(zeros{}, b.Size)
	}
	return a
}

// zeros reads as zero bytes without end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (z *Zones) serveList(p airlock.Place) answer {
	var listing struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Names   []string `xml:"Blobs>Blob>Name"`
	}
	for _, b := range z.listing(p) {
		listing.Names = append(listing.Names, b.Name)
	}
	body, err := xml.Marshal(listing)
	if err != nil {
		return refusal(http.StatusInternalServerError, "InternalError")
	}
	return answer{http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, strings.NewReader(string(body)), int64(len(body))}
}
