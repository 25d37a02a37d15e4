package airlock

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"airlock/statemachine"
)

// TestSinceNeverGuesses tries every way in which two files can be known.
func TestSinceNeverGuesses(t *testing.T) {
	for _, size := range []int64{1, 2} {
		for _, digest := range []string{"", "aa", "bb"} {
			for _, sum := range []string{"", "m", "n"} {
				now := File{Name: "x", Size: size, MD5: []byte(sum)}.withDigest(digest)
				for _, before := range []File{{Size: 1}, {Size: 1, MD5: []byte("m")}, File{Size: 1}.withDigest("aa"), File{Size: 1, MD5: []byte("m")}.withDigest("aa")} {
					got, strong := now.since(before), digest != "" && before.digest() != ""
					var want Altered
					switch {
					case strong:
						want = Altered{map[bool]FileChange{true: FileSame, false: FileChanged}[digest == before.digest()], BySHA256}
					case size != before.Size:
						want = Altered{FileChanged, BySize}
					case sum != "" && len(before.MD5) > 0:
						want = Altered{map[bool]FileChange{true: FileSame, false: FileChanged}[sum == string(before.MD5)], ByMD5}
					default:
						want = Altered{FileUnknown, ""}
					}
					if got != want {
						t.Errorf("%+v since %+v: %+v, want %+v", now, before, got, want)
					}
				}
			}
		}
	}
}

// TestCompareLosesNothing: every file of either round is told of exactly once, whatever they are.
func TestCompareLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (files []File) {
			names := rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 10, rapid.ID[int]).Draw(t, label)
			slices.Sort(names)
			for _, n := range names {
				files = append(files, File{Name: fmt.Sprint(n), Size: int64(rapid.IntRange(1, 2).Draw(t, "size")), MD5: []byte("m")})
			}
			return files
		}
		now, before := draw("now"), draw("before")
		in := func(files []File, name string) bool {
			return slices.ContainsFunc(files, func(f File) bool { return f.Name == name })
		}
		c := compare(now, Manifest{Round: 4, Files: before})
		if c.Round != 4 || len(c.Altered) != len(now) {
			t.Fatalf("%+v", c)
		}
		for i, f := range now {
			if (c.Altered[i].Change == FileNew) == in(before, f.Name) {
				t.Errorf("%s is %s", f.Name, c.Altered[i].Change)
			}
		}
		for _, f := range before {
			if in(c.Gone, f.Name) == in(now, f.Name) {
				t.Errorf("%s is gone: %v", f.Name, in(c.Gone, f.Name))
			}
		}
		if !slices.IsSortedFunc(c.Gone, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("gone in the order %v", c.Gone)
		}
	})
}

// withDigest is the file with the SHA-256 of its content.
func (f File) withDigest(digest string) File {
	f.SHA256 = digest
	return f
}

func (f File) digest() string { return f.SHA256 }

// TestReviewedBefore leaves out rounds that nobody saw, and what was said of an approval later.
func TestReviewedBefore(t *testing.T) {
	r := Request{Round: 5, Reviews: []Review{
		{Round: 1, Decision: statemachine.DecisionApproved}, {Round: 1, Decision: statemachine.DecisionChangesRequested},
		{Round: 3, Decision: statemachine.DecisionChangesRequested}, {Round: 4, Decision: statemachine.DecisionRevoked},
	}}
	for round, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 3, 5: 3} {
		if got := r.reviewedBefore(round); got != want {
			t.Errorf("before round %d: %d, want %d", round, got, want)
		}
	}
}
