package blobzone_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/blobzone"
)

// cloud plays Azure where Azurite does not behave like it: it grants keys and answers everything else as told.
type cloud struct {
	answer func(r *http.Request) (*http.Response, error)
	hold   chan struct{} // keys are granted when it is closed; nil: at once

	mu   sync.Mutex
	keys []keyInfo
	asks int // requests that were not for a key
}

// keyInfo is what a request for a key asks for.
type keyInfo struct{ Start, Expiry string }

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("comp") == "userdelegationkey" {
		var k keyInfo
		if err := xml.NewDecoder(r.Body).Decode(&k); err != nil {
			return nil, err
		}
		if c.hold != nil {
			<-c.hold
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keys = append(c.keys, k)
		return reply(r, http.StatusOK, "", fmt.Sprintf(`<UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>
			<SignedStart>%s</SignedStart><SignedExpiry>%s</SignedExpiry><SignedService>b</SignedService>
			<SignedVersion>2026-02-06</SignedVersion><Value>a2V5</Value></UserDelegationKey>`, k.Start, k.Expiry)), nil
	}
	c.mu.Lock()
	c.asks++
	c.mu.Unlock()
	return c.answer(r)
}

// reply makes an answer as storage does; the code goes into the header and the body.
func reply(r *http.Request, status int, code, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/xml"}}
	if code != "" {
		h.Set("x-ms-error-code", code)
		body = "<Error><Code>" + code + "</Code><Message>Source " + header(r, "x-ms-copy-source") + "</Message></Error>"
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// header reads a header whatever its case: the SDK does not always write the canonical one.
func header(r *http.Request, key string) string {
	for k, v := range r.Header {
		if strings.EqualFold(k, key) {
			return strings.Join(v, ",")
		}
	}
	return ""
}

func always(status int, code string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) { return reply(r, status, code, ""), nil }
}

// onCloud returns Zones on a cloud with a clock of its own.
func onCloud(t *testing.T, c *cloud, now func() time.Time) *blobzone.Zones {
	t.Helper()
	z, err := blobzone.New(blobzone.Options{Credential: token{}, Transport: c, Accounts: accounts[:1], Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

var (
	from   = airlock.Place{Account: accounts[0], Container: "0191c2a4-7b1e-7cc0-8000-000000000001"}
	into   = airlock.Place{Account: accounts[1], Container: "0191c2a4-7b1e-7cc0-8000-000000000001"}
	secret = "secret name.txt"
)

// operations are all that send anything.
var operations = map[string]func(context.Context, *blobzone.Zones) error{
	"Open":   func(ctx context.Context, z *blobzone.Zones) error { _, err := z.Open(ctx, from); return err },
	"Remove": func(ctx context.Context, z *blobzone.Zones) error { return z.Remove(ctx, from, secret) },
	"Erase":  func(ctx context.Context, z *blobzone.Zones) error { return z.Erase(ctx, from) },
	"Ping":   func(ctx context.Context, z *blobzone.Zones) error { return z.Ping(ctx) },
	"Copy": func(ctx context.Context, z *blobzone.Zones) error {
		return z.Copy(ctx, airlock.Copy{From: from, To: into, Name: secret, IfMatch: "0x8D", Metadata: map[string]string{"a": "b"}})
	},
	"Write": func(ctx context.Context, z *blobzone.Zones) error {
		return z.Write(ctx, airlock.Upload{Place: from, Name: secret, Content: []byte("x")})
	},
	"Read": func(ctx context.Context, z *blobzone.Zones) error {
		return z.Read(ctx, airlock.Part{Place: from, Name: secret, ETag: "0x8D", Length: 1}, io.Discard)
	},
	"List": func(ctx context.Context, z *blobzone.Zones) error {
		for _, err := range z.List(ctx, from) {
			return err
		}
		return nil
	},
}

// TestAnswers is what each of storage's answers means to each operation.
func TestAnswers(t *testing.T) {
	none := errors.New("an error without a word of the port")
	type means map[string]error // operation to error; nil: none at all. Not named: none
	for _, test := range []struct {
		status int
		code   string
		means  means
	}{
		{409, "ContainerAlreadyExists", means{"Open": nil}},
		{409, "ContainerBeingDeleted", means{"Open": airlock.ErrTransient, "List": airlock.ErrNotFound, "Copy": airlock.ErrNotFound,
			"Write": airlock.ErrNotFound, "Read": airlock.ErrChanged, "Remove": nil, "Erase": nil}},
		{404, "ContainerNotFound", means{"List": airlock.ErrNotFound, "Copy": airlock.ErrNotFound, "Read": airlock.ErrChanged,
			"Write": airlock.ErrNotFound, "Remove": nil, "Erase": nil, "Ping": nil}},
		{404, "BlobNotFound", means{"Copy": airlock.ErrChanged, "Read": airlock.ErrChanged, "Remove": nil}},
		{416, "InvalidRange", nil},
		{412, "ConditionNotMet", means{"Copy": airlock.ErrChanged, "Write": airlock.ErrExists, "Read": airlock.ErrChanged}},
		{412, "SourceConditionNotMet", means{"Copy": airlock.ErrChanged}},
		{412, "TargetConditionNotMet", means{"Copy": airlock.ErrExists}},
		{409, "BlobAlreadyExists", means{"Copy": airlock.ErrExists, "Write": airlock.ErrExists}},
		{409, "PendingCopyOperation", means{"Copy": airlock.ErrExists, "Remove": airlock.ErrTransient}},
		{404, "CannotVerifyCopySource", means{"Copy": airlock.ErrChanged}},
		{412, "CannotVerifyCopySource", means{"Copy": airlock.ErrChanged}},
		{403, "CannotVerifyCopySource", means{"Copy": airlock.ErrTransient}},
		{401, "CannotVerifyCopySource", means{"Copy": airlock.ErrTransient}},
		{409, "CannotVerifyCopySource", means{"Copy": airlock.ErrTransient}},
		{400, "CannotVerifyCopySource", nil},
		{403, "AuthorizationPermissionMismatch", nil},
		{403, "AuthorizationFailure", nil},
		{404, "ResourceNotFound", nil},
		{409, "BlobImmutableDueToPolicy", nil},
		{400, "InvalidHeaderValue", nil},
		{501, "NotImplemented", nil},
		{400, "", nil},
		{409, "AccountBeingCreated", everywhere(airlock.ErrTransient)},
		{429, "TooManyRequests", everywhere(airlock.ErrTransient)},
		{408, "", everywhere(airlock.ErrTransient)},
		{500, "InternalError", everywhere(airlock.ErrTransient)},
		{500, "OperationTimedOut", everywhere(airlock.ErrTransient)},
		{502, "", everywhere(airlock.ErrTransient)},
		{503, "ServerBusy", everywhere(airlock.ErrTransient)},
		{504, "", everywhere(airlock.ErrTransient)},
	} {
		for op, do := range operations {
			t.Run(fmt.Sprintf("%d %s/%s", test.status, test.code, op), func(t *testing.T) {
				t.Parallel()
				z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodHead {
						return reply(r, http.StatusOK, "", ""), nil // a blob whose copy has just ended
					}
					resp := reply(r, test.status, test.code, "")
					resp.Header.Set("Retry-After", "120") // longer than the SDK is allowed to wait
					return resp, nil
				}}, time.Now)
				err := do(t.Context(), z)
				want, named := test.means[op]
				if !named {
					want = none
				}
				wantError(t, err, want)
				noSecret(t, err)
			})
		}
	}
}

func everywhere(err error) map[string]error {
	m := map[string]error{}
	for op := range operations {
		m[op] = err
	}
	return m
}

// wantError checks that an error is exactly one of the port's words, or none of them, or none at all.
func wantError(t *testing.T, err, want error) {
	t.Helper()
	if (err == nil) != (want == nil) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, coded := range []error{airlock.ErrNotFound, airlock.ErrExists, airlock.ErrChanged, airlock.ErrTransient} {
		if is := errors.Is(err, coded); is != (coded == want) {
			t.Errorf("error %v; is %q: %v", err, coded, is)
		}
	}
}

// noSecret checks that an error holds no address, no signature, no token and no file's name, in no spelling.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{"sig=", "sig%3D", "skoid", "://", secret, url.PathEscape(secret), "Bearer", "eyJ", "core.windows.net"} {
		if text := fmt.Sprintf("%v %+v %#v", err, err, err.Error()); strings.Contains(text, secret) {
			t.Errorf("the error holds %q: %s", secret, text)
		}
	}
}

