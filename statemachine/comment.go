package statemachine

import "slices"

// Visibility says for whom a comment is meant. The values are the wire's.
type Visibility string

// The visibilities.
const (
	Private Visibility = "private" // for reviewers
	Shared  Visibility = "shared"  // for the requester as well
)

// Side is the part that somebody takes when a request is talked about. The values are stored and are the wire's.
type Side string

// The sides. An onlooker reads and says nothing.
const (
	SideRequester Side = "requester" // whoever made the request, and the owners, who can act for them
	SideReviewer  Side = "reviewer"
	SideOnlooker  Side = "onlooker"
)

// Showing says from when on somebody is shown a sort of comments.
type Showing string

// The showings.
const (
	Never            Showing = "never"
	AtOnce           Showing = "at once"
	AfterTheRound    Showing = "when the round is over"
	AfterTheirReview Showing = "at once; where reviews are blind, after their own review or when the round is over"
)

// CommentsOpen is the rule that refuses a comment in a status that takes none.
const CommentsOpen Guard = "comments_open"

// Talk is one row of who says what about a request, and who is shown it. The first row that fits somebody is theirs.
type Talk struct {
	Who       Party
	As        Side
	NotOwn    bool         // not for whoever made the request, unless they may review it themselves
	Says      []Visibility // nothing: they only read
	On        []Status     // in which they say it
	Requester Showing      // of what the requester's side says
	Shared    Showing      // of what reviewers share
	Private   Showing      // of what reviewers keep among themselves
}

// Said is what matters of a comment when somebody wants to read it.
type Said struct {
	By         Side
	Visibility Visibility
	Own        bool // by the one who wants to read it
	Open       bool // it was said while people review, and they still do
}

// Talks returns every row of who says what, in table order.
func Talks() []Talk { return append([]Talk(nil), talks...) }

// TalkOf returns the actor's row; ok is false where they have none, and neither say nor read anything.
func TalkOf(f Facts) (t Talk, ok bool) {
	i := slices.IndexFunc(talks, func(t Talk) bool {
		return t.Who&f.Parties != 0 && (!t.NotOwn || !f.IsRequester || f.SelfReview)
	})
	if i < 0 {
		return Talk{}, false
	}
	return talks[i], true
}

// Sayable returns the visibilities of the comments that the actor can make now; nothing where they can make none.
func Sayable(f Facts) []Visibility {
	t, ok := TalkOf(f)
	if !ok || !slices.Contains(t.On, f.Status) {
		return nil
	}
	return t.Says
}

// MayComment says as what the actor makes a comment of this visibility, or why they cannot.
func MayComment(f Facts, v Visibility) (Side, *Refusal) {
	t, ok := TalkOf(f)
	switch {
	case !ok || len(t.Says) == 0:
		return "", &Refusal{Kind: RefusedForbidden, Sentence: "Comments are for the requester, workspace owners and reviewers."}
	case !slices.Contains(t.Says, v):
		return "", &Refusal{Kind: RefusedForbidden, Sentence: "Private comments are for reviewers among themselves, and nobody reviews their own request. Share it."}
	case !slices.Contains(t.On, f.Status):
		return "", &Refusal{Kind: RefusedByGuard, Guard: CommentsOpen, Sentence: noRowSentence(f.Status) + " Comments are taken while it is " + join(t.On, " or ") + "."}
	default:
		return t.As, nil
	}
}

// Shows reports whether the actor is shown a comment. Everybody is shown their own.
func Shows(f Facts, s Said) bool {
	t, ok := TalkOf(f)
	if !ok {
		return false
	}
	from := t.Private
	switch {
	case s.By == SideRequester:
		from = t.Requester
	case s.Visibility == Shared:
		from = t.Shared
	}
	switch from {
	case AtOnce:
		return true
	case AfterTheRound:
		return s.Own || !s.Open
	case AfterTheirReview:
		return s.Own || !s.Open || !f.Blind || f.SpokenThisRound
	default:
		return false
	}
}

// Reviewing reports whether people review in the status, or would if the system had done its part: the data is where
// nobody can change it, and nothing is decided.
func Reviewing(s, failedIn Status) bool {
	facts, _ := Of(s)
	if facts.Zone == WhereItFailed {
		facts, _ = Of(failedIn)
	}
	return facts.Zone == Holding
}
