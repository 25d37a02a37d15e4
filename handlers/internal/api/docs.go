package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// addDocument adds the OpenAPI document and a page that shows it to people. Both are open: they hold no secret. The
// page is made here and not in the browser, because the places where it is read often have no internet.
func (s *server) addDocument() {
	document := s.api.OpenAPI()
	// Huma describes its own form of errors too, which never leaves here.
	delete(document.Components.Schemas.Map(), "ErrorModel")
	delete(document.Components.Schemas.Map(), "ErrorDetail")
	described := sync.OnceValue(func() []byte {
		encoded, err := json.Marshal(document)
		if err != nil {
			panic("api: the OpenAPI document cannot fail to encode: " + err.Error())
		}
		return encoded
	})
	page := sync.OnceValue(func() []byte { return docsPage(document) })
	sum := sha256.Sum256([]byte(docsStyle))
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
	s.routes.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).operation = "getDocument"
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(described()) // a client that has gone away needs no answer
	})
	s.routes.HandleFunc("GET /api/docs", func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).operation = "getDocs"
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.Write(page()) // as above
	})
}

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle string

// docsPage renders the document as one HTML page without scripts.
func docsPage(document *huma.OpenAPI) []byte {
	type described struct {
		Method, Path string
		*huma.Operation
	}
	type group struct {
		Name       string
		Operations []described
	}
	groups := []group{{Name: "Requests"}, {Name: "Actions"}, {Name: "Comments"}, {Name: "Evidence"}, {Name: "Workspaces"}, {Name: "Operation"}}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		item := document.Paths[path]
		for _, o := range []described{{"GET", path, item.Get}, {"POST", path, item.Post}, {"PUT", path, item.Put}} {
			for i := range groups {
				if o.Operation != nil && slices.Contains(o.Tags, groups[i].Name) {
					groups[i].Operations = append(groups[i].Operations, o)
				}
			}
		}
	}
	tmpl := template.Must(template.New("docs").Funcs(template.FuncMap{
		"kind": kind, "has": slices.Contains[[]string, string],
	}).Parse(docsTemplate))
	var b bytes.Buffer
	err := tmpl.Execute(&b, map[string]any{
		"Info": document.Info, "Groups": groups, "Schemas": document.Components.Schemas.Map(), "Style": template.CSS(docsStyle),
	})
	if err != nil {
		panic("api: the documentation page cannot fail to render: " + err.Error())
	}
	return b.Bytes()
}

const schemaPrefix = "#/components/schemas/"

// kind says in HTML what values a schema takes; schemas with a name become links to their description.
func kind(s *huma.Schema) template.HTML {
	escape := template.HTMLEscapeString
	var words string
	switch name, isRef := strings.CutPrefix(s.Ref, schemaPrefix); {
	case isRef:
		words = fmt.Sprintf(`<a href="#%s">%s</a>`, escape(name), escape(name))
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = "<code>" + escape(fmt.Sprint(v)) + "</code>"
		}
		words = strings.Join(values, ", ")
	case len(s.AnyOf) > 0:
		forms := make([]string, len(s.AnyOf))
		for i, form := range s.AnyOf {
			forms[i] = string(kind(form))
		}
		words = strings.Join(forms, " or ")
	case s.Type == huma.TypeArray:
		words = "list of " + string(kind(s.Items))
	case s.PatternDescription != "":
		words = escape(s.PatternDescription)
	case s.Format != "":
		words = escape(s.Type + " (" + s.Format + ")")
	default:
		words = escape(s.Type)
		if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
			words = "map to " + string(kind(values))
		}
	}
	if s.MaxLength != nil {
		words += fmt.Sprintf(", at most %d characters", *s.MaxLength)
	}
	if s.Minimum != nil && s.Maximum != nil {
		words += fmt.Sprintf(", %v to %v", *s.Minimum, *s.Maximum)
	}
	if s.Nullable {
		words += " or null"
	}
	return template.HTML(words)
}
