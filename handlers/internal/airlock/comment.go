package airlock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"airlock/statemachine"
)

// Comment is what somebody has said about a request, or about one of its files, in one round. It is never changed.
type Comment struct {
	Seq        int                     `json:"seq"` // number of the audit record that tells of it
	ID         string                  `json:"id"`
	Round      int                     `json:"round"`
	Status     statemachine.Status     `json:"status"` // of the request, when it was said
	By         Person                  `json:"by"`
	As         statemachine.Side       `json:"as"`
	When       time.Time               `json:"when"`
	Visibility statemachine.Visibility `json:"visibility"`
	Text       string                  `json:"text"`           // Markdown, as it was written
	File       string                  `json:"file,omitempty"` // the name of the file that it is about; empty: it is about all of it
}

// NewComment is what somebody brings to comment.
type NewComment struct {
	Text       string // 1 to MaxText characters
	Visibility statemachine.Visibility
	File       string // of the round's manifest; empty: none
}

// MaxComments is how many comments a round can have.
const MaxComments = 500

// Comments is a page of comments, the oldest first, that somebody is shown.
type Comments struct {
	Comments []Comment
	Next     string                    // cursor of the next page; empty: this is the last
	Sayable  []statemachine.Visibility // of the comments that they can make now
}

// recordComment is what stands in a trail for a comment. The text is not in it: a trail has more readers than a comment.
const recordComment = "comment"

// Digest is the SHA-256 of the comment's JSON, in hex. Nobody can guess it who does not know the id.
func (c Comment) Digest() string {
	encoded, err := json.Marshal(c)
	if err != nil {
		panic("airlock: a comment cannot fail to encode: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// said is what the rules look at when somebody wants to read a comment.
func (c Comment) said(r Request, reader string) statemachine.Said {
	return statemachine.Said{
		By: c.As, Visibility: c.Visibility, Own: c.By.ID == reader,
		Open: c.Round == r.Round && c.Status == statemachine.InReview && statemachine.Reviewing(r.Status, r.FailedIn),
	}
}

// Comment says something about a request. Nothing else of the request changes, and nobody is told.
func (s *Service) Comment(ctx context.Context, who Identity, workspace, id string, in NewComment) (Comment, error) {
	if err := in.check(); err != nil {
		return Comment{}, err
	}
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Comment{}, err
	}
	for range maxRaces {
		r, err := s.find(ctx, workspace, id)
		if err != nil {
			return Comment{}, answer(fmt.Errorf("comment on %s: %w", id, err), sentenceNoRequest)
		}
		side, refusal := statemachine.MayComment(facts(r, settings, actor), in.Visibility)
		if refusal != nil {
			return Comment{}, who.explained(refused(refusal))
		}
		if err := s.checkAbout(ctx, r, in); err != nil {
			return Comment{}, answer(fmt.Errorf("comment on %s: %w", id, err), sentenceNoRequest)
		}
		c := s.commenting(r, actor, side, in)
		if _, err = s.commit(ctx, c); !errors.Is(err, ErrLost) {
			return *c.Comment, answer(err, sentenceNoRequest)
		}
	}
	return Comment{}, answer(fmt.Errorf("comment on %s: %w", id, ErrLost), sentenceNoRequest)
}

func (in NewComment) check() error {
	given := []statemachine.Visibility{statemachine.Private, statemachine.Shared}
	switch {
	case strings.TrimSpace(in.Text) == "":
		return problem(Invalid, "text", "The comment is empty.")
	case !slices.Contains(given, in.Visibility):
		return problem(Invalid, "visibility", "The visibility must be private or shared.")
	default:
		return checkMarkdown("text", in.Text)
	}
}

// checkAbout refuses one comment too many, and one about a file that the round does not have.
func (s *Service) checkAbout(ctx context.Context, r Request, in NewComment) error {
	switch {
	case r.Comments >= MaxComments:
		return problem(Ruled, "comments_limit", "This round has %d comments, and more are not taken.", MaxComments)
	case in.File == "":
		return nil
	case r.Zone() == statemachine.Intake:
		return problem(Invalid, "file", "The files of a draft can still change: comment on single files once they are submitted.")
	}
	m, err := s.Store.Manifest(ctx, r.WorkspaceID, r.ID, r.Round)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == in.File }) {
		return problem(Invalid, "file", "There is no file %q in round %d.", shorten(in.File), r.Round)
	}
	return nil
}

// commenting is the commit that adds a comment with its record.
func (s *Service) commenting(r Request, actor Actor, as statemachine.Side, in NewComment) Commit {
	comment := Comment{
		Seq: r.RecordSeq + 1, ID: s.NewID(), Round: r.Round, Status: r.Status, By: actor.Person, As: as, When: s.Now().UTC().Round(0),
		Visibility: in.Visibility, Text: in.Text, File: in.File,
	}
	record := r.chained(Record{
		When: comment.When, Who: actor.ID, Name: actor.Name, What: recordComment, From: string(r.Status), To: string(r.Status), Round: r.Round,
		Text: string(in.Visibility), Digest: comment.Digest(), Source: actor.SourceAddress, Trace: actor.CorrelationID,
	})
	after := r
	after.Version++
	after.Comments++
	after.RecordSeq, after.RecordHash = record.Seq, record.Hash
	return Commit{Before: r, After: after, Record: &record, Comment: &comment}
}

// Comments lists the comments on a request that somebody is shown, the oldest first, at most limit (0: MaxPage).
func (s *Service) Comments(ctx context.Context, who Identity, workspace, id string, limit int, cursor string) (Comments, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Comments{}, err
	}
	r, err := s.find(ctx, workspace, id)
	if err != nil {
		return Comments{}, answer(fmt.Errorf("comments on %s: %w", id, err), sentenceNoRequest)
	}
	f := facts(r, settings, actor)
	if _, ok := statemachine.TalkOf(f); !ok {
		_, refusal := statemachine.MayComment(f, statemachine.Shared)
		return Comments{}, who.explained(refused(refusal))
	}
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	page := Comments{Comments: []Comment{}, Sayable: statemachine.Sayable(f)}
	after, err := commentCursor(cursor)
	for err == nil {
		var read []Comment
		if read, err = s.Store.Comments(ctx, workspace, id, after, MaxPage); err != nil {
			break
		}
		for _, c := range read {
			switch {
			case !statemachine.Shows(f, c.said(r, actor.ID)):
			case len(page.Comments) == limit:
				page.Next = strconv.Itoa(page.Comments[limit-1].Seq)
				return page, nil
			default:
				page.Comments = append(page.Comments, c)
			}
			after = c.Seq
		}
		if len(read) < MaxPage {
			return page, nil
		}
	}
	return Comments{}, answer(fmt.Errorf("comments on %s: %w", id, err), sentenceNoRequest)
}

// commentCursor is the number after which a page begins.
func commentCursor(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	after, err := strconv.Atoi(cursor)
	if err != nil || after < 1 || after > MaxRecords {
		return 0, ErrCursor
	}
	return after, nil
}
