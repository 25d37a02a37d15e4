package api

import (
	"net/http"
	"strings"
)

// routes is an http.ServeMux that never redirects. The mux itself answers paths with doubled slashes or dot segments
// with a redirect to the path they stand for; here they are paths that do not exist, and so is every path with an
// escaped character, because no operation has one.
type routes struct{ mux *http.ServeMux }

// anything is the pattern of all that is no operation.
const anything = "/"

func newRoutes(nowhere http.HandlerFunc) *routes {
	t := &routes{http.NewServeMux()}
	t.mux.HandleFunc(anything, nowhere)
	return t
}

// HandleFunc adds an operation. The pattern is that of http.ServeMux.
func (t *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	t.mux.HandleFunc(pattern, handler)
}

// ServeHTTP must only see requests with a plain path.
func (t *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

// plain reports whether an operation could have the path: words of letters, digits, - and _ with a slash before each, or a dot
// between two.
func plain(path string) bool {
	path, ok := strings.CutPrefix(path, "/")
	for word := range strings.SplitSeq(strings.ReplaceAll(path, ".", "/"), "/") {
		ok = ok && word != "" && !strings.ContainsFunc(word, strange)
	}
	return ok
}

func strange(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// methods returns the methods that the path takes; none where it does not exist.
func (t *routes) methods(r *http.Request) []string {
	var methods []string
	probe := *r
	for _, probe.Method = range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		if _, pattern := t.mux.Handler(&probe); pattern != anything {
			methods = append(methods, probe.Method)
		}
	}
	return methods
}
