package api

import (
	"net/http"
	"regexp"
)

// routes is an http.ServeMux that never redirects. The mux itself answers paths with doubled slashes or dot segments
// with a redirect to the path they stand for; here they are paths that do not exist, and so is every path with an
// escaped character, because no operation has one.
type routes struct{ mux *http.ServeMux }

func newRoutes() *routes { return &routes{http.NewServeMux()} }

// plainPath is what paths of operations look like.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+$`)

// HandleFunc adds an operation. The pattern is that of http.ServeMux.
func (t *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	t.mux.HandleFunc(pattern, handler)
}

// ServeHTTP must only see requests for which has is true.
func (t *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

// has reports whether an operation takes the request.
func (t *routes) has(r *http.Request) bool {
	if !plainPath.MatchString(r.URL.EscapedPath()) {
		return false
	}
	_, pattern := t.mux.Handler(r)
	return pattern != ""
}

// methods returns the methods that the path takes; none where it does not exist.
func (t *routes) methods(r *http.Request) []string {
	var methods []string
	probe := *r
	for _, probe.Method = range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		if t.has(&probe) {
			methods = append(methods, probe.Method)
		}
	}
	return methods
}
