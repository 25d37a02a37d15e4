package funchost

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// route is an HTTP function's template, prefix included.
type route struct {
	segments []segment
	methods  []string // upper case; none means all
}

// segment is one part of a template between slashes.
type segment struct {
	kind    segmentKind
	literal string
}

// segmentKind is ordered by precedence: where several routes match, the earlier kind wins.
type segmentKind int

const (
	literalSegment segmentKind = iota
	parameterSegment
	catchAllSegment
)

// parseRoute reads a template such as items/{id} or {*path}. Optional parameters, defaults, constraints and
// mixed segments are refused.
func parseRoute(prefix, template string, methods []string) (route, error) {
	var r route
	for _, m := range methods {
		r.methods = append(r.methods, strings.ToUpper(m))
	}
	parts := strings.Split(strings.Trim(prefix+"/"+strings.Trim(template, "/"), "/"), "/")
	if len(parts) == 1 && parts[0] == "" {
		return r, fmt.Errorf("route %q is empty without a route prefix", template)
	}
	for i, part := range parts {
		inner, isParameter := strings.CutPrefix(part, "{")
		inner, closed := strings.CutSuffix(inner, "}")
		name := strings.TrimLeft(inner, "*")
		switch {
		case part == "":
			return r, fmt.Errorf("route %q has an empty segment", template)
		case !strings.ContainsAny(part, "{}"):
			r.segments = append(r.segments, segment{kind: literalSegment, literal: part})
		case !isParameter || !closed || name == "" || strings.ContainsAny(name, "{}*?:="):
			return r, fmt.Errorf("route %q: segment %q is not supported here, want text, {name} or {*name}", template, part)
		case name == inner:
			r.segments = append(r.segments, segment{kind: parameterSegment})
		case i != len(parts)-1:
			return r, fmt.Errorf("route %q: %q must come last", template, part)
		default:
			r.segments = append(r.segments, segment{kind: catchAllSegment})
		}
	}
	return r, nil
}

// matches tells whether the route takes a request. Literals are compared without case. A method that the
// route does not list is no match, so the caller answers 404, as the real host does.
func (r route) matches(method, path string) bool {
	if len(r.methods) > 0 && !slices.Contains(r.methods, strings.ToUpper(method)) {
		return false
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return false
	}
	parts := strings.Split(rest, "/")
	if parts[len(parts)-1] == "" { // one slash at the end means nothing
		parts = parts[:len(parts)-1]
	}
	for i, s := range r.segments {
		if s.kind == catchAllSegment {
			return true // also takes nothing at all
		}
		if i >= len(parts) || parts[i] == "" {
			return false
		}
		if s.kind == literalSegment && !strings.EqualFold(parts[i], s.literal) {
			return false
		}
	}
	return len(parts) == len(r.segments)
}

// compareRoutes orders routes by precedence, the more specific first.
func compareRoutes(a, b route) int {
	for i := range min(len(a.segments), len(b.segments)) {
		if c := cmp.Compare(a.segments[i].kind, b.segments[i].kind); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(b.segments), len(a.segments))
}

// decodePath turns a raw request path into the one that is routed, as Kestrel does: percent-encoding is undone
// once, except for an encoded slash and for bytes that are not UTF-8, and then dot segments are removed.
// Hence /api/%2e%2e/X is /X, while /api/%252e%252e/X stays below /api.
func decodePath(raw string) string {
	var out strings.Builder
	for i := 0; i < len(raw); {
		c, ok := unhex(raw[i:])
		switch {
		case !ok:
			out.WriteByte(raw[i])
			i++
		case c == '/':
			out.WriteString(raw[i : i+3])
			i += 3
		default:
			n := decodeRune(&out, raw[i:])
			i += n
		}
	}
	return removeDotSegments(out.String())
}

// decodeRune writes the character that starts with a percent sign at the beginning of raw, or the encoded
// byte as it stands if there is none, and returns how much of raw it used.
func decodeRune(out *strings.Builder, raw string) int {
	var buf [utf8.UTFMax]byte
	for n := range len(buf) {
		if len(raw) < 3*n {
			break
		}
		c, ok := unhex(raw[3*n:])
		if !ok {
			break
		}
		buf[n] = c
		if r, size := utf8.DecodeRune(buf[:n+1]); size == n+1 && (n > 0 || r != utf8.RuneError) {
			out.WriteRune(r)
			return 3 * size
		}
	}
	out.WriteString(raw[:3])
	return 3
}

// unhex reads %XX at the beginning of s.
func unhex(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	var c byte
	for _, h := range []byte(s[1:3]) {
		switch {
		case '0' <= h && h <= '9':
			c = c<<4 | (h - '0')
		case 'a' <= h && h <= 'f':
			c = c<<4 | (h - 'a' + 10)
		case 'A' <= h && h <= 'F':
			c = c<<4 | (h - 'A' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}

// removeDotSegments resolves . and .. in a path that starts with a slash (RFC 3986, 5.2.4). Empty segments stay.
func removeDotSegments(path string) string {
	parts := strings.Split(path, "/")
	out := parts[:1:1] // the empty text before the first slash
	for i, part := range parts[1:] {
		last := i == len(parts)-2
		switch {
		case part == ".." && len(out) > 1:
			out = out[:len(out)-1]
			fallthrough
		case part == "." || part == "..":
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, part)
		}
	}
	if len(out) == 1 {
		return "/"
	}
	return strings.Join(out, "/")
}

// encodePath writes a decoded path as the proxy (YARP) sends it: everything but RFC 3986's pchar and the slash
// is encoded, the percent sign too. What the client sent as %2F therefore arrives as %252F.
func encodePath(path string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0:
			out.WriteByte(c)
		default:
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out.String()
}
