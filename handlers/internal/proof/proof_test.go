package proof_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/proof"
)

// trail makes a trail of n records.
func trail(chain string, n int) []airlock.Record {
	records := make([]airlock.Record, n)
	seq, head := 0, ""
	for i := range records {
		records[i] = airlock.Record{
			Chain: chain, When: time.Date(2026, 3, 1, 9, i, 0, i, time.UTC), Who: "ada", Name: "Ada <&> Söhne", What: "link", From: "draft", To: "draft",
			Round: 1, Text: "for\nyou ", Source: "192.0.2.1", Trace: "t",
		}.Seal(seq, head)
		seq, head = records[i].Seq, records[i].Hash
	}
	return records
}

// lines writes records as they are exported.
func lines(t testing.TB, records []airlock.Record) []string {
	t.Helper()
	all := make([]string, len(records))
	for i, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = string(line)
	}
	return all
}

func read(t testing.TB, files ...[]string) []proof.Trail {
	t.Helper()
	p := &proof.Proof{}
	for i, f := range files {
		if err := p.Read(fmt.Sprint("file ", i), strings.NewReader(strings.Join(f, "\n")+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	return p.Trails()
}

func TestTrailsThatHold(t *testing.T) {
	one, two := trail("w/1", 3), trail("w", 2)
	for name, files := range map[string][][]string{
		"a file each":   {lines(t, one), lines(t, two)},
		"one file":      {append(lines(t, one), lines(t, two)...)},
		"an empty line": {append(append(lines(t, one), ""), lines(t, two)...)},
	} {
		got := read(t, files...)
		if len(got) != 2 || got[0].Name != "w" || got[1].Name != "w/1" {
			t.Fatalf("%s: %+v", name, got)
		}
		if g := got[1]; g.Broken != 0 || g.Records != 3 || g.Head != one[2].Hash || !g.Began.Equal(one[0].When) || !g.Ended.Equal(one[2].When) {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// TestAnOutsiderRecomputes does what the documentation says, with nothing of this module.
func TestAnOutsiderRecomputes(t *testing.T) {
	for _, line := range lines(t, trail("w/1", 3)) {
		at := strings.LastIndex(line, `"hash":"`) + len(`"hash":"`)
		stated, bare := line[at:at+64], line[:at]+line[at+64:]
		if sum := sha256.Sum256([]byte(bare)); hex.EncodeToString(sum[:]) != stated || !strings.HasSuffix(bare, `"hash":""}`) {
			t.Errorf("%s", line)
		}
	}
}

func TestTrailsThatDoNotHold(t *testing.T) {
	other := func(line string) string { return strings.Replace(line, `"who":"ada"`, `"who":"eve"`, 1) }
	for name, test := range map[string]struct {
		change func(l []string) []string
		broken int
		why    string
	}{
		"changed":     {func(l []string) []string { l[1] = other(l[1]); return l }, 2, "has been changed"},
		"removed":     {func(l []string) []string { return append(l[:1], l[2:]...) }, 2, "expected number 2"},
		"beheaded":    {func(l []string) []string { return l[1:] }, 1, "expected number 1"},
		"swapped":     {func(l []string) []string { l[0], l[1] = l[1], l[0]; return l }, 1, "expected number 1"},
		"twice":       {func(l []string) []string { return append(l, l[3]) }, 5, "expected number 5"},
		"white space": {func(l []string) []string { l[2] += " "; return l }, 3, "is not written as"},
		"another order": {func(l []string) []string {
			l[2] = `{"chain":"w/1","seq":3,` + strings.SplitN(l[2], ",", 3)[2]
			return l
		}, 3, "is not written as"},
		"a doubled member": {func(l []string) []string { l[2] = strings.Replace(l[2], `,"who"`, `,"who":"eve","who"`, 1); return l }, 3, "is not written as"},
		"a new member":     {func(l []string) []string { l[2] = strings.Replace(l[2], `,"who"`, `,"whom":"eve","who"`, 1); return l }, 3, "does not know"},
		"another case":     {func(l []string) []string { l[2] = strings.Replace(l[2], `,"who"`, `,"WHO"`, 1); return l }, 3, "is not written as"},
		"cut":              {func(l []string) []string { l[3] = l[3][:40]; return l }, 4, "is no audit record"},
		"nonsense":         {func(l []string) []string { l[3] = "nonsense"; return l }, 4, "is no audit record"},
		"no trail":         {func(l []string) []string { l[3] = strings.Replace(l[3], `"chain":"w/1",`, "", 1); return l }, 4, "does not say"},
	} {
		got := read(t, test.change(lines(t, trail("w/1", 4))))
		if len(got) != 1 || got[0].Broken != test.broken || !strings.Contains(got[0].Why, test.why) || got[0].Records != test.broken-1 || got[0].Line == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	t.Run("relinked without its predecessor", func(t *testing.T) {
		records := trail("w/1", 3)
		records[1].Who = "eve"
		records[1] = records[1].Seal(records[0].Seq, records[0].Hash)
		if got := read(t, lines(t, records)); got[0].Broken != 3 || got[0].Why != "does not follow the one before it" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("two files", func(t *testing.T) {
		l := lines(t, trail("w/1", 3))
		if got := read(t, l, l); got[0].Broken != 4 || !strings.Contains(got[0].Why, "another file") {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatIsNoExport(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "endless": strings.Repeat("x", 2<<20)} {
		if err := (&proof.Proof{}).Read("a file", strings.NewReader(content)); err == nil || !strings.Contains(err.Error(), "a file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, other := range []string{`{"records":[],"intact":true,"problem":null}`, "seq,chain,when,who"} {
		if got := read(t, []string{other}); len(got) != 1 || got[0].Broken != 1 || got[0].Name != "file 0" || !strings.Contains(got[0].Why, "format=jsonl") {
			t.Errorf("%+v", got)
		}
	}
}

// FuzzRead checks that whatever a file holds, only what the airlock wrote holds.
func FuzzRead(f *testing.F) {
	l := lines(f, trail("w/1", 2))
	f.Add(strings.Join(l, "\n"))
	f.Add(l[0] + "\n" + l[0])
	f.Add("{}\n[]\nnull")
	f.Fuzz(func(t *testing.T, content string) {
		p := &proof.Proof{}
		if err := p.Read("f", strings.NewReader(content)); err != nil {
			return
		}
		for _, trail := range p.Trails() {
			if (trail.Broken > 0) == (trail.Why == "") || trail.Broken == 0 && trail.Records == 0 && strings.TrimSpace(content) != "" {
				t.Errorf("%+v", trail)
			}
		}
	})
}

// BenchmarkRead proves a hundred thousand records.
func BenchmarkRead(b *testing.B) {
	content := strings.Join(lines(b, trail("w/1", 100_000)), "\n")
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		p := &proof.Proof{}
		if err := p.Read("f", strings.NewReader(content)); err != nil || p.Trails()[0].Records != 100_000 {
			b.Fatal(err, p.Trails())
		}
	}
}
