package apiclient_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/apiclient"
)

const secret = "sig=mayNotBeShown"

// behind opens a link to what handle serves, and tries everything once.
func behind(t *testing.T, handle http.HandlerFunc) *container.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return opened(t, server.URL)
}

func opened(t *testing.T, address string) *container.Client {
	t.Helper()
	folder, err := apiclient.Open(address+"/container?"+secret, &container.ClientOptions{
		ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// answers with an error as Azure does.
func answers(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
	}
}

// pages lists the files, one a page.
func pages(w http.ResponseWriter, r *http.Request, names ...string) {
	at := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("marker"), &at) // there is none on the first page
	next := ""
	if at+1 < len(names) {
		next = fmt.Sprint(at + 1)
	}
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, `<EnumerationResults><Blobs><Blob><Name>%s</Name></Blob></Blobs><NextMarker>%s</NextMarker></EnumerationResults>`, names[at], next)
}

func TestSums(t *testing.T) {
	files := map[string]string{"/container/a.txt": "a", "/container/sub/größe 1.txt": ""}
	folder := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("comp") == "list" {
			pages(w, r, "a.txt", "sub/größe 1.txt")
			return
		}
		content, found := files[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, content)
	})
	got, err := apiclient.Sums(t.Context(), folder)
	want := map[string]string{"a.txt": fmt.Sprintf("%x", sha256.Sum256([]byte("a"))), "sub/größe 1.txt": fmt.Sprintf("%x", sha256.Sum256(nil))}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestSumsFail: what cannot be read as a whole has no sum.
func TestSumsFail(t *testing.T) {
	listed := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("comp") == "list" {
				pages(w, r, "a.txt")
				return
			}
			then(w, r)
		}
	}
	for says, handle := range map[string]http.HandlerFunc{
		"list the files: storage answers 403 AuthorizationFailure": answers(http.StatusForbidden, "AuthorizationFailure"),
		`download "a.txt": storage answers 404 BlobNotFound`:       listed(answers(http.StatusNotFound, "BlobNotFound")),
		`download "a.txt": storage cannot be reached`: listed(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "a")
		}),
		`download "a.txt": storage cannot be reached: EOF`: listed(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	} {
		if sums, err := apiclient.Sums(t.Context(), behind(t, handle)); err == nil || err.Error() != says || sums != nil {
			t.Errorf("%v, %v", sums, err)
		}
	}
}

func TestAlive(t *testing.T) {
	alive, err := apiclient.Alive(t.Context(), behind(t, func(w http.ResponseWriter, r *http.Request) { pages(w, r, "a") }))
	if !alive || err != nil {
		t.Errorf("one that works: %v, %v", alive, err)
	}
	alive, err = apiclient.Alive(t.Context(), behind(t, answers(http.StatusNotFound, "ContainerNotFound")))
	if alive || err != nil {
		t.Errorf("one that is dead: %v, %v", alive, err)
	}
	var answer *apiclient.StorageError
	alive, err = apiclient.Alive(t.Context(), behind(t, answers(http.StatusServiceUnavailable, "ServerBusy")))
	if alive || !errors.As(err, &answer) || *answer != (apiclient.StorageError{Status: 503, Code: "ServerBusy"}) {
		t.Errorf("one of which nobody knows: %v, %v", alive, err)
	}
}

// TestNoErrorHoldsALink looks at every way in which storage can fail.
func TestNoErrorHoldsALink(t *testing.T) {
	_, refused := behind(t, answers(http.StatusConflict, "ContainerBeingDeleted")).Delete(t.Context(), nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, cancelled := behind(t, answers(http.StatusOK, "")).Delete(ended, nil)
	closed := httptest.NewServer(nil)
	closed.Close()
	_, unreachable := opened(t, closed.URL).Delete(t.Context(), nil)
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"nothing wrong": {nil, ""},
		"refused":       {fmt.Errorf("delete: %w", refused), "storage answers 409 ContainerBeingDeleted"},
		"cancelled":     {cancelled, "storage cannot be reached"},
		"unreachable":   {unreachable, "connection refused"},
		"no name":       {&url.Error{Op: "Put", URL: "https://x?" + secret, Err: errors.New("no such host")}, "storage cannot be reached: no such host"},
		"anything else": {errors.New("https://x?" + secret), "storage cannot be reached"},
		"of the SDK":    {&azcore.ResponseError{StatusCode: 404, ErrorCode: "BlobNotFound"}, "storage answers 404 BlobNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			if err := apiclient.WithoutLink(test.err); err != nil {
				said = err.Error()
			}
			if !strings.HasSuffix(said, test.want) || (said == "") != (test.err == nil) || strings.Contains(said, "sig=") {
				t.Errorf("it says %q", said)
			}
		})
	}
	if _, err := apiclient.Open("https://x\x00?"+secret, nil); err == nil || strings.Contains(err.Error(), "sig=") {
		t.Errorf("no address: %v", err)
	}
}
