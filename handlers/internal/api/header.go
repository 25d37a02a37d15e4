package api

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var traceparentForm = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$`)

// correlation returns the id that ties this request's log, audit record and storage log together, always as a UUID:
// the client's own (x-ms-client-request-id), else the trace id of a W3C traceparent, else a new one. The client's
// comes first because the platform may add a traceparent of its own.
func correlation(h http.Header, create func() string) string {
	if id := idOrNone(h.Get("x-ms-client-request-id")); id != "" {
		return id
	}
	parts := traceparentForm.FindStringSubmatch(h.Get("traceparent"))
	if parts == nil || parts[1] == "ff" || parts[1] == "00" && parts[3] != "" || strings.Trim(parts[2], "0") == "" {
		return create()
	}
	id := parts[2]
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// sourceAddress returns where the request came from, for the audit record: the last hop of X-Forwarded-For, which the
// front end itself appends (Azure App Service: "address:port"), or the other end of the connection where there is no
// front end. Hops before the last are the client's own claim and are not used.
func sourceAddress(r *http.Request) string {
	remote := r.RemoteAddr
	if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 {
		hops := strings.Split(forwarded[len(forwarded)-1], ",")
		remote = strings.TrimSpace(hops[len(hops)-1])
	}
	if host, _, err := net.SplitHostPort(remote); err == nil {
		remote = host
	}
	addr, err := netip.ParseAddr(strings.Trim(remote, "[]"))
	if err != nil {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}

// crossOrigin sets what browsers need to let a page of another origin call, and reports whether the request is a
// preflight, which needs no more. Without an allowed origin nothing is set, and browsers refuse.
func (s *server) crossOrigin(h http.Header, r *http.Request) (preflight bool) {
	if len(s.AllowedOrigins) == 0 {
		return false
	}
	origin := r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	if origin == "" || !slices.Contains(s.AllowedOrigins, origin) && !slices.Contains(s.AllowedOrigins, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "etag, link, location, retry-after, x-airlock-audit-intact, x-ms-request-id")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, etag, if-match, traceparent, x-ms-client-request-id")
	h.Set("Access-Control-Max-Age", "600")
	return true
}

// prefersText reports whether a client wants problems as plain text: where it names plain text or JSON, the one with
// the higher weight; else what the deployment says.
func prefersText(accept []string, unnamed bool) bool {
	text, json := -1.0, -1.0
	for _, a := range parseAccept(accept) {
		switch a.name {
		case "text/plain":
			text = max(text, a.weight)
		case "application/json", problemType:
			json = max(json, a.weight)
		}
	}
	if text == json {
		return unnamed
	}
	return text > json
}

type accepted struct {
	name   string
	weight float64
}

// parseAccept reads Accept headers. What is malformed is left out.
func parseAccept(headers []string) []accepted {
	var list []accepted
	for _, item := range strings.Split(strings.Join(headers, ","), ",") {
		parts := strings.Split(item, ";")
		a := accepted{strings.ToLower(strings.TrimSpace(parts[0])), 1}
		for _, p := range parts[1:] {
			if q, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				weight, err := strconv.ParseFloat(q, 64)
				if err != nil || weight < 0 || weight > 1 {
					a.name = ""
				}
				a.weight = weight
			}
		}
		if a.name != "" {
			list = append(list, a)
		}
	}
	return list
}
