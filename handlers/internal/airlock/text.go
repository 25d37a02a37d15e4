package airlock

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts that people write are stored as they were written and never turned into HTML here. Titles and justifications are
// plain text: whoever shows them shows them as text. Explanations, reasons and comments are Markdown, which others turn
// into HTML; what could run or load something then is refused here, since not everybody's Markdown is a careful one.

// checkText refuses a plain text that is too long, or holds what nobody can see: control characters other than tabs and
// line ends, and those that turn the direction of the text around, so that it reads otherwise than it is.
func checkText(field, text string) error {
	switch {
	case utf8.RuneCountInString(text) > MaxText:
		return problem(Invalid, field, "The %s has more than %d characters.", field, MaxText)
	case !utf8.ValidString(text):
		return problem(Invalid, field, "The %s is not valid UTF-8.", field)
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' || overrides(r) {
			return problem(Invalid, field, "The %s holds a character that cannot be seen (%U). Remove it.", field, r)
		}
	}
	return nil
}

// overrides reports whether a character begins or ends a stretch of text of another direction. Marks, which Arabic and
// Hebrew need, do not.
func overrides(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// checkMarkdown refuses a Markdown text that checkText refuses, and one with HTML, an image, or a link that leads
// elsewhere than to a web page or a mailbox. It looks at the characters and not at what Markdown makes of them, so that
// it refuses more than it has to and does not depend on anybody's Markdown: also inside of code, and what is escaped.
func checkMarkdown(field, text string) error {
	if err := checkText(field, text); err != nil {
		return err
	}
	if i := tagIn(text); i >= 0 {
		return problem(Invalid, field, "The %s holds HTML at %q, which is not taken. Put a space after the <.", field, excerpt(text[i:]))
	}
	if i := strings.Index(text, "!["); i >= 0 {
		return problem(Invalid, field, "The %s holds an image at %q, which is not taken: to show it would call its address. Use a link.", field, excerpt(text[i:]))
	}
	if s := foreignScheme(text); s != "" {
		return problem(Invalid, field, "The %s holds a link with %q. Links may be http, https or mailto.", field, excerpt(s+":"))
	}
	return nil
}

// tagIn finds what HTML takes for the beginning of a tag, a comment or the like; -1 where there is none.
// Source: WHATWG, "HTML", tag open state.
func tagIn(text string) int {
	for i := range len(text) - 1 {
		if c := text[i+1]; text[i] == '<' && (c == '/' || c == '!' || c == '?' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return i
		}
	}
	return -1
}

// foreignScheme finds the scheme of a link, written in line or as a reference, that is neither of a web page nor of a
// mailbox; empty where there is none. Source: CommonMark, "Links" and "Link reference definitions".
func foreignScheme(text string) string {
	for {
		_, rest, ok := strings.Cut(text, "]")
		if !ok {
			return ""
		}
		text = rest
		if rest == "" || rest[0] != '(' && rest[0] != ':' {
			continue
		}
		target := strings.TrimLeft(rest[1:], " \t\r\n<")
		if end := strings.IndexAny(target, "])(\r\n"); end >= 0 {
			target = target[:end]
		}
		switch s := scheme(target); s {
		case "", "http", "https", "mailto":
		default:
			return s
		}
	}
}

// scheme is that of an address as a browser would read it after any Markdown: references to characters and escapes
// resolved, and without what browsers leave out. Empty: it has none. Source: WHATWG, "URL", scheme start state.
func scheme(address string) string {
	for range 3 {
		address = html.UnescapeString(address)
	}
	var b strings.Builder
	for _, r := range strings.ToLower(address) {
		switch {
		case r == ':':
			return b.String()
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("+-.", r):
			b.WriteRune(r)
		case r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == ' ' && b.Len() == 0:
		default:
			return ""
		}
	}
	return ""
}

// excerpt is the beginning of a text, for a sentence about it.
func excerpt(text string) string {
	const longest = 20
	if utf8.RuneCountInString(text) > longest {
		return string([]rune(text)[:longest]) + "…"
	}
	return text
}
