package bicep

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"airlock/scripts/localazure/nodejs"
)

//go:embed parse.mjs
var parser string

// node is a node of the grammar's tree. Tokens such as operators are nodes too.
type node struct {
	kind     string
	line     int
	text     string // of leaves
	children []*node
}

// UnmarshalJSON reads what parse.mjs writes.
func (n *node) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&n.kind, &n.line, &n.text, &n.children})
}

// Parse parses Bicep sources by file name. Each file that the grammar does not take is a part of the error, with its line.
func Parse(ctx context.Context, sources map[string]string) (Files, error) {
	dir, err := nodejs.Modules(ctx)
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(sources)
	if err != nil {
		return nil, fmt.Errorf("parse Bicep: %w", err)
	}
	var out, problems bytes.Buffer
	command := exec.CommandContext(ctx, "node", "--input-type=module", "--eval", parser, "--", dir)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &out, &problems
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("parse Bicep: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	var trees map[string]*node
	if err := json.Unmarshal(out.Bytes(), &trees); err != nil {
		return nil, fmt.Errorf("parse Bicep: %w", err)
	}
	files := Files{}
	var errs []error
	for name, root := range trees {
		if bad := root.broken(); bad != nil {
			errs = append(errs, fmt.Errorf("%s:%d: syntax error", name, bad.line))
			continue
		}
		file, err := declare(name, root)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files[name] = file
	}
	return files, errors.Join(errs...)
}

// broken returns the first node that the grammar could not make sense of.
func (n *node) broken() *node {
	if n.kind == "ERROR" || n.kind == "MISSING" {
		return n
	}
	for _, c := range n.children {
		if bad := c.broken(); bad != nil {
			return bad
		}
	}
	return nil
}

// first returns the first child of a kind, or nil.
func (n *node) first(kind string) *node {
	for _, c := range n.children {
		if c.kind == kind {
			return c
		}
	}
	return nil
}

// last returns the last child.
func (n *node) last() *node { return n.children[len(n.children)-1] }

// has reports whether there is a token among the children.
func (n *node) has(token string) bool { return n.first(token) != nil }

// each calls use for the node and everything below it.
func (n *node) each(use func(*node)) {
	use(n)
	for _, c := range n.children {
		c.each(use)
	}
}
