package api

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"airlock/handlers/internal/airlock"
)

// FuzzBodies sends any body to every operation that reads one. It is taken, or refused with a reason; never a fault.
func FuzzBodies(f *testing.F) {
	targets := []struct{ method, path, use string }{
		{"POST", requests, "Create"}, {"POST", one + "/review", "Review"}, {"POST", one + "/revoke", "Revoke"}, {"POST", one + "/comments", "Comment"}, {"PUT", settingsAt, "PutSettings"},
	}
	for i := range targets {
		for _, body := range []string{
			"", "null", "{}", "[]", "{", `"`, "\xff", `{"type":"import"}`, `{"type":"import","title":null}`, `{"approval":"True"}`, `{"approval":1e0}`,
			`{"approval":1e999}`, `{"decision":"rejected","decisionExplanation":"x"}`, `{"reason":""}`, `{"Reason":"a","reaſon":"b"}`,
			`{"draftLifetime":"P30D","members":[{"id":"x","roles":["WorkspaceOwner"]}],"layout":{"a":{"account":"b","container":"c"}}}`,
			`{"maxBytes":9223372036854775808}`, `{"maxFiles":1.5}`, `{"maxFiles":1e2}`, `{"layout":null,"members":null}`, `{"text":"x","visibility":"private","file":"a"}`, `{"text":"","visibility":"shared"}`, `{"text":"x","visibility":"public"}`, strings.Repeat("[", 40),
		} {
			f.Add(i, []byte(body))
		}
	}
	e := newEdge(f).expect("Create", aNewRequest(), nil).expect("Review", aView(), nil).expect("Revoke", aView(), nil).
		expect("Comment", aComment(), nil).
		expect("PutSettings", someSettings(), nil)
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		target := targets[uint(which)%uint(len(targets))]
		w := e.on(t).do(target.method, target.path, string(body), asAdmin)
		if !slices.Contains([]int{200, 201, 413, 422}, w.Code) || !utf8.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s %q: %d %s", target.method, target.path, body, w.Code, w.Body)
		}
		if taken := w.Code < 300; taken != (e.calls() != "") {
			t.Errorf("%s %s %q: %d, and the use case was called or not", target.method, target.path, body, w.Code)
		}
	})
}

// FuzzQueries lists with any query. It is taken or refused; and a page that is taken leads to a next page that is taken too.
func FuzzQueries(f *testing.F) {
	for _, query := range []string{
		"", "limit=1&cursor=a", "cursor=%zz", "cursor=%00%ff", "status=blocked&status=draft", "limit=-1", "limit=1e3", "a;b", "&&&==", "order_by=\x00",
		"order_by=createdTime&order_ascending", "creator_user_id=%C3%A9%22%3E", "type=import&type", "limit=00005", "cursor=a>;rel=x,<b",
	} {
		f.Add(query, "next>\r\n\"é")
	}
	e := newEdge(f)
	f.Fuzz(func(t *testing.T, query, cursor string) {
		e.on(t).expect("Requests", airlock.Views{Next: cursor}, nil).expect("Mine", airlock.Views{Next: cursor}, nil)
		for _, path := range []string{requests, "/api/requests"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", "Bearer researcher")
			r.URL.RawQuery = query
			w := e.send(r)
			link := w.Header().Get("Link")
			switch {
			case w.Code == 422, w.Code == 431:
				continue
			case w.Code != 200:
				t.Fatalf("%s?%q: %d %s", path, query, w.Code, w.Body)
			case (link != "") != (cursor != ""):
				t.Fatalf("%s?%q: Link %q", path, query, link)
			case cursor == "" || utf8.RuneCountInString(cursor) > 2000:
				continue
			}
			link = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			next, err := url.Parse(link)
			if err != nil || next.Path != path || next.Query().Get("cursor") != cursor || strings.ContainsAny(link, "<> \r\n\"") {
				t.Fatalf("%s?%q: Link %q: %v", path, query, link, err)
			}
			if w := e.do("GET", link, "", asResearcher); w.Code != 200 {
				t.Fatalf("%s: %d %s", link, w.Code, w.Body)
			}
		}
	})
}

// FuzzPaths asks for any path. What is no operation's is 404 or 405, and nothing is ever redirected.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/api/health", "/api/../api/health", "/api/%2e%2e/x", "//", "/api//health", one, one + "/", one + "/../airlock", "/api/workspaces/{workspace_id}/requests",
		"/api/%zz", "/api/health?x#y", "*", "http://x/api/health",
	} {
		f.Add("GET", path)
	}
	e := newEdge(f).expect("Health", wellChecks(), nil)
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return // the server itself refuses it
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.RequestURI, r.URL = method, path, u
		w := e.on(t).send(r)
		if !slices.Contains([]int{200, 401, 404, 405, 431}, w.Code) || w.Header().Get("Location") != "" {
			t.Errorf("%q %q: %d %v", method, path, w.Code, w.Header())
		}
		if w.Code == 200 && !slices.Contains([]string{"/api/health", "/api/docs", "/api/openapi.json"}, u.EscapedPath()) {
			t.Errorf("%q %q is open", method, path)
		}
	})
}

// FuzzHeaders sends any value in the headers that are read before anybody is identified.
func FuzzHeaders(f *testing.F) {
	f.Add("text/plain;q=0.5, */*", "10.0.0.1, [::1]:80", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", traceID, "https://a.test")
	f.Add(";q=,=;", ",", "ff--", "{}", "null")
	f.Add("text/plain;q=NaN", "%", "\x00", strings.ToUpper(traceID), "*")
	e := newEdge(f, func(o *Options) { o.AllowedOrigins = []string{"https://a.test"} })
	f.Fuzz(func(t *testing.T, accept, forwarded, traceparent, id, origin string) {
		r := httptest.NewRequest("GET", one, nil)
		for name, value := range map[string]string{"Accept": accept, "X-Forwarded-For": forwarded, "Traceparent": traceparent, "X-Ms-Client-Request-Id": id, "Origin": origin} {
			r.Header.Set(name, value)
		}
		w := e.on(t).send(r)
		if w.Code != 401 && w.Code != 431 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if allowed := w.Header().Get("Access-Control-Allow-Origin"); allowed != "" && origin != "https://a.test" {
			t.Errorf("origin %q is allowed: %q", origin, allowed)
		}
		if source := sourceAddress(r); strings.ContainsAny(source, " ,<>\r\n%") {
			t.Errorf("source %q of %q", source, forwarded)
		}
	})
}

// FuzzJSON compares the check of bodies with encoding/json: what passes the check means one thing only, so encoding
// it again and reading that changes nothing.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a":1,"A":2}`, `{"a":1}{"a":1}`, `[1,"x",null,true,{"k":"v"}]`, `{"K":1,"K":2}`, `"\ud800"`, `{"":1,"":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkJSON(data, 16) != nil {
			return
		}
		var first struct {
			A any `json:"a"`
			K any `json:"k"`
			S any `json:"s"`
		}
		if json.Unmarshal(data, &first) != nil {
			return
		}
		var loose map[string]any
		if json.Unmarshal(data, &loose) != nil {
			return
		}
		for field, value := range map[string]any{"a": first.A, "k": first.K, "s": first.S} {
			names := 0
			for name := range loose {
				if strings.EqualFold(name, field) {
					names++
				}
			}
			if names > 1 || names == 0 && value != nil {
				t.Errorf("%q: %d names for %s", data, names, field)
			}
		}
	})
}
