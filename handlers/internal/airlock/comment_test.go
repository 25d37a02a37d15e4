package airlock_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	sm "airlock/statemachine"
)

// comment fails the test unless somebody can comment.
func (w *world) comment(who airlock.Identity, r airlock.Request, v sm.Visibility, text string) airlock.Comment {
	w.t.Helper()
	c, err := w.Comment(w.t.Context(), who, ws, r.ID, airlock.NewComment{Text: text, Visibility: v})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// reads is what somebody is shown, by its texts.
func (w *world) reads(who airlock.Identity, r airlock.Request) string {
	w.t.Helper()
	page, err := w.Comments(w.t.Context(), who, ws, r.ID, 0, "")
	if err != nil {
		w.t.Fatal(err)
	}
	texts := make([]string, len(page.Comments))
	for i, c := range page.Comments {
		texts[i] = c.Text
	}
	return strings.Join(texts, ",")
}

// TestTwoRoundsOfTalk follows what everybody says and is shown, from the first draft to the end.
func TestTwoRoundsOfTalk(t *testing.T) {
	w := newWorld(t)
	r := w.create(researcher, airlock.Export)
	w.settle()
	shown := func(requesters, reviewers, admins string) {
		t.Helper()
		for _, who := range []airlock.Identity{researcher, owner} {
			if got := w.reads(who, r); got != requesters {
				t.Errorf("%s reads %q, want %q", who.Name, got, requesters)
			}
		}
		for _, who := range []airlock.Identity{manager, second, both} {
			if got := w.reads(who, r); got != reviewers {
				t.Errorf("%s reads %q, want %q", who.Name, got, reviewers)
			}
		}
		if got := w.reads(admin, r); got != admins {
			t.Errorf("%s reads %q, want %q", admin.Name, got, admins)
		}
		if _, err := w.Comments(t.Context(), colleague, ws, r.ID, 0, ""); refusal(t, err).Kind != airlock.Forbidden {
			t.Errorf("a colleague reads them: %v", err)
		}
	}
	w.comment(researcher, r, sm.Shared, "a")
	shown("a", "a", "a")

	w.upload(r, "data.csv", "1")
	w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.comment(manager, r, sm.Private, "b")
	w.comment(second, r, sm.Shared, "c")
	w.comment(owner, r, sm.Shared, "d")
	shown("a,d", "a,b,c,d", "a,b,c,d")

	r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round"}))
	w.want(r, sm.Draft)
	shown("a,c,d", "a,b,c,d", "a,b,c,d")
	w.comment(researcher, r, sm.Shared, "e")
	w.comment(manager, r, sm.Shared, "f") // the answer to a question can be read at once
	shown("a,c,d,e,f", "a,b,c,d,e,f", "a,b,c,d,e,f")

	w.upload(r, "data.csv", "2")
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.comment(second, r, sm.Shared, "g")
	shown("a,c,d,e,f", "a,b,c,d,e,f,g", "a,b,c,d,e,f,g")
	if r = w.read(r.ID); r.Round != 2 || r.Comments != 3 {
		t.Errorf("%d comments in round %d, want 3 in round 2", r.Comments, r.Round)
	}
	r = w.do(w.Review(t.Context(), second, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	shown("a,c,d,e,f,g", "a,b,c,d,e,f,g", "a,b,c,d,e,f,g")
}

// TestReviewersWhoMadeTheRequest are shown what requesters are shown.
func TestReviewersWhoMadeTheRequest(t *testing.T) {
	for _, may := range []bool{false, true} {
		w := newWorld(t, func(s *airlock.Settings) { s.SelfReview = may })
		r := w.create(both, airlock.Import)
		w.settle()
		w.upload(r, "a", "x")
		r = w.do(w.Submit(t.Context(), both, ws, r.ID))
		w.comment(manager, r, sm.Private, "between us")
		w.comment(manager, r, sm.Shared, "for all")
		want := ""
		if may {
			want = "between us,for all"
		}
		if got := w.reads(both, r); got != want {
			t.Errorf("may review: %v; reads %q, want %q", may, got, want)
		}
		_, err := w.Comment(t.Context(), both, ws, r.ID, airlock.NewComment{Text: "x", Visibility: sm.Private})
		if may != (err == nil) {
			t.Errorf("may review: %v; says something private: %v", may, err)
		}
	}
}

// TestCommentsChangeNothingElse compares the request before and after, and everything that was told.
func TestCommentsChangeNothingElse(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	before, told, nudges := w.read(r.ID), len(w.told.last), len(w.queue.keys)
	w.now = w.now.Add(time.Minute)
	c := w.comment(manager, r, sm.Private, "between us")
	after := w.read(r.ID)
	if c.By.ID != manager.ID || c.As != sm.SideReviewer || c.Round != 1 || c.Status != sm.InReview || !c.When.Equal(w.now) || c.ID == "" || c.Seq != after.RecordSeq {
		t.Errorf("the comment is %+v", c)
	}
	if len(w.told.last) != told || len(w.queue.keys) != nudges {
		t.Errorf("%d notices and %d nudges", len(w.told.last)-told, len(w.queue.keys)-nudges)
	}
	if !after.UpdatedWhen.Equal(before.UpdatedWhen) || after.UpdatedBy.ID != before.UpdatedBy.ID || len(after.History) != len(before.History) || after.Status != before.Status {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	records, err := w.store.Records(t.Context(), ws, r.ID, before.RecordSeq, 10)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if rec := records[0]; rec.What != "comment" || rec.Who != manager.ID || rec.Text != "private" || rec.Digest != c.Digest() || rec.From != rec.To {
		t.Errorf("the record is %+v", rec)
	}
	w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	for _, n := range w.told.last {
		if text := fmt.Sprintf("%+v", n); strings.Contains(text, "between us") {
			t.Errorf("a notice to the %s tells it: %s", n.Audience, text)
		}
	}
	w.want(w.read(r.ID), sm.Approved)
}

func TestCommentRefusals(t *testing.T) {
	w := newWorld(t)
	inReview := w.submitted(airlock.Import, "x")
	draft := w.create(researcher, airlock.Import)
	w.settle()
	cancelled := w.create(researcher, airlock.Import)
	w.settle()
	w.do(w.Cancel(t.Context(), researcher, ws, cancelled.ID))
	for name, test := range map[string]struct {
		who  airlock.Identity
		r    airlock.Request
		in   airlock.NewComment
		kind airlock.Kind
		code string
	}{
		"empty":            {manager, inReview, airlock.NewComment{Visibility: sm.Private}, airlock.Invalid, "text"},
		"blank":            {manager, inReview, airlock.NewComment{Text: " \n\t ", Visibility: sm.Private}, airlock.Invalid, "text"},
		"too long":         {manager, inReview, airlock.NewComment{Text: strings.Repeat("é", airlock.MaxText+1), Visibility: sm.Private}, airlock.Invalid, "text"},
		"no visibility":    {manager, inReview, airlock.NewComment{Text: "x"}, airlock.Invalid, "visibility"},
		"what visibility":  {manager, inReview, airlock.NewComment{Text: "x", Visibility: "public"}, airlock.Invalid, "visibility"},
		"private requests": {researcher, inReview, airlock.NewComment{Text: "x", Visibility: sm.Private}, airlock.Forbidden, "forbidden"},
		"a colleague":      {colleague, inReview, airlock.NewComment{Text: "x", Visibility: sm.Shared}, airlock.Forbidden, "forbidden"},
		"an administrator": {admin, inReview, airlock.NewComment{Text: "x", Visibility: sm.Shared}, airlock.Forbidden, "forbidden"},
		"at the end":       {manager, cancelled, airlock.NewComment{Text: "x", Visibility: sm.Private}, airlock.Ruled, "comments_open"},
		"no such file":     {manager, inReview, airlock.NewComment{Text: "x", Visibility: sm.Private, File: "data/ä b.CSV"}, airlock.Invalid, "file"},
		"a draft's file":   {researcher, draft, airlock.NewComment{Text: "x", Visibility: sm.Shared, File: "a"}, airlock.Invalid, "file"},
		"no such request":  {manager, airlock.Request{ID: draft.ID[:35] + "z"}, airlock.NewComment{Text: "x", Visibility: sm.Shared}, airlock.Missing, "not_found"},
	} {
		_, err := w.Comment(t.Context(), test.who, ws, test.r.ID, test.in)
		if p := refusal(t, err); p.Kind != test.kind || p.Code != test.code || p.Detail == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, in := range []airlock.NewComment{
		{Text: strings.Repeat("é", airlock.MaxText), Visibility: sm.Private}, {Text: "x", Visibility: sm.Shared, File: "data/ä b.csv"},
	} {
		if _, err := w.Comment(t.Context(), manager, ws, inReview.ID, in); err != nil {
			t.Error(err)
		}
	}
}

// TestCommentsOfARoundAreLimited fills one, and pages through it.
func TestCommentsOfARoundAreLimited(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	for n := range airlock.MaxComments {
		v := sm.Shared
		if n%3 == 0 {
			v = sm.Private
		}
		w.comment(manager, r, v, fmt.Sprint(n))
	}
	_, err := w.Comment(t.Context(), researcher, ws, r.ID, airlock.NewComment{Text: "x", Visibility: sm.Shared})
	if p := refusal(t, err); p.Kind != airlock.Ruled || p.Code != "comments_limit" {
		t.Errorf("one too many: %v", p)
	}
	w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "why"}))
	w.comment(researcher, r, sm.Shared, "in the next round")
	for _, who := range []airlock.Identity{researcher, manager} {
		whole := w.reads(who, r)
		for _, limit := range []int{1, 7, 333, 334, 335, 500} {
			var texts []string
			for cursor, pages := "", 0; ; pages++ {
				page, err := w.Comments(t.Context(), who, ws, r.ID, limit, cursor)
				if err != nil || len(page.Comments) > limit || pages > airlock.MaxComments+1 {
					t.Fatalf("%d on page %d: %v", len(page.Comments), pages, err)
				}
				for _, c := range page.Comments {
					texts = append(texts, c.Text)
				}
				if cursor = page.Next; cursor == "" {
					break
				}
				if len(page.Comments) < limit {
					t.Fatalf("a page of %d before the last", len(page.Comments))
				}
			}
			if got := strings.Join(texts, ","); got != whole {
				t.Errorf("%s, pages of %d: %q\nwant %q", who.Name, limit, got, whole)
			}
		}
	}
	if n := strings.Count(w.reads(researcher, r), ",") + 1; n != 334 {
		t.Errorf("the requester is shown %d", n)
	}
	for _, cursor := range []string{"x", "0", "-1", "1.5", "99999999999999999999"} {
		if _, err := w.Comments(t.Context(), manager, ws, r.ID, 1, cursor); refusal(t, err).Code != "cursor" {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// TestCommentsRace lets another comment come in between: both are kept, once.
func TestCommentsRace(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	raced := false
	w.store.Fault = func(op memstore.Op, _ string) memstore.Outcome {
		if op == memstore.OpCommit && !raced {
			raced = true
			w.comment(second, r, sm.Private, "first")
		}
		return memstore.Pass
	}
	w.comment(manager, r, sm.Private, "second")
	if got := w.reads(manager, r); got != "first,second" {
		t.Errorf("there are %q", got)
	}
	w.want(w.read(r.ID), sm.InReview)
}

// TestOffersWhatCanBeSaid: what is offered is taken.
func TestOffersWhatCanBeSaid(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	for _, who := range []airlock.Identity{researcher, owner, manager, admin} {
		page, err := w.Comments(t.Context(), who, ws, r.ID, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []sm.Visibility{sm.Private, sm.Shared} {
			_, err := w.Comment(t.Context(), who, ws, r.ID, airlock.NewComment{Text: "x", Visibility: v})
			var p *airlock.Problem
			if err != nil && !errors.As(err, &p) || (err == nil) != slices.Contains(page.Sayable, v) {
				t.Errorf("%s is offered %v, and %s is answered %v", who.Name, page.Sayable, v, err)
			}
		}
	}
}

// TestBlindTalk: in a blind round reviewers are shown what others say when they have given their own review, and what the
// requester says at once; when the round is over it is blind no more.
func TestBlindTalk(t *testing.T) {
	policy := airlock.ManagerPolicy(3)
	policy.Blind, policy.OneRejectionEnds = true, false
	w := newWorld(t, under(policy))
	r := w.create(researcher, airlock.Import)
	w.settle()
	w.comment(manager, r, sm.Private, "a") // before the round
	w.upload(r, "a", "x")
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.comment(researcher, r, sm.Shared, "b")
	w.comment(manager, r, sm.Private, "c")
	w.comment(second, r, sm.Shared, "d")
	read := func(of airlock.Identity, want string) {
		t.Helper()
		if got := w.reads(of, r); got != want {
			t.Errorf("%s reads %q, want %q", of.Name, got, want)
		}
	}
	read(manager, "a,b,c")
	read(second, "a,b,d")
	read(both, "a,b")
	read(researcher, "b")
	read(admin, "a,b,c,d")
	w.want(w.do(w.Review(t.Context(), second, ws, r.ID, approve())), sm.InReview)
	read(second, "a,b,c,d")
	read(manager, "a,b,c")
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round"})), sm.Draft)
	read(both, "a,b,c,d")
	read(researcher, "b,d")
}
