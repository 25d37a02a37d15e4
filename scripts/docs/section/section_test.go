package section_test

import (
	"testing"

	"airlock/scripts/docs/section"
)

func TestReplace(t *testing.T) {
	const text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
	got, err := section.Replace(text, "x", "new\n")
	if want := "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if again, err := section.Replace(got, "x", "new\n"); err != nil || again != got {
		t.Errorf("twice: %q, %v", again, err)
	}
	for _, broken := range []string{"", "<!-- x -->\n", "<!-- /x -->\n<!-- x -->\n"} {
		if got, err := section.Replace(broken, "x", "new\n"); err == nil {
			t.Errorf("%q became %q", broken, got)
		}
	}
}
