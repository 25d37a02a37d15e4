package funchost

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecodePath(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"/", "/"},
		{"/api/x", "/api/x"},
		{"/api/x/", "/api/x/"},
		{"/api/../X", "/X"},
		{"/api/%2e%2e/X", "/X"},
		{"/api/.%2E/X", "/X"},
		{"/api/%252e%252e/X", "/api/%2e%2e/X"},
		{"/api/..%2fX", "/api/..%2fX"},
		{"/api/%2e%2e%2FX", "/api/..%2FX"},
		{"/api/..%5cX", `/api/..\X`},
		{"/api/./x/.", "/api/x/"},
		{"/api/x/..", "/api/"},
		{"/api/..", "/"},
		{"/..", "/"},
		{"/../../X", "/X"},
		{"//X", "//X"},
		{"//../X", "/X"},
		{"/api//x", "/api//x"},
		{"/a/b//../c", "/a/b/c"},
		{"/a/...", "/a/..."},
		{"/%E4%BD%A0", "/你"},
		{"/%F0%9F%98%80", "/😀"},
		{"/%EF%BF%BD", "/\uFFFD"},
		{"/%ff%41", "/%ffA"},
		{"/%c3%28", "/%c3("},
		{"/%E4%BD", "/%E4%BD"},
		{"/%", "/%"},
		{"/%4", "/%4"},
		{"/%zz", "/%zz"},
		{"/%00", "/\x00"},
		{"/a+b%20c", "/a+b c"},
	}
	for _, tt := range tests {
		if got := decodePath(tt.raw); got != tt.want {
			t.Errorf("decodePath(%q) = %q, want %q", tt.raw, got, tt.want)
		}
	}
}

// Whatever a client sends, the decoded path has no dot segment left that a later reader could resolve.
func TestDecodedPathHasNoDotSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{
			"/", ".", "..", "%2e", "%2E", "%2f", "%252e", "%5c", "api", "X", "%", "%ff", "%C3%A9", "\\",
		})).Draw(t, "parts")
		path := decodePath("/" + strings.Join(parts, ""))
		if !strings.HasPrefix(path, "/") {
			t.Fatalf("%q has no slash at the front", path)
		}
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "." || segment == ".." {
				t.Fatalf("%q has a dot segment", path)
			}
		}
		sent := encodePath(path)
		back, err := url.PathUnescape(sent)
		if err != nil || back != path {
			t.Fatalf("%q is sent as %q, which decodes to %q, %v", path, sent, back, err)
		}
	})
}

func TestEncodePath(t *testing.T) {
	// What RFC 3986 calls pchar passes; the rest is encoded, the percent sign too.
	if got := encodePath("/azAZ09-._~!$&'()*+,;=:@/"); got != "/azAZ09-._~!$&'()*+,;=:@/" {
		t.Errorf("pchar is sent as %q", got)
	}
	if got := encodePath("/%2F ?#[]\"é"); got != "/%252F%20%3F%23%5B%5D%22%C3%A9" {
		t.Errorf("the rest is sent as %q", got)
	}
}

func TestRouteMatches(t *testing.T) {
	tests := []struct {
		template string
		methods  []string
		method   string
		path     string
		want     bool
	}{
		{"{*path}", nil, "GET", "/api/x/y", true},
		{"{*path}", nil, "GET", "/api", true},
		{"{*path}", nil, "GET", "/api/", true},
		{"{*path}", nil, "GET", "/API/x", true},
		{"{*path}", nil, "GET", "/api//x", true},
		{"{*path}", nil, "GET", "//api/x", false},
		{"{*path}", nil, "GET", "/apix", false},
		{"{*path}", nil, "GET", "/", false},
		{"{*path}", nil, "GET", "*", false},
		{"{*path}", []string{"get"}, "GET", "/api/x", true},
		{"{*path}", []string{"get"}, "POST", "/api/x", false},
		{"items/{id}", nil, "GET", "/api/items/7", true},
		{"items/{id}", nil, "GET", "/api/items/7/", true},
		{"items/{id}", nil, "GET", "/api/items/", false},
		{"items/{id}", nil, "GET", "/api/items/7/8", false},
		{"items/{id}", nil, "GET", "/api/items//", false},
		{"/items/", nil, "GET", "/api/ITEMS", true},
	}
	for _, tt := range tests {
		r, err := parseRoute("api", tt.template, tt.methods)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.matches(tt.method, tt.path); got != tt.want {
			t.Errorf("%s %v: %s %s matches is %v, want %v", tt.template, tt.methods, tt.method, tt.path, got, tt.want)
		}
	}
}

func TestRouteRefused(t *testing.T) {
	for _, template := range []string{"{*path}/x", "{id?}", "{id:int}", "{id=7}", "a{id}", "{id}a", "{", "}", "{}", "{*}", "a//b", "{a}{b}"} {
		if r, err := parseRoute("api", template, nil); err == nil {
			t.Errorf("route %q was accepted as %+v", template, r)
		}
	}
	if _, err := parseRoute("", "", nil); err == nil {
		t.Error("an empty route without a prefix was accepted")
	}
}

func TestRoutePrecedence(t *testing.T) {
	want := []string{"items/all", "items/{id}", "items", "{*path}"}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		templates := []string{want[order[0]], want[order[1]], want[order[2]], want[order[3]]}
		slices.SortFunc(templates, func(a, b string) int {
			x, err := parseRoute("api", a, nil)
			if err != nil {
				t.Fatal(err)
			}
			y, err := parseRoute("api", b, nil)
			if err != nil {
				t.Fatal(err)
			}
			return compareRoutes(x, y)
		})
		if !slices.Equal(templates, want) {
			t.Errorf("order is %v, want %v", templates, want)
		}
	}
}
