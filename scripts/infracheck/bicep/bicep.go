// Package bicep reads the Bicep of a deployment without Azure: it parses every file with the real grammar, and works out
// which resources a template makes from given parameters, through modules, loops and conditions.
//
// It promises to refuse what Azure's compiler or Azure would refuse and this package understands: names that nobody
// declared, resources that the parameters leave out, modules called with other parameters than they have, values outside a
// parameter's decorators, a name or a condition that depends on what exists only after the deployment. What exists only
// then, such as the id of an identity, becomes an [Unknown].
//
// It never reaches Azure, and knows no resource type: whether a property exists in an API version is not checked. It
// takes the part of the language that the templates of this repository are written in, and says so when it meets
// another part.
package bicep

import (
	"fmt"
	"strings"
)

// Files are parsed files by name, relative to the folder of the templates.
type Files map[string]*File

// File is a parsed file.
type File struct {
	Name    string
	Params  map[string]*Param
	Outputs []Output

	root     *node
	vars     map[string]*node
	declared []*declaration // resources and modules, in their order
}

// Param is a parameter of a file.
type Param struct {
	Name, Type  string
	Line        int
	Description string
	Secure      bool
	Required    bool
	Allowed     []any
	Least, Most *int // of a number, of a text's length or of a list's

	fallback *node
}

// Output is what a file tells its caller.
type Output struct {
	Name string
	Line int

	value *node
}

// declaration is a resource or a module.
type declaration struct {
	symbol   string
	kind     string // resource type or file of the module
	version  string // of the API
	module   bool
	existing bool
	line     int
	body     *node
}

// Unknown stands for a value that exists only once something is deployed. Its text says which.
type Unknown string

// Calls returns the lines on which a file calls a function.
func (f *File) Calls(function string) []int {
	var lines []int
	f.root.each(func(n *node) {
		if n.kind != "call_expression" {
			return
		}
		callee := n.children[0]
		if callee.kind == "member_expression" {
			callee = callee.last()
		}
		if callee.text == function {
			lines = append(lines, n.line)
		}
	})
	return lines
}

// Modules returns the files that a file calls.
func (f *File) Modules() []string {
	var files []string
	for _, d := range f.declared {
		if d.module {
			files = append(files, relative(f.Name, d.kind))
		}
	}
	return files
}

// Unused returns the parameters and variables of a file that nothing in it uses.
func (f *File) Unused() []string {
	used := map[string]int{}
	f.root.each(func(n *node) {
		if n.kind == "identifier" {
			used[n.text]++
		}
	})
	var unused []string
	for name := range f.Params {
		if used[name] < 2 { // once where it is declared
			unused = append(unused, name)
		}
	}
	for name := range f.vars {
		if used[name] < 2 {
			unused = append(unused, name)
		}
	}
	return unused
}

// declare collects what a file declares.
func declare(name string, root *node) (*File, error) {
	f := &File{Name: name, root: root, Params: map[string]*Param{}, vars: map[string]*node{}}
	var decorators *node
	for _, n := range root.children {
		switch n.kind {
		case "decorators":
			decorators = n
			continue
		case "parameter_declaration":
			p, err := parameter(n, decorators)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n.line, err)
			}
			f.Params[p.Name] = p
		case "variable_declaration":
			f.vars[n.first("identifier").text] = n.last()
		case "output_declaration":
			f.Outputs = append(f.Outputs, Output{Name: n.first("identifier").text, Line: n.line, value: n.last()})
		case "resource_declaration", "module_declaration":
			d := &declaration{symbol: n.first("identifier").text, line: n.line, module: n.kind == "module_declaration",
				existing: n.has("existing"), body: n.last()}
			d.kind = plainText(n.first("string"))
			if !d.module {
				d.kind, d.version, _ = strings.Cut(d.kind, "@")
			}
			f.declared = append(f.declared, d)
		case "target_scope_assignment", "comment", "diagnostic_comment":
		default:
			return nil, fmt.Errorf("%s:%d: %s is not supported", name, n.line, n.kind)
		}
		if n.kind != "comment" {
			decorators = nil
		}
	}
	return f, nil
}

func parameter(n, decorators *node) (*Param, error) {
	p := &Param{Name: n.first("identifier").text, Line: n.line, Required: true}
	if t := n.first("type"); t != nil {
		leaf := t
		for len(leaf.children) > 0 {
			leaf = leaf.children[0]
		}
		p.Type = leaf.text
	}
	if n.has("=") {
		p.Required, p.fallback = false, n.last()
	}
	if decorators == nil {
		return p, nil
	}
	for _, d := range decorators.children {
		call := d.first("call_expression")
		args := arguments(call)
		switch decorator := call.children[0].text; decorator {
		case "description":
			p.Description = plainText(args[0])
		case "secure":
			p.Secure = true
		case "allowed":
			for _, item := range args[0].children {
				if item.kind == "string" {
					p.Allowed = append(p.Allowed, plainText(item))
				} else if item.kind == "number" {
					p.Allowed = append(p.Allowed, number(item))
				}
			}
		case "minLength", "minValue":
			least := number(args[0])
			p.Least = &least
		case "maxLength", "maxValue":
			most := number(args[0])
			p.Most = &most
		default:
			return nil, fmt.Errorf("the decorator %s is not supported", decorator)
		}
	}
	return p, nil
}

// arguments returns the arguments of a call.
func arguments(call *node) []*node {
	var args []*node
	for _, c := range call.first("arguments").children {
		if c.kind != "(" && c.kind != ")" && c.kind != "," && c.kind != "comment" {
			args = append(args, c)
		}
	}
	return args
}

// plainText is the text of a string without interpolation.
func plainText(n *node) string {
	var b strings.Builder
	for _, c := range n.children {
		switch c.kind {
		case "string_content":
			b.WriteString(c.text)
		case "escape_sequence":
			b.WriteString(unescape(c.text))
		}
	}
	return b.String()
}

func unescape(text string) string {
	switch text {
	case `\n`:
		return "\n"
	case `\t`:
		return "\t"
	case `\r`:
		return "\r"
	default:
		return text[1:]
	}
}

func number(n *node) int {
	var i int
	fmt.Sscan(n.text, &i)
	return i
}

// relative resolves the name of a file that another file names.
func relative(from, name string) string {
	folder := ""
	if i := strings.LastIndex(from, "/"); i >= 0 {
		folder = from[:i+1]
	}
	for strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		if strings.HasPrefix(name, "../") {
			folder = strings.TrimSuffix(folder, "/")
			folder = folder[:strings.LastIndex(folder, "/")+1]
		}
		_, name, _ = strings.Cut(name, "/")
	}
	return folder + name
}
