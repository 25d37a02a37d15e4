package expression

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds nested calls, to keep the parser's stack small on hostile input.
const maxDepth = 200

type parser struct {
	src   string
	pos   int
	depth int
	refs  []Reference
}

// template reads the whole source as a string of a workflow.
func (p *parser) template() (*Template, error) {
	if strings.HasPrefix(p.src, "@") && !strings.HasPrefix(p.src, "@@") && !strings.HasPrefix(p.src, "@{") {
		p.pos = 1
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.space(); p.pos < len(p.src) {
			return nil, p.unexpected("the end")
		}
		return &Template{parts: []node{n}, whole: true}, nil
	}
	t := &Template{}
	text := p.src
	if strings.HasPrefix(text, "@@") && !strings.HasPrefix(text, "@@{") {
		text = text[1:]
		p.src = text
		// The first "@" is escaped, so "@{" must not be sought in it.
		t.parts, p.pos = append(t.parts, literal{"@"}), 1
	}
	return t, p.interpolate(t)
}

// interpolate reads text with "@{expr}" in it, up to the end of the source.
func (p *parser) interpolate(t *Template) error {
	for p.pos < len(p.src) {
		at := strings.Index(p.src[p.pos:], "@{")
		if at < 0 {
			t.parts = append(t.parts, literal{p.src[p.pos:]})
			return nil
		}
		at += p.pos
		if at > p.pos && p.src[at-1] == '@' {
			t.parts = append(t.parts, literal{p.src[p.pos:at-1] + "@{"})
			p.pos = at + 2
			continue
		}
		t.parts = append(t.parts, literal{p.src[p.pos:at]})
		p.pos = at + 2
		n, err := p.expression()
		if err != nil {
			return err
		}
		if err := p.expect('}'); err != nil {
			return err
		}
		t.parts = append(t.parts, n)
	}
	return nil
}

// expression reads a literal or a call, and what is selected from it.
func (p *parser) expression() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("more than %d nested calls", maxDepth)
	}
	defer func() { p.depth-- }()
	p.space()
	n, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		p.space()
		safe := p.accept('?')
		switch {
		case p.accept('['):
			key, err := p.expression()
			if err != nil {
				return nil, err
			}
			if err := p.expect(']'); err != nil {
				return nil, err
			}
			n = access{of: n, key: key, safe: safe}
		case p.accept('.'):
			name := p.name()
			if name == "" {
				return nil, p.unexpected("a property's name")
			}
			n = access{of: n, key: literal{name}, safe: safe}
		case safe:
			return nil, p.unexpected("'[' or '.' after '?'")
		default:
			return n, nil
		}
	}
}

func (p *parser) operand() (node, error) {
	if p.pos >= len(p.src) {
		return nil, p.unexpected("an expression")
	}
	switch c := p.src[p.pos]; {
	case c == '\'':
		s, err := p.text()
		return literal{s}, err
	case c == '-' || c == '+' || isDigit(c):
		return p.number()
	}
	name := p.name()
	if name == "" {
		return nil, p.unexpected("an expression")
	}
	if p.space(); !p.accept('(') {
		switch strings.ToLower(name) {
		case "true":
			return literal{true}, nil
		case "false":
			return literal{false}, nil
		case "null":
			return literal{nil}, nil
		}
		return nil, fmt.Errorf("%q is neither a function with its arguments nor true, false or null", name)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	return p.function(name, args)
}

// function finds a function by its name, whose case does not matter, and checks the number of arguments.
func (p *parser) function(name string, args []node) (node, error) {
	key := strings.ToLower(name)
	if r, ok := references[key]; ok {
		if err := r.arity.check(name, len(args)); err != nil {
			return nil, err
		}
		ref := Reference{Function: r.name}
		if len(args) > 0 {
			if l, ok := args[0].(literal); ok {
				ref.Name, _ = l.value.(string)
			}
		}
		p.refs = append(p.refs, ref)
		return refer{name: r.name, args: args}, nil
	}
	f, ok := functions[key]
	if !ok {
		return nil, fmt.Errorf("unknown function %q", name)
	}
	if err := f.arity.check(name, len(args)); err != nil {
		return nil, err
	}
	return call{name: name, fn: f.fn, args: args}, nil
}

func (p *parser) arguments() ([]node, error) {
	var args []node
	if p.space(); p.accept(')') {
		return nil, nil
	}
	for {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, n)
		if p.space(); p.accept(',') {
			continue
		}
		return args, p.expect(')')
	}
}

// text reads a string in single quotes; two of them stand for one.
func (p *parser) text() (string, error) {
	var b strings.Builder
	for p.pos++; ; {
		end := strings.IndexByte(p.src[p.pos:], '\'')
		if end < 0 {
			return "", fmt.Errorf("a string that starts before %d has no end", p.pos)
		}
		b.WriteString(p.src[p.pos : p.pos+end])
		p.pos += end + 1
		if !p.accept('\'') {
			return b.String(), nil
		}
		b.WriteByte('\'')
	}
}

func (p *parser) number() (node, error) {
	start := p.pos
	for p.pos < len(p.src) && (isDigit(p.src[p.pos]) || strings.IndexByte("+-.eE", p.src[p.pos]) >= 0) {
		p.pos++
	}
	s := p.src[start:p.pos]
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return literal{i}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", s)
	}
	return literal{f}, nil
}

func (p *parser) name() string {
	start := p.pos
	for p.pos < len(p.src) && (isDigit(p.src[p.pos]) && p.pos > start || isLetter(p.src[p.pos])) {
		p.pos++
	}
	return p.src[start:p.pos]
}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) accept(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(c byte) error {
	if p.space(); !p.accept(c) {
		return p.unexpected(strconv.QuoteRune(rune(c)))
	}
	return nil
}

func (p *parser) unexpected(want string) error {
	if p.pos >= len(p.src) {
		return fmt.Errorf("it ends where %s was expected", want)
	}
	return fmt.Errorf("%q at %d where %s was expected", p.src[p.pos], p.pos, want)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