// TestSourceAnswers: newer service versions tell the status of a copy's source apart from their own.
func TestSourceAnswers(t *testing.T) {
	for status, want := range map[string]error{
		"404": airlock.ErrChanged, "412": airlock.ErrChanged, "403": airlock.ErrTransient, "503": airlock.ErrTransient,
	} {
		z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
			resp := reply(r, http.StatusConflict, "CannotVerifyCopySource", "")
			resp.Header.Set("x-ms-copy-source-status-code", status)
			resp.Header.Set("x-ms-copy-source-error-code", "SomeCode")
			return resp, nil
		}}, time.Now)
		err := operations["Copy"](t.Context(), z)
		wantError(t, err, want)
		if !strings.Contains(err.Error(), "source SomeCode") {
			t.Errorf("the error does not say what the source answered: %v", err)
		}
	}
}

// TestNoAnswer: a network that fails is worth another try, and is told of without addresses.
func TestNoAnswer(t *testing.T) {
	for name, cause := range map[string]func(*http.Request) error{
		"refused": func(r *http.Request) error {
			return &url.Error{Op: r.Method, URL: r.URL.String() + "?sig=abc", Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}
		},
		"an address in the text": func(r *http.Request) error {
			return errors.New("no route to " + r.URL.String() + " " + header(r, "x-ms-copy-source"))
		},
		"cut off": func(*http.Request) error { return io.ErrUnexpectedEOF },
	} {
		for op, do := range operations {
			t.Run(name+"/"+op, func(t *testing.T) {
				t.Parallel()
				c := &cloud{answer: func(r *http.Request) (*http.Response, error) { return nil, cause(r) }}
				err := do(t.Context(), onCloud(t, c, time.Now))
				wantError(t, err, airlock.ErrTransient)
				noSecret(t, err)
				if c.asks != 3 {
					t.Errorf("%d requests, want 3", c.asks)
				}
			})
		}
	}
}

