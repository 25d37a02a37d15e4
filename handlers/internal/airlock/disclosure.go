package airlock

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
)

// DisclosureType is the type of the signed document that tells of a decision. Its members are described by
// schema/disclosure.v1.json beside this file, and never change: another set of members is another version.
const DisclosureType = "application/vnd.airlock.disclosure.v1+json"

// Disclosure tells of one decision on a request: what was decided, on which bytes, under which rules, by whom. It is made of
// what is stored, once the decision is carried out, and is the same each time.
type Disclosure struct {
	TRE           string    `json:"tre"`
	Workspace     string    `json:"workspaceId"`
	Request       string    `json:"requestId"`
	Type          Direction `json:"type"`
	Title         string    `json:"title"`
	Justification string    `json:"businessJustification"`
	Requester     Somebody  `json:"requester"`
	Round         int       `json:"round"`

	Created   time.Time `json:"created"`
	Submitted time.Time `json:"submitted"`
	Manifest  Disclosed `json:"manifest"`
	Gates     []Gate    `json:"gates"`
	Version   int       `json:"policyVersion"` // 0: from before policies had versions
	Policy    *Policy   `json:"policy"`        // null: from before policies were stamped on requests
	Reviews   []Opinion `json:"reviews"`
	Decision  Event     `json:"decision"` // approve, reject, return or block
	Outcome   Event     `json:"outcome"`  // what became of it: moved, cancel, or the decision itself where nothing is moved for it
	Tool      string    `json:"toolVersion"`
}

// Somebody is a person in a disclosure.
type Somebody struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Disclosed is the files that were decided about.
type Disclosed struct {
	Digest string          `json:"sha256"` // of the manifest, as Manifest.Digest makes it
	Files  []DisclosedFile `json:"files"`
}

// DisclosedFile is one of them.
type DisclosedFile struct {
	Name    string     `json:"name"`
	Size    int64      `json:"size"`
	SHA256  string     `json:"sha256"` // empty where it was not computed
	MD5     string     `json:"md5"`    // in base64; empty where storage knew none
	Verdict ScanResult `json:"verdict"`
}

// Gate is an automatic check with what it said.
type Gate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Verdict string `json:"verdict"` // passed, blocked, or off where the workspace did without it
}

// The gate, and the version of its rule: the scanner has to say of the very bytes that were sealed that there is no threat.
const (
	gateMalware        = "malware-scan"
	gateMalwareVersion = "1"
)

// Opinion is what one reviewer said.
type Opinion struct {
	Reviewer    Somebody              `json:"reviewer"`
	When        time.Time             `json:"when"`
	Decision    statemachine.Decision `json:"decision"`
	Explanation string                `json:"explanation"`
	Slots       []string              `json:"slots"`               // of the policy, that it can fill
	InPlaceOf   string                `json:"inPlaceOf,omitempty"` // object id of the owner whose deputy the reviewer was
}

// Event is a record of the trail that proves it.
type Event struct {
	What   string    `json:"what"`
	Who    Somebody  `json:"who"`
	Status string    `json:"status"` // that it led to
	When   time.Time `json:"when"`
	Seq    int       `json:"record"`
	Hash   string    `json:"recordSha256"`
}

// Signed is what is kept of a disclosure, so that it is the same each time: signatures of some keys differ each time, and so
// may the versions of this program.
type Signed struct {
	Round      int    `json:"round"`
	Tool       string `json:"tool"`
	SHA256     string `json:"sha256"`     // of the document, in hex
	Signatures string `json:"signatures"` // of the envelope, as JSON
}

// Disclosure returns the signed document of the decision in a round (0: the latest), in its envelope, for those who may read
// the audit trail, which tells of it.
func (s *Service) Disclosure(ctx context.Context, who Identity, workspace, id string, round int) (envelope []byte, err error) {
	actor, _, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return nil, err
	}
	for range maxReadRaces {
		r, err := s.find(ctx, workspace, id)
		if err != nil {
			return nil, answer(fmt.Errorf("record of %s: %w", id, err), sentenceNoRequest)
		}
		if err := mayAudit(r, actor); err != nil {
			return nil, who.explained(err)
		}
		next := r
		envelope, err := s.disclose(ctx, &next, round)
		if err != nil {
			return nil, answer(fmt.Errorf("record of %s: %w", id, err), sentenceNoRequest)
		}
		_, err = s.note(ctx, Record{What: recordDisclosure}, actor, r, next)
		if !errors.Is(err, ErrLost) {
			return envelope, answer(err, sentenceNoRequest)
		}
	}
	return nil, answer(fmt.Errorf("record of %s: %w", id, ErrLost), sentenceNoRequest)
}

// disclose makes the envelope, and signs it if that was not done before: then the request keeps the signature.
func (s *Service) disclose(ctx context.Context, r *Request, round int) ([]byte, error) {
	d, err := s.disclosure(ctx, *r, round)
	if err != nil {
		return nil, err
	}
	kept := slices.IndexFunc(r.Signed, func(k Signed) bool { return k.Round == d.Round })
	d.Tool = s.Version
	if kept >= 0 {
		d.Tool = r.Signed[kept].Tool
	}
	document, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if kept >= 0 {
		if sum(document) != r.Signed[kept].SHA256 {
			err := fmt.Errorf("%w: what is stored of round %d is not what was signed", ErrBroken, d.Round)
			s.report(ctx, fmt.Errorf("record of %s: %w", r.ID, err))
			return nil, err
		}
		return json.Marshal(wrapped{DisclosureType, document, json.RawMessage(r.Signed[kept].Signatures)})
	}
	envelope, err := s.Signer.Sign(ctx, DisclosureType, document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTransient, err)
	}
	var w wrapped
	if err := json.Unmarshal(envelope, &w); err != nil {
		return nil, err
	}
	r.Signed = append(slices.Clip(r.Signed), Signed{Round: d.Round, Tool: d.Tool, SHA256: sum(document), Signatures: string(w.Signatures)})
	return envelope, nil
}

