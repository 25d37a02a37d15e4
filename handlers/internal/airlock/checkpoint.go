package airlock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// CheckpointType is the type of the signed document that a checkpoint is.
const CheckpointType = "application/vnd.airlock.checkpoint.v1+json"

// Checkpoint says how far every trail had come. It is signed and stored where nothing can be changed, and each names the
// one before, so that a record that is changed or missing afterwards is found, and a whole request too.
//
// The heads of the trails stand in parts beside it, in JSON Lines, so that no part is large however many requests there are.
// A part is named after its content: what has not changed since the last checkpoint is not stored again.
type Checkpoint struct {
	TRE      string    `json:"tre"`
	Number   int       `json:"number"`       // from 1, without gaps
	When     time.Time `json:"when"`         // before the first head was read
	Every    int       `json:"everySeconds"` // how soon the next one was planned
	Trails   int       `json:"trails"`
	Parts    []Heads   `json:"parts"`
	Previous *Named    `json:"previous"` // null for the first
}

// Heads is a part of a checkpoint.
type Heads struct {
	Named
	Trails int `json:"trails"`
}

// Named is a stored document.
type Named struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of its bytes, in hex
}

// Head is how far one trail had come: one line of a part.
type Head struct {
	Chain string `json:"chain"`
	Seq   int    `json:"seq"` // of its last record
	Hash  string `json:"hash"`
}

// headsAtOnce is how many heads one part holds: less than a megabyte.
const headsAtOnce = 5_000

// CheckpointName is the name of the checkpoint with the number.
func CheckpointName(number int) string { return fmt.Sprintf("%010d.json", number) }

var documentName = regexp.MustCompile(`^[0-9a-z-]+(\.[0-9a-z-]+)*(/[0-9a-z-]+(\.[0-9a-z-]+)*)*$`)

// IsDocumentName reports whether a document in the archive can have the name.
func IsDocumentName(name string) bool { return len(name) <= 200 && documentName.MatchString(name) }

// headsName is the name of a part.
func headsName(sum string) string { return "heads/" + sum + ".jsonl" }

// newest remembers the newest checkpoint that this process knows of.
type newest struct {
	mu     sync.Mutex
	number int
	named  Named
	when   time.Time
	failed int // tries to make one since then that have failed
}

// tries is how often no checkpoint could be made since the last.
func (n *newest) tries() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}

// checkpoint makes a checkpoint if it is time for one. Whoever comes second finds that there is one of that number.
func (s *Service) checkpoint(ctx context.Context) error {
	n := &s.newest
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.number > 0 && s.Now().Before(n.when.Add(s.Timing.Checkpoint)) {
		return nil
	}
	err := s.findNewest(ctx, n)
	if err == nil && (n.number == 0 || !s.Now().Before(n.when.Add(s.Timing.Checkpoint))) {
		err = s.makeCheckpoint(ctx, n)
	}
	if err != nil {
		n.failed++
		return fmt.Errorf("%w: number %d, try %d: %w", ErrNoCheckpoint, n.number+1, n.failed, err)
	}
	n.failed = 0
	return nil
}

// findNewest moves on to the newest checkpoint that is stored. Numbers have no gaps, so a few reads find the last.
func (s *Service) findNewest(ctx context.Context, n *newest) error {
	var envelope []byte
	stored := func(number int) (bool, error) {
		found, err := s.Archive.Read(ctx, CheckpointName(number))
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err == nil {
			envelope = found
		}
		return err == nil, err
	}
	low, high := n.number, n.number+1 // low is stored, or 0
	for step := 1; ; step *= 2 {
		ok, err := stored(high)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		low, high = high, high+2*step
	}
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := stored(middle)
		switch {
		case err != nil:
			return err
		case ok:
			low = middle
		default:
			high = middle
		}
	}
	if envelope == nil {
		return nil
	}
	return s.remember(n, low, envelope) // the last that was found is the highest that there is
}

// remember notes a checkpoint as the newest.
func (s *Service) remember(n *newest, number int, envelope []byte) error {
	document, err := s.Signer.Open(CheckpointType, envelope)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", CheckpointName(number), ErrBroken, err)
	}
	var c Checkpoint
	if err := json.Unmarshal(document, &c); err != nil || c.Number != number {
		return fmt.Errorf("%s: %w: it is not that checkpoint", CheckpointName(number), ErrBroken)
	}
	n.number, n.when, n.named = number, c.When, Named{CheckpointName(number), sum(envelope)}
	return nil
}

// makeCheckpoint makes the one that follows.
func (s *Service) makeCheckpoint(ctx context.Context, n *newest) error {
	c := Checkpoint{TRE: s.TRE, Number: n.number + 1, When: s.Now().UTC().Round(0), Every: int(s.Timing.Checkpoint.Seconds()), Parts: []Heads{}}
	if n.number > 0 {
		c.Previous = &n.named
	}
	if err := s.heads(ctx, &c); err != nil {
		return err
	}
	document, err := json.Marshal(c)
	if err != nil {
		return err
	}
	envelope, err := s.Signer.Sign(ctx, CheckpointType, document)
	if err != nil {
		return err
	}
	if err := s.Archive.Add(ctx, CheckpointName(c.Number), envelope); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return s.findNewest(ctx, n) // which may be somebody else's
}

// heads reads how far every trail is, a page at a time, and stores the parts.
func (s *Service) heads(ctx context.Context, c *Checkpoint) error {
	part := &headsPart{s: s, c: c}
	workspaces, err := s.workspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		settings, err := s.Store.Settings(ctx, workspace)
		if errors.Is(err, ErrNotFound) {
			continue // its first settings were not stored after all
		}
		if err != nil {
			return fmt.Errorf("settings of %s: %w", workspace, err)
		}
		if err := part.add(ctx, Head{Chain(workspace, ""), settings.RecordSeq, settings.RecordHash}); err != nil {
			return err
		}
		for q := (Query{Workspace: workspace, Order: NewestFirst, Limit: MaxPage}); ; {
			page, err := s.page(ctx, q)
			if err != nil {
				return err
			}
			for _, r := range page.Requests {
				if err := part.add(ctx, Head{Chain(workspace, r.ID), r.RecordSeq, r.RecordHash}); err != nil {
					return err
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return part.store(ctx)
}

// headsPart is the part of a checkpoint that is being filled.
type headsPart struct {
	s       *Service
	c       *Checkpoint
	content bytes.Buffer
	trails  int
}

func (p *headsPart) add(ctx context.Context, h Head) error {
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	p.content.Write(append(line, '\n'))
	if p.trails++; p.trails < headsAtOnce {
		return nil
	}
	return p.store(ctx)
}

// store stores what there is. A part that is stored already has the same content, since its name says so.
func (p *headsPart) store(ctx context.Context) error {
	if p.trails == 0 {
		return nil
	}
	hash := sum(p.content.Bytes())
	named := Named{headsName(hash), hash}
	if err := p.s.Archive.Add(ctx, named.Name, p.content.Bytes()); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	p.c.Parts = append(p.c.Parts, Heads{named, p.trails})
	p.c.Trails += p.trails
	p.content.Reset()
	p.trails = 0
	return nil
}

// sum is the SHA-256 in hex.
func sum(b []byte) string {
	hash := sha256.Sum256(b)
	return hex.EncodeToString(hash[:])
}
