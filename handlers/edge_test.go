package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/entraid"
)

// serve starts the program with these settings over those that are enough, and returns its address.
func serve(t *testing.T, over map[string]string) string {
	t.Helper()
	values := settings(freePort(t))
	for name, value := range over {
		values[name] = value
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, lookup(values), io.Discard) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	base := "http://127.0.0.1:" + values["FUNCTIONS_CUSTOMHANDLER_PORT"]
	if got := get(t, base+"/api/openapi.json"); got != http.StatusOK {
		t.Fatalf("it is not up: %d", got)
	}
	return base
}

// ask sends a request with these headers, each "name: value".
func ask(t *testing.T, method, address string, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		if name, value, found := strings.Cut(header, ": "); found {
			r.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestErrorsAreOfTheKindThatIsSet: the setting decides where the client does not.
func TestErrorsAreOfTheKindThatIsSet(t *testing.T) {
	const text, document = "text/plain; charset=utf-8", "application/problem+json"
	for setting, kinds := range map[string]map[string]string{
		"":     {"": document, "Accept: */*": document, "Accept: text/plain": text, "Accept: application/json": document},
		"true": {"": text, "Accept: */*": text, "Accept: text/plain": text, "Accept: application/json": document},
	} {
		base := serve(t, map[string]string{"AIRLOCK_PLAIN_TEXT_ERRORS": setting})
		for accept, want := range kinds {
			response, body := ask(t, http.MethodGet, base+"/api/requests", accept)
			if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusUnauthorized || got != want {
				t.Errorf("setting %q, %q: %d %s, want %s", setting, accept, response.StatusCode, got, want)
			}
			if sentence := "Could not validate credentials"; !strings.Contains(body, sentence) || want == text && body != sentence {
				t.Errorf("setting %q, %q: %s", setting, accept, body)
			}
		}
	}
}

// TestPagesMayCallWhereTheSettingNamesThem also asks after an error, which a page must be able to read.
func TestPagesMayCallWhereTheSettingNamesThem(t *testing.T) {
	const page, other, all = "https://tre.example.org", "https://elsewhere.example.org", "*"
	for _, test := range []struct {
		setting, origin string
		allowed         bool
	}{
		{"", page, false}, {page, page, true}, {page, other, false}, {other + "," + page, page, true}, {page, page + ".evil.example", false},
		{page, "null", false}, {all, other, true},
	} {
		t.Run(test.setting+" and "+test.origin, func(t *testing.T) {
			base := serve(t, map[string]string{"AIRLOCK_ALLOWED_ORIGINS": test.setting})
			want := ""
			if test.allowed {
				want = test.origin
			}
			preflight, _ := ask(t, http.MethodOptions, base+"/api/requests", "Origin: "+test.origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,etag")
			if got := preflight.Header.Get("Access-Control-Allow-Origin"); got != want || (preflight.StatusCode == http.StatusNoContent) != test.allowed {
				t.Errorf("a preflight: %d, allowed %q, want %q", preflight.StatusCode, got, want)
			}
			call, _ := ask(t, http.MethodGet, base+"/api/requests", "Origin: "+test.origin)
			if got := call.Header.Get("Access-Control-Allow-Origin"); call.StatusCode != http.StatusUnauthorized || got != want {
				t.Errorf("a call: %d, allowed %q, want %q", call.StatusCode, got, want)
			}
			if call.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("a page may send cookies")
			}
			if test.setting != "" && call.Header.Get("Vary") != "Origin" {
				t.Error("a cache may give one page's answer to another")
			}
		})
	}
}

// TestUnavailableSaysWhenToComeBack runs the program without its storage, and then without the keys for tokens as well.
func TestUnavailableSaysWhenToComeBack(t *testing.T) {
	issuer, err := entraid.Start(t.Context(), entraid.Options{Audience: apiAudience, Users: []entraid.User{{Login: "ada"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Stop()
	token, err := issuer.Token("ada", entraid.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	over := map[string]string{"AIRLOCK_ISSUER": issuer.Issuer(), "AIRLOCK_TENANT_ID": issuer.TenantID()}
	check := func(code string) {
		t.Helper()
		response, body := ask(t, http.MethodGet, serve(t, over)+"/api/requests", "Authorization: Bearer "+token)
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if response.StatusCode != http.StatusServiceUnavailable || err != nil || seconds < 1 || !strings.Contains(body, code) {
			t.Errorf("%s: %d, Retry-After %q: %s", code, response.StatusCode, response.Header.Get("Retry-After"), body)
		}
	}
	check(`"unavailable"`) // there is no storage
	if err := issuer.Stop(); err != nil {
		t.Fatal(err)
	}
	check(`"issuer_unavailable"`)
}