// wrapped is an envelope with its signatures as they are.
type wrapped struct {
	Kind       string          `json:"payloadType"`
	Document   []byte          `json:"payload"`
	Signatures json.RawMessage `json:"signatures"`
}

// disclosure gathers the document from what is stored.
func (s *Service) disclosure(ctx context.Context, r Request, round int) (Disclosure, error) {
	records, err := allRecords(func(after int) ([]Record, error) { return s.Store.Records(ctx, r.WorkspaceID, r.ID, after, MaxPage) })
	if err != nil {
		return Disclosure{}, err
	}
	if trail := s.verified(ctx, Chain(r.WorkspaceID, r.ID), records, r.RecordSeq, r.RecordHash); !trail.Intact {
		return Disclosure{}, fmt.Errorf("%w: %s", ErrBroken, trail.Problem)
	}
	found, ok := storyOf(records, round)
	if !ok {
		return Disclosure{}, problem(Ruled, "undecided", "There is no decision that was carried out yet: the record of one is made after that.")
	}
	m, err := s.Store.Manifest(ctx, r.WorkspaceID, r.ID, found.decision.Round)
	if err != nil {
		return Disclosure{}, err
	}
	if found.gates.Digest != m.Digest() {
		err := fmt.Errorf("%w: the manifest of round %d is not the one that was decided about", ErrBroken, found.decision.Round)
		s.report(ctx, fmt.Errorf("record of %s: %w", r.ID, err))
		return Disclosure{}, err
	}
	d := Disclosure{
		TRE: s.TRE, Workspace: r.WorkspaceID, Request: r.ID, Type: r.Type, Title: r.Title, Justification: r.Justification,
		Requester: Somebody{r.CreatedBy.ID, r.CreatedBy.Name}, Round: found.decision.Round, Created: r.CreatedWhen.UTC(), Submitted: found.submit.When,
		Manifest: m.disclosed(), Gates: []Gate{{gateMalware, gateMalwareVersion, m.gate(found.gates)}},
		Version: cmp.Or(found.decision.Policy, found.submit.Policy), Reviews: []Opinion{}, Decision: event(found.decision), Outcome: event(found.outcome),
	}
	d.Policy = r.policyOf(d.Version)
	for _, v := range r.Reviews {
		if v.Round == d.Round && v.Decision != statemachine.DecisionRevoked { // which is another decision, after this one
			d.Reviews = append(d.Reviews, Opinion{Somebody{v.Reviewer.ID, v.Reviewer.Name}, v.When.UTC(), v.Decision, v.Explanation, append([]string{}, v.Slots...), v.SteadOf})
		}
	}
	return d, nil
}

// decides reports whether a record tells of what decided a round: the review that ended it, or a gate.
func decides(rec Record) bool {
	e := statemachine.Event(rec.What)
	return e == statemachine.EventBlock || rec.From != rec.To && speaks(e)
}

// story is the records of a decision.
type story struct {
	submit, gates, decision, outcome Record
}

// storyOf finds the decision of a round in the trail (0: the latest) that was carried out. The gates and the last submit are those
// before it.
func storyOf(records []Record, round int) (found story, ok bool) {
	var at story
	for _, rec := range records {
		switch what := statemachine.Event(rec.What); {
		case what == statemachine.EventSubmit:
			at = story{submit: rec}
		case what == statemachine.EventClear:
			at.gates = rec
		}
		switch {
		case decides(rec):
			at.decision = rec
			if rec.What == string(statemachine.EventBlock) {
				at.gates = rec
			}
			if rec.What == string(statemachine.EventReturn) {
				at.outcome = rec
			}
		case at.decision.Seq > 0 && at.outcome.Seq == 0 && (rec.What == string(statemachine.EventMoved) || rec.What == string(statemachine.EventCancel)):
			at.outcome = rec
		default:
			continue
		}
		if at.outcome.Seq > 0 && (round == 0 || at.decision.Round == round) && at.outcome.Seq == rec.Seq {
			found, ok = at, true
		}
	}
	return found, ok
}

func event(r Record) Event {
	return Event{What: r.What, Who: Somebody{r.Who, r.Name}, Status: r.To, When: r.When, Seq: r.Seq, Hash: r.Hash}
}

// disclosed lists the files.
func (m Manifest) disclosed() Disclosed {
	d := Disclosed{Digest: m.Digest(), Files: make([]DisclosedFile, len(m.Files))}
	for i, f := range m.Files {
		d.Files[i] = DisclosedFile{f.Name, f.Size, f.SHA256, base64.StdEncoding.EncodeToString(f.MD5), f.Verdict.Result}
	}
	return d
}

// gate is what the malware scan said.
func (m Manifest) gate(rec Record) string {
	switch {
	case rec.What == string(statemachine.EventBlock):
		return "blocked"
	case slices.ContainsFunc(m.Files, func(f File) bool { return f.Verdict.Result == Clean }):
		return "passed"
	default:
		return "off"
	}
}
