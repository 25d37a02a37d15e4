package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
)

func TestCorrelation(t *testing.T) {
	const (
		traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		asUUID      = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
		own         = "99999999-8888-4777-8666-555555555555"
	)
	for _, test := range []struct{ request, trace, want string }{
		{"", "", traceID},
		{own, "", own},
		{strings.ToUpper("abcdef00-8888-4777-8666-555555555555"), "", "abcdef00-8888-4777-8666-555555555555"},
		{own, traceparent, own},
		{"not a UUID", traceparent, asUUID},
		{own + "\r\nX: y", "", traceID},
		{"", traceparent, asUUID},
		{"", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", asUUID},
		{"", traceparent + "-more", traceID},
		{"", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", traceID},
		{"", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", traceID},
		{"", strings.ToUpper(traceparent), traceID},
		{"", "00-4bf92f35-00f067aa0ba902b7-01", traceID},
	} {
		h := http.Header{"X-Ms-Client-Request-Id": {test.request}, "Traceparent": {test.trace}}
		if got := correlation(h, func() string { return traceID }); got != test.want {
			t.Errorf("%q %q: %s", test.request, test.trace, got)
		}
	}
	e := newEdge(t)
	w := e.do("GET", one, "", "x-ms-client-request-id: "+own)
	if w.Header().Get("x-ms-request-id") != own || e.problem(w).Instance != "urn:uuid:"+own || e.log[0].CorrelationID != own {
		t.Errorf("%v %+v", w.Header(), e.log)
	}
}

func TestSourceAddress(t *testing.T) {
	for _, test := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:4711", nil, "192.0.2.1"},
		{"[2001:db8::1]:4711", nil, "2001:db8::1"},
		{"[fe80::1%eth0]:4711", nil, "fe80::1"},
		{"127.0.0.1:1", []string{"203.0.113.9:55123"}, "203.0.113.9"},
		{"127.0.0.1:1", []string{"10.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:1", []string{"10.0.0.1", "10.0.0.2, 203.0.113.9:80"}, "203.0.113.9"},
		{"127.0.0.1:1", []string{"[2001:db8::2]:443"}, "2001:db8::2"},
		{"127.0.0.1:1", []string{"2001:db8::2"}, "2001:db8::2"},
		{"127.0.0.1:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:1", []string{"203.0.113.9, <script>"}, ""},
		{"127.0.0.1:1", []string{""}, ""},
		{"", nil, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.remote
		for _, f := range test.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := sourceAddress(r); got != test.want {
			t.Errorf("%q %q: %q", test.remote, test.forwarded, got)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	const page, other = "https://tre.example.org", "https://tre.example.org.evil.test"
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type,etag"}
	for _, test := range []struct {
		allowed []string
		origin  string
		want    string
	}{
		{nil, page, ""}, {[]string{page}, page, page}, {[]string{page}, other, ""}, {[]string{page}, "null", ""}, {[]string{page}, "", ""},
		{[]string{"*"}, other, other}, {[]string{"https://a.test", page}, page, page},
	} {
		e := newEdge(t, func(o *Options) { o.AllowedOrigins = test.allowed })
		headers := preflight
		if test.origin != "" {
			headers = append(headers, "Origin: "+test.origin)
		}
		w := e.do("OPTIONS", requests, "", headers...)
		wantStatus := 405
		if test.want != "" {
			wantStatus = 204
		}
		h := w.Header()
		if w.Code != wantStatus || h.Get("Access-Control-Allow-Origin") != test.want || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%v from %q: %d %v", test.allowed, test.origin, w.Code, h)
		}
		if test.want != "" {
			for _, name := range []string{"authorization", "content-type", "etag", "if-match"} {
				if !strings.Contains(h.Get("Access-Control-Allow-Headers"), name) {
					t.Errorf("header %s is not allowed", name)
				}
			}
		}
		e.expect("Request", aView(), nil)
		w = e.do("GET", one, "", append(headers, asResearcher)...)
		if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != test.want || (w.Header().Get("Vary") == "Origin") != (test.allowed != nil) {
			t.Errorf("%v from %q: %d %v", test.allowed, test.origin, w.Code, w.Header())
		}
		// A page must be able to read why it was refused.
		if w = e.do("GET", one, "", headers...); w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") != test.want {
			t.Errorf("%v from %q: %d %v", test.allowed, test.origin, w.Code, w.Header())
		}
	}
}

func TestParseAccept(t *testing.T) {
	for header, want := range map[string]string{
		"": "json", "*/*": "json", "text/csv": "csv", "application/x-ndjson": "jsonl", "application/json, text/csv;q=0.9": "json",
		"application/json;q=0.5, TEXT/CSV": "csv", "text/csv;q=0": "json", "text/csv;q=2, application/x-ndjson;q=0.1": "jsonl",
		"text/csv;q=x": "json", ";;,,=": "json", "text/html, application/jsonl": "jsonl", "text/csv;header=present;q=0.4": "csv",
	} {
		if got := auditFormat("", header); got != want {
			t.Errorf("%q: %s", header, got)
		}
		if got := auditFormat("jsonl", header); got != "jsonl" {
			t.Errorf("%q: the query does not win: %s", header, got)
		}
	}
}

// TestLimits sends just as much as is allowed, and one byte more.
func TestLimits(t *testing.T) {
	limits := DefaultLimits()
	for _, test := range []struct {
		method, target, token, use string
		limit                      int64
	}{
		{"POST", requests, "researcher", "Create", limits.MaxBody},
		{"POST", one + "/review", "manager", "Review", limits.MaxBody},
		{"POST", one + "/revoke", "manager", "Revoke", limits.MaxBody},
		{"PUT", settingsAt, "admin", "PutSettings", limits.MaxSettings},
	} {
		body := `{"type":"import","approval":true,"reason":"r","filler":"`
		body += strings.Repeat("x", int(test.limit)-len(body)-2) + `"}`
		e := newEdge(t).expect(test.use, nil, &airlock.Problem{Kind: airlock.Missing, Code: "reached"})
		for extra, want := range map[string]string{"": "reached", " ": "too_large"} {
			if p := e.problem(e.do(test.method, test.target, body+extra, "Authorization: Bearer "+test.token)); p.Code != want {
				t.Errorf("%s %s with %d bytes: %+v", test.method, test.target, len(body+extra), p)
			}
		}
	}
	e := newEdge(t).expect("Request", aView(), nil)
	for size, want := range map[int]int{limits.MaxHeader - 200: 200, limits.MaxHeader: 431} {
		if w := e.do("GET", one, "", asResearcher, "X-Filler: "+strings.Repeat("x", size)); w.Code != want {
			t.Errorf("%d bytes of header: %d", size, w.Code)
		}
		if w := e.do("GET", one+"?"+strings.Repeat("x", size), "", asResearcher); w.Code != want {
			t.Errorf("%d bytes of query: %d", size, w.Code)
		}
	}
}
