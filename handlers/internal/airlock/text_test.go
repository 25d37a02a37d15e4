package airlock

import (
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile are texts that some Markdown, or a page without any, would turn into something that runs, loads or misleads.
var hostile = []string{
	// HTML
	"<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js>", "a <b>c</b>", "</p>", "<!-- x -->", "<!DOCTYPE html>", "<?xml?>", "<![CDATA[x]]>",
	"<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<iframe srcdoc='x'>", "<a href=javascript:alert(1)>x</a>", "x\n<style>*{}</style>",
	"`<script>`", "```\n<script>\n```", "\\<script>", "<<script>", "<\u200bb <i", "<javascript:alert(1)>", "<x@y.example>", "<details open ontoggle=alert(1)>", "unclosed <img src=x", "[x](<https://a.example/>)",
	// images
	"![x](https://evil.example/pixel.png)", "![](x)", "![a][b]", "[![a](b)](c)", "Really![1](x)",
	// links in line
	"[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x]( javascript:alert(1))", "[x](\njavascript:alert(1))", "[x](< javascript:alert(1)>)", "[x](\tjavascript:x)",
	"[x](java\tscript:alert(1))", "[x](vbscript:msgbox(1))", "[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](data:,x)", "[x](file:///etc/passwd)", "[x](blob:x)",
	"[x](javascript&colon;alert(1))", "[x](javascript&#58;alert(1))", "[x](javascript&#x3a;alert(1))", "[x](&#106;avascript:alert(1))", "[x](&#0000106avascript:alert(1))",
	"[x](j&#x61;v&#97;script:alert(1))", "[x](java&Tab;script:alert(1))", "[x](java&NewLine;script:alert(1))", "[x](&#1;javascript:alert(1))", "[x](&amp;#106;avascript:alert(1))",
	"[x](javascript\\:alert(1))", "[x](java\\script:alert(1))", "[x](java\u00adscript:alert(1))", "[x](java\u200bscript:x)", "[x](javas\u212aript:x)", "[x](ms-word:ofe|u|x)",
	"[a](https://ok.example) [b](javascript:x)", "[x](ftp://a.example)", "[x][1](y)](javascript:x)", "[x\\](javascript:x)", "[x](1javascript:x)",
	// links by reference
	"[x]\n\n[x]: javascript:alert(1)", "[x]:javascript:alert(1)", "[x]:\n  javascript:alert(1)", "[x]: < data:text/html,x>", "[^1]: data:x",
	// what cannot be seen
	"a\x00b", "a\x1b[31mb", "a\x07", "\x7f", "a\u0085b", "a\u202eb", "a\u2066b\u2069", "\u202a", "a\vb", "a\fb", "\xff", "a\xc3",
}

// honest are texts as people write them.
var honest = []string{
	"", "Fine.", "Cells with n < 10 are shown in table 3.", "p<0.05, n <5, <3 of 7", "a <- b; x <= y; a << b", "10 > 5 => ok", "if a<\nb", "ends in <", "I <3 it", "2<=n",
	"See [the codebook](https://tre.example/codebook?x=1&y=2#z).", "[mail](mailto:a@b.example)", "[up](../x.md)", "[here](#part)", "[x](//tre.example)", "[x](HTTP://tre.example)",
	"[x]( https://tre.example )", "https://tre.example:8080/x", "data: see table 3", "javascript: no thanks",
	"# Title\n\n* one\n* two\n\n1. three\n\n> quote\n\n`x < y && y > z`\n\n```\nSELECT a, b\n```\n\n| a | b |\n|---|---|\n", "- [ ] to do\n- [x] done", "[1] and [2]: both", "a [b] (c: d)",
	"[1]: https://tre.example", "Line\r\nline\ttab", "wow! [see](x)", "&lt;script&gt;", "&amp;", "C:\\data\\x.csv", "a|b", "50 %", "\"quoted\" 'text'",
	"Größe, 请求文件, ملف\u200f, \u200eabc, 👩\u200d🔬🧬, می\u200cخواهم, \ufeffbom, e\u0301, \u2028", "${x} {{y}} %s %!d {request}", "=1+1", "a]b", "[]", "](", "]:", "]( :", "[Table 2]: column A: fine", "\n",
}

func TestHostileMarkdown(t *testing.T) {
	for _, text := range hostile {
		for _, in := range []string{text, "Before. " + text, text + " after", "* " + text + "\n* more"} {
			err := checkMarkdown("text", in)
			var p *Problem
			if !errors.As(err, &p) || p.Kind != Invalid || p.Code != "text" {
				t.Errorf("%q is taken: %v", in, err)
				continue
			}
			if strings.ContainsFunc(p.Detail, unicode.IsControl) || len(p.Detail) > 300 {
				t.Errorf("%q is answered %q", in, p.Detail)
			}
		}
	}
}

func TestHonestMarkdown(t *testing.T) {
	for _, text := range honest {
		for _, in := range []string{text, "Before. " + text, text + " after", text + "\n" + text} {
			if err := checkMarkdown("text", in); err != nil {
				t.Errorf("%q: %v", in, err)
			}
		}
	}
}

// TestPlainText: in a title nothing is markup, and what cannot be seen is refused all the same.
func TestPlainText(t *testing.T) {
	for _, text := range append(honest, "<script>alert(1)</script>", "Values <LLOQ, Ada <ada@b.example>", "[x](javascript:x)") {
		if err := checkText("title", text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"a\x00b", "a\u202eb", "\xff", strings.Repeat("é", MaxText+1)} {
		if err := checkText("title", text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, r := range []rune{0, 0x1b, 0x7f, 0x85, '\u202e', '\u2069'} {
		if err := checkText("title", string(r)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%U", r)) {
			t.Errorf("%U: %v", r, err)
		}
	}
}

// What the most careless page would make of a text: links wherever anything looks like one, and every way to write a
// character resolved.
var (
	carelessLink = regexp.MustCompile(`\](?:\(|:)[\s<]*([^)\]\n]*)`)
	dangerous    = regexp.MustCompile(`^(?:javascript|vbscript|data|file|blob|about|view-source):`)
	carelessTag  = regexp.MustCompile(`<[A-Za-z/!?]`)
)

// FuzzMarkdown holds what is taken against the most careless page.
func FuzzMarkdown(f *testing.F) {
	for _, text := range append(honest, hostile...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if checkMarkdown("text", text) != nil {
			return
		}
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) > MaxText || carelessTag.MatchString(text) || strings.Contains(text, "![") {
			t.Fatalf("%q is taken", text)
		}
		for _, link := range carelessLink.FindAllStringSubmatch(text, -1) {
			address := strings.Map(func(r rune) rune {
				if unicode.IsControl(r) || r == '\\' {
					return -1
				}
				return unicode.ToLower(r)
			}, html.UnescapeString(link[1]))
			if dangerous.MatchString(strings.TrimSpace(address)) {
				t.Fatalf("%q is taken, and leads to %q", text, address)
			}
		}
	})
}
