package blobzone_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/blobzone"
	"airlock/statemachine"
)

// TestRequests counts what each operation costs: requests are what Azure throttles and what people wait for.
func TestRequests(t *testing.T) {
	c := &counter{next: azurite.Client()}
	z := connect(t, func(o *blobzone.Options) { o.Transport, o.PageSize, o.Accounts = c, 4, accounts[:1] })
	from := airlock.Place{Account: accounts[0], Container: uuid.NewString()}
	to := airlock.Place{Account: accounts[1], Container: uuid.NewString()}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	etags := map[string]string{}
	now := time.Now()
	terms := airlock.LinkTerms{Rights: statemachine.Read | statemachine.Write, From: now.Add(-time.Minute), Until: now.Add(time.Hour),
		CorrelationID: uuid.NewString()}
	list := func() error {
		for b, err := range z.List(t.Context(), from) {
			if err != nil {
				return err
			}
			etags[b.Name] = b.ETag
		}
		return nil
	}
	copyOf := func(name string) func() error {
		return func() error {
			return z.Copy(t.Context(), airlock.Copy{From: from, To: to, Name: name, IfMatch: etags[name], Metadata: map[string]string{"n": name}})
		}
	}
	var link string
	aLink := func() (err error) { link, err = z.Link(t.Context(), from, terms); return err }
	const key = "POST service userdelegationkey"
	for _, step := range []struct {
		what string
		do   func() error
		want []string
	}{
		{"open", func() error { _, err := z.Open(t.Context(), from); return err }, []string{"PUT container "}},
		{"open again", func() error { _, err := z.Open(t.Context(), from); return err }, []string{"PUT container "}},
		{"open the target", func() error { _, err := z.Open(t.Context(), to); return err }, []string{"PUT container "}},
		{"link", aLink, []string{key}},
		{"link again", aLink, nil},
		{"upload", func() error { return upload(http.DefaultClient, link, names) }, nil},
		{"list three pages", list, []string{"GET container list", "GET container list", "GET container list"}},
		{"read", func() error {
			return z.Read(t.Context(), airlock.Part{Place: from, Name: "a", ETag: etags["a"], Length: 1}, io.Discard)
		}, []string{"GET  "}},
		{"copy with the key of the links", copyOf("a"), []string{"PUT  "}},
		{"copy again", copyOf("b"), []string{"PUT  "}},
		{"link to the other account", func() error { _, err := z.Link(t.Context(), to, terms); return err }, []string{key}},
		{"write", func() error { return z.Write(t.Context(), airlock.Upload{Place: to, Name: "w", Content: []byte("x")}) }, []string{"PUT  "}},
		{"remove", func() error { return z.Remove(t.Context(), to, "a") }, []string{"DELETE  "}},
		{"ping", func() error { return z.Ping(t.Context()) }, []string{"GET container "}},
		{"erase", func() error { return z.Erase(t.Context(), from) }, []string{"DELETE container "}},
		{"erase the target", func() error { return z.Erase(t.Context(), to) }, []string{"DELETE container "}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if got := c.take(); !slices.Equal(got, step.want) {
			t.Errorf("%s: requests %q, want %q", step.what, got, step.want)
		}
	}
}

// upload puts a file of each name through a link.
func upload(client *http.Client, link string, names []string) error {
	base, query, _ := strings.Cut(link, "?")
	for _, name := range names {
		r, err := http.NewRequest(http.MethodPut, base+"/"+name+"?"+query, strings.NewReader(name))
		if err != nil {
			return err
		}
		r.Header.Set("x-ms-blob-type", "BlockBlob")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("upload: status %d: %s, %v", resp.StatusCode, body, err)
		}
	}
	return nil
}

// TestLink reads a link: which host, which protocol, and nothing in it that was not asked for.
func TestLink(t *testing.T) {
	place := airlock.Place{Account: accounts[0], Container: "0191c2a4-7b1e-7cc0-8000-000000000001-2"}
	from := time.Now().Add(-time.Minute).Truncate(time.Second)
	terms := airlock.LinkTerms{
		Rights: statemachine.Read | statemachine.Write | statemachine.List | statemachine.Delete,
		From:   from, Until: from.Add(time.Hour), CorrelationID: uuid.NewString(),
	}
	for _, test := range []struct{ base, want, protocol string }{
		{"", "https://stalimextre.blob." + azurite.Suffix(), "https"},
		{"https://files.example.org/{account}/", "https://files.example.org/stalimextre", "https"},
		{"http://127.0.0.1:10000/{account}", "http://127.0.0.1:10000/stalimextre", "https,http"},
	} {
		z := connect(t, func(o *blobzone.Options) { o.LinkBase = test.base })
		link, err := z.Link(t.Context(), place, terms)
		if err != nil {
			t.Fatal(err)
		}
		address, query, _ := strings.Cut(link, "?")
		if want := test.want + "/" + place.Container; address != want {
			t.Errorf("address %s, want %s", address, want)
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{
			"sp": "rcwdl", "sr": "c", "spr": test.protocol, "scid": terms.CorrelationID,
			"st": from.UTC().Format(time.RFC3339), "se": terms.Until.UTC().Format(time.RFC3339),
			"skoid": "22222222-2222-2222-2222-222222222222", "sks": "b",
		} {
			if got := q.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", test.base, key, got, want)
			}
		}
	}
}

// TestLinkOnTheAccountsOwnHost: without a base of its own a link goes to the account, over HTTPS.
func TestLinkOnTheAccountsOwnHost(t *testing.T) {
	z := connect(t, func(o *blobzone.Options) { o.LinkBase = "" })
	p := airlock.Place{Account: accounts[0], Container: uuid.NewString()}
	if _, err := z.Open(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	link, err := z.Link(t.Context(), p, airlock.LinkTerms{Rights: statemachine.Write, From: now.Add(-time.Minute), Until: now.Add(time.Hour),
		CorrelationID: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	if err := upload(azurite.Client(), link, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	for b, err := range z.List(t.Context(), p) {
		if err != nil || b.Name != "a" {
			t.Errorf("List: %v, %v", b, err)
		}
	}
}
