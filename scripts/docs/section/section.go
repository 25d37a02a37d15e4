// Package section replaces what programs write in a document that people write: a section stands between <!-- NAME --> and
// <!-- /NAME -->, each on a line of its own, and everything else is left as it is.
package section

import (
	"fmt"
	"strings"
)

// Replace puts the content, which ends with a line break, between the marks of the section. It fails where a mark is missing.
func Replace(text, name, content string) (string, error) {
	open, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(text, open)
	if !ok {
		return "", fmt.Errorf("there is no %s", strings.TrimSpace(open))
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("there is no %s", end)
	}
	return before + open + content + end + after, nil
}
