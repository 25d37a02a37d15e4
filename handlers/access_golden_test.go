package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// question is one case: who asks for what, under which circumstances. The values are those of the golden file.
type question struct {
	operation, status, roles, who, where, token string
}

// columns is how many there are in the golden file before the answer.
const columns = 6

// golden is the file, read.
type golden struct {
	values [columns]map[string]uint64 // every value that a column can have, as a bit
	rules  []rule
}

// rule is one line. A bit of a column says that the value fits.
type rule struct {
	line    int
	columns [columns]uint64
	answer  string
}

// readGolden reads the golden file. Every value in it must be one that there is, so that a slip of the pen is no rule.
func readGolden(t *testing.T, file string, vocabulary [columns][]string) *golden {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	for c, values := range vocabulary {
		g.values[c] = map[string]uint64{"*": 1<<len(values) - 1}
		for i, value := range values {
			g.values[c][value] = 1 << i
		}
	}
	for i, line := range strings.Split(string(content), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) <= columns {
			t.Fatalf("%s:%d: %d columns and an answer are needed", file, i+1, columns)
		}
		r := rule{line: i + 1, answer: strings.Join(words[columns:], " ")}
		for c := range columns {
			for value := range strings.SplitSeq(words[c], ",") {
				bit, ok := g.values[c][value]
				if !ok {
					t.Fatalf("%s:%d: there is no %q", file, i+1, value)
				}
				r.columns[c] |= bit
			}
		}
		g.rules = append(g.rules, r)
	}
	return g
}

// answer is the index of the first rule that fits; -1 when none does.
func (g *golden) answer(q question) int {
	var bits [columns]uint64
	for c, value := range [columns]string{q.operation, q.status, q.roles, q.who, q.where, q.token} {
		bits[c] = g.values[c][value]
	}
	return slices.IndexFunc(g.rules, func(r rule) bool {
		for c, bit := range bits {
			if r.columns[c]&bit == 0 {
				return false
			}
		}
		return true
	})
}