// TestDeadline: a storage that does not answer costs no more than the caller's deadline.
func TestDeadline(t *testing.T) {
	for op, do := range operations {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}}, time.Now)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := do(ctx, z)
			wantError(t, err, airlock.ErrTransient)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the context's", err)
			}
		})
	}
}

// TestRemoveOfAPendingCopy: storage refuses to delete a blob while a copy to it is on its way.
func TestRemoveOfAPendingCopy(t *testing.T) {
	var seen []string
	aborted := false
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		seen = append(seen, strings.TrimSpace(r.Method+" "+q.Get("copyid")))
		switch {
		case r.Method == http.MethodHead:
			resp := reply(r, http.StatusOK, "", "")
			resp.Header.Set("x-ms-copy-id", "the-copy")
			return resp, nil
		case r.Method == http.MethodPut:
			aborted = q.Get("copyid") == "the-copy" && header(r, "x-ms-copy-action") == "abort"
			return reply(r, http.StatusNoContent, "", ""), nil
		case aborted:
			return reply(r, http.StatusAccepted, "", ""), nil
		default:
			return reply(r, http.StatusConflict, "PendingCopyOperation", ""), nil
		}
	}}, time.Now)
	if err := z.Remove(t.Context(), from, "a.txt"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, ", "); got != "DELETE, HEAD, PUT the-copy, DELETE" {
		t.Errorf("requests: %s", got)
	}
}

// tokenless is an identity that gets no token.
type tokenless struct{ err error }

func (c tokenless) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, c.err
}

func TestNoToken(t *testing.T) {
	z, err := blobzone.New(blobzone.Options{Credential: tokenless{errors.New("GET http://127.0.0.1:41000/msi/token?secret=x said no")},
		Transport: &cloud{answer: always(500, "InternalError")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Open(t.Context(), from)
	wantError(t, err, airlock.ErrTransient)
	noSecret(t, err)
}

func TestOptions(t *testing.T) {
	good := blobzone.Options{Credential: token{}}
	if _, err := blobzone.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*blobzone.Options){
		"no credential":             func(o *blobzone.Options) { o.Credential = nil },
		"a suffix with a path":      func(o *blobzone.Options) { o.Suffix = "example.com/x" },
		"links in the clear":        func(o *blobzone.Options) { o.LinkBase = "http://files.example.org/{account}" },
		"links without an account":  func(o *blobzone.Options) { o.LinkBase = "https://files.example.org" },
		"links with a query":        func(o *blobzone.Options) { o.LinkBase = "https://files.example.org/{account}?a=b" },
		"links with a password":     func(o *blobzone.Options) { o.LinkBase = "https://a:b@files.example.org/{account}" },
		"links without a host":      func(o *blobzone.Options) { o.LinkBase = "/{account}" },
		"pages that are too large":  func(o *blobzone.Options) { o.PageSize = 5_001 },
		"pages that are negative":   func(o *blobzone.Options) { o.PageSize = -1 },
		"an account that is a host": func(o *blobzone.Options) { o.Accounts = []string{"evil.example.org"} },
	} {
		o := good
		change(&o)
		if _, err := blobzone.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
