package operator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// document is a request as AzureTRE stores it in Cosmos DB. Times are seconds since 1970, as floating-point numbers.
// What is not here, among it what Cosmos DB adds, is ignored.
type document struct {
	ID            string       `json:"id"`
	WorkspaceID   string       `json:"workspaceId"`
	Type          string       `json:"type"`
	Title         string       `json:"title"`
	Justification string       `json:"businessJustification"`
	Status        string       `json:"status"`
	StatusMessage string       `json:"statusMessage"`
	CreatedBy     someone      `json:"createdBy"`
	CreatedWhen   float64      `json:"createdWhen"` // absent in old ones
	UpdatedBy     someone      `json:"updatedBy"`
	UpdatedWhen   float64      `json:"updatedWhen"`
	History       []version    `json:"history"`
	Files         []file       `json:"files"`
	Reviews       []someReview `json:"reviews"`
}

// version is one that the request had before: who made it and when, and its status.
type version struct {
	Number     int     `json:"resourceVersion"`
	When       float64 `json:"updatedWhen"`
	By         someone `json:"updatedBy"`
	Properties struct {
		Status string `json:"previousStatus"`
	} `json:"properties"`
}

type file struct {
	Name string  `json:"name"`
	Size float64 `json:"size"` // bytes
}

type someReview struct {
	ID          string  `json:"id"`
	Reviewer    someone `json:"reviewer"`
	When        float64 `json:"dateCreated"`
	Decision    string  `json:"reviewDecision"`
	Explanation string  `json:"decisionExplanation"`
}

// someone is a person. AzureTRE has stored whatever its tokens held, so that only what is known is looked at, and only
// where it is of its kind.
type someone struct {
	ID, Name, Email string
	Roles           []airlock.Role
}

// UnmarshalJSON reads a person.
func (s *someone) UnmarshalJSON(raw []byte) error {
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	text := func(name string) string { t, _ := members[name].(string); return t }
	s.ID, s.Name, s.Email = text("id"), text("name"), text("email")
	roles, _ := members["roles"].([]any)
	for _, role := range roles {
		if name, ok := role.(string); ok {
			s.Roles = append(s.Roles, airlock.Role(name))
		}
	}
	return nil
}

func (s someone) person() airlock.Person {
	return airlock.Person{ID: strings.ToLower(s.ID), Name: s.Name, Email: s.Email, Roles: s.Roles}
}

// azureTRE is the name of the other system in records.
const azureTRE = "AzureTRE"

// legacyOf reads one element of an export. An error says what is wrong with it, without its texts; the ids are those that
// could be read.
func legacyOf(raw []byte) (airlock.Legacy, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return airlock.Legacy{Request: airlock.Request{ID: strings.ToLower(d.ID), WorkspaceID: strings.ToLower(d.WorkspaceID)}}, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return airlock.Legacy{}, err
	}
	digest := sha256.Sum256(compact.Bytes())
	r := airlock.Request{
		ID: strings.ToLower(d.ID), WorkspaceID: strings.ToLower(d.WorkspaceID), Type: airlock.Direction(d.Type),
		Title: d.Title, Justification: d.Justification, Status: statemachine.Status(d.Status), StatusMessage: d.StatusMessage,
		CreatedBy: d.CreatedBy.person(), CreatedWhen: moment(d.CreatedWhen), UpdatedBy: d.UpdatedBy.person(), UpdatedWhen: moment(d.UpdatedWhen),
		History: d.history(), FileCount: len(d.Files),
	}
	if r.CreatedWhen.IsZero() && len(d.History) > 0 {
		r.CreatedWhen = moment(d.History[0].When)
	}
	if r.CreatedWhen.IsZero() {
		r.CreatedWhen = r.UpdatedWhen
	}
	l := airlock.Legacy{From: azureTRE, Digest: hex.EncodeToString(digest[:])}
	for i, f := range d.Files {
		if f.Size < 0 || f.Size > math.MaxInt64/float64(len(d.Files)) {
			l.Request = r
			return l, fmt.Errorf("file %d cannot have the size %g", i+1, f.Size)
		}
		r.TotalBytes += int64(f.Size)
		if i < airlock.SummaryFiles {
			r.Files = append(r.Files, airlock.FileSummary{Name: f.Name, Size: int64(f.Size)})
		}
	}
	for _, v := range d.Reviews {
		r.Reviews = append(r.Reviews, airlock.Review{
			ID: v.ID, Round: 1, Reviewer: v.Reviewer.person(), When: moment(v.When),
			Decision: statemachine.Decision(v.Decision), Explanation: v.Explanation,
		})
	}
	l.Request = r
	return l, nil
}

// history turns AzureTRE's into ours. Each of its entries holds who made a version, and when, and ours who ended it: that
// is the entry after it, and in the end the request itself.
func (d document) history() []airlock.Change {
	var changes []airlock.Change
	for i, v := range d.History {
		by, when := d.UpdatedBy, d.UpdatedWhen
		if i+1 < len(d.History) {
			by, when = d.History[i+1].By, d.History[i+1].When
		}
		changes = append(changes, airlock.Change{
			Version: v.Number, PreviousStatus: statemachine.Status(v.Properties.Status), When: moment(when), By: by.person(),
		})
	}
	return changes
}

// endOfMoments is later than any time that a request is stored with: the year 2200.
const endOfMoments = 7_258_118_400

// moment is a time in AzureTRE's spelling, to the microsecond; zero where it is none.
func moment(seconds float64) time.Time {
	if seconds <= 0 || seconds >= endOfMoments {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}
