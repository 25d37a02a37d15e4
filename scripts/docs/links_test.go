package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// documents lists what people read, as git knows it.
func documents(t *testing.T) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	return strings.Fields(string(out))
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	script  = regexp.MustCompile(`(?m)(?:^|go run |\./|` + "`" + `)\.?/?(scripts/[a-z/.]+)`)
	noWord  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names that headings of a document have, as GitHub makes them.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names[strings.ReplaceAll(noWord.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return names
}

// TestLinksLeadSomewhere follows every link within the repository, and looks for every script that is named.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, document := range documents(t) {
		content, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			to, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", document, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			path, target := filepath.Join(root, filepath.Dir(document), to.Path), content
			if to.Path != "" {
				info, err := os.Stat(path)
				if err != nil {
					t.Errorf("%s links to %s, which is not there", document, m[1])
					continue
				}
				if info.IsDir() || to.Fragment == "" {
					continue
				}
				if target, err = os.ReadFile(path); err != nil {
					t.Fatal(err)
				}
			}
			if !anchors(string(target))[to.Fragment] {
				t.Errorf("%s links to %s, and there is no such heading", document, m[1])
			}
		}
		for _, m := range script.FindAllStringSubmatch(string(content), -1) {
			if _, err := os.Stat(filepath.Join(root, strings.TrimRight(m[1], "."))); err != nil {
				t.Errorf("%s names %s, which is not there", document, m[1])
			}
		}
	}
}

// TestTheHouseIsWhole: README says what each folder at the top and each script is for.
func TestTheHouseIsWhole(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, house, _ := strings.Cut(string(content), "\n## The house\n")
	house, _, _ = strings.Cut(house, "\n## ")
	for pattern, name := range map[string]func(string) string{
		"*":         func(path string) string { return "`" + filepath.Base(path) + "/`" },
		"scripts/*": func(path string) string { return "`" + filepath.Base(path) + "`" },
	} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range found {
			if info, err := os.Stat(path); err != nil || pattern == "*" && !info.IsDir() || filepath.Base(path) == "dist" || strings.HasPrefix(filepath.Base(path), ".") {
				continue
			}
			if !strings.Contains(house, name(path)) {
				t.Errorf("README's house does not say what %s is for", filepath.Base(path))
			}
		}
	}
}
