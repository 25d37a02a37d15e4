package proof

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/dsse"
)

// Checkpoints is what holding the trails against the checkpoints has shown.
type Checkpoints struct {
	Number  int       `json:"number"`  // of the newest; 0: there is none that can be believed
	When    time.Time `json:"when"`    // of the newest
	Found   []Finding `json:"found"`   // what does not fit
	Left    int       `json:"left"`    // trails that the checkpoints know and that are not among the files, where these are only some
	Deleted int       `json:"deleted"` // trails that were deleted with their request, as the trail of the workspace tells
}

// Finding is one thing that does not fit.
type Finding struct {
	Checkpoint int    `json:"checkpoint,omitempty"` // 0: of all of them
	Trail      string `json:"chain,omitempty"`      // empty: of the checkpoint itself
	Why        string `json:"why"`
}

// slack is how much earlier than it was stored a record can say that it is: an invocation takes less, and clocks differ by less.
const slack = 15 * time.Minute

var checkpointName = regexp.MustCompile(`^[0-9]{10}\.json$`)

// Against holds the trails that were read against all checkpoints in a folder, which is a copy of the container as it is. Only
// signatures of these keys count. some says that the files are only some of the trails: others are not missed then. The
// error is for what cannot be read.
func (p *Proof) Against(folder fs.FS, keys []crypto.PublicKey, some bool) (Checkpoints, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return Checkpoints{}, fmt.Errorf("checkpoints: %w", err)
	}
	w := &walk{p: p, folder: folder, keys: keys, some: some, seen: map[string]bool{}, missed: map[string]bool{}}
	w.result.Found = []Finding{}
	for _, e := range entries {
		if !checkpointName.MatchString(e.Name()) {
			continue
		}
		if err := w.checkpoint(e.Name()); err != nil {
			return w.result, err
		}
	}
	if w.result.Number == 0 {
		w.found("", 0, "there is no checkpoint that can be believed")
		return w.result, nil
	}
	w.after()
	w.result.Left, w.result.Deleted = w.left, w.deleted
	return w.result, nil
}

// walk goes through the checkpoints, from the first to the newest.
type walk struct {
	p      *Proof
	folder fs.FS
	keys   []crypto.PublicKey
	some   bool
	result Checkpoints

	newest        airlock.Checkpoint
	previous      airlock.Named
	next          int             // number of the checkpoint that has to follow
	seen          map[string]bool // parts that were held against the trails
	missed        map[string]bool // trails that are not there, and were counted
	left, deleted int
}

func (w *walk) found(trail string, checkpoint int, format string, args ...any) {
	w.result.Found = append(w.result.Found, Finding{checkpoint, trail, fmt.Sprintf(format, args...)})
}

// checkpoint takes the next one.
func (w *walk) checkpoint(name string) error {
	envelope, err := fs.ReadFile(w.folder, name)
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	w.next++
	var number int
	fmt.Sscanf(name, "%010d.json", &number) // the name is of that form
	for ; w.next < number; w.next++ {
		w.found("", w.next, "it is missing")
	}
	before := w.previous
	w.previous = airlock.Named{Name: name, SHA256: sum(envelope)}
	document, err := dsse.Verify(airlock.CheckpointType, envelope, w.keys...)
	if err != nil {
		w.found("", number, "it cannot be believed: %v", err)
		return nil
	}
	var c airlock.Checkpoint
	err = json.Unmarshal(document, &c)
	if again, encoded := json.Marshal(c); err != nil || encoded != nil || !bytes.Equal(again, document) || c.Number != number {
		w.found("", number, "it is not the checkpoint of that number, or one of a newer version")
		return nil
	}
	switch {
	case number == 1 && c.Previous != nil, number > 1 && (c.Previous == nil || *c.Previous != before):
		w.found("", number, "it does not follow the one before it")
	case c.When.Before(w.newest.When):
		w.found("", number, "it is older than the one before it")
	}
	w.newest = c
	w.result.Number, w.result.When = c.Number, c.When
	trails := 0
	for _, part := range c.Parts {
		trails += part.Trails
		if err := w.part(c, part); err != nil {
			return err
		}
	}
	if trails != c.Trails {
		w.found("", number, "it has %d trails, and its parts %d", c.Trails, trails)
	}
	return nil
}

// part holds a part of a checkpoint against the trails. What an earlier checkpoint has named already is looked at once.
func (w *walk) part(c airlock.Checkpoint, part airlock.Heads) error {
	if w.seen[part.SHA256] {
		return nil
	}
	content, err := fs.ReadFile(w.folder, part.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid):
		w.found("", c.Number, "its part %.100q is missing", part.Name)
		return nil
	case err != nil:
		return fmt.Errorf("checkpoints: %w", err)
	case sum(content) != part.SHA256:
		w.found("", c.Number, "its part %.100q has been changed", part.Name)
		return nil
	}
	w.seen[part.SHA256] = true
	return w.heads(content, func(h airlock.Head) { w.head(c, h) })
}

// heads reads the lines of a part.
func (w *walk) heads(content []byte, each func(airlock.Head)) error {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		var h airlock.Head
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return fmt.Errorf("checkpoints: a part holds no head of a trail: %w", err)
		}
		each(h)
	}
	return lines.Err()
}

// head holds a trail against what a checkpoint knows of it.
func (w *walk) head(c airlock.Checkpoint, h airlock.Head) {
	t, ok := w.p.trails[h.Chain]
	switch {
	case !ok:
		w.missing(c, h)
	case t.Broken > 0: // which is told already
	case t.Records < h.Seq:
		w.found(h.Chain, c.Number, "it has %d records, and had %d", t.Records, h.Seq)
	case t.marks[h.Seq-1].hash != h.Hash:
		w.found(h.Chain, c.Number, "record %d is another one than it was", h.Seq)
	}
}

// missing explains a trail that is not there by the trail of its workspace, which tells of every request that was deleted.
func (w *walk) missing(c airlock.Checkpoint, h airlock.Head) {
	workspace, _, _ := strings.Cut(h.Chain, "/")
	if t, ok := w.p.trails[workspace]; ok && workspace != h.Chain {
		i := slices.IndexFunc(t.gone, func(d deleted) bool { return d.name == h.Chain })
		if i >= 0 {
			d := t.gone[i]
			switch {
			case d.last < h.Seq, d.last == h.Seq && d.head != h.Hash:
				w.found(h.Chain, c.Number, "it was deleted, and not as the trail of the workspace tells: record %d of %d", h.Seq, d.last)
			case !w.missed[h.Chain]:
				w.deleted++
			}
			w.missed[h.Chain] = true
			return
		}
	}
	if w.missed[h.Chain] {
		return
	}
	w.missed[h.Chain] = true
	if w.some {
		w.left++
		return
	}
	w.found(h.Chain, c.Number, "it is missing, and no record tells that it was deleted")
}

// after looks at what has come since the newest checkpoint: what says that it is older was put in later, and there has to be
// another checkpoint in time.
func (w *walk) after() {
	for _, part := range w.newest.Parts {
		content, err := fs.ReadFile(w.folder, part.Name)
		if err != nil || sum(content) != part.SHA256 {
			continue // which is told already
		}
		_ = w.heads(content, func(h airlock.Head) { // it could be read before
			if t, ok := w.p.trails[h.Chain]; ok {
				t.Covered = min(h.Seq, t.Records)
			}
		})
	}
	late := time.Time{}
	for _, name := range w.p.order {
		t := w.p.trails[name]
		for i, m := range t.marks[t.Covered:] {
			if m.when.Before(w.newest.When.Add(-slack)) {
				w.found(name, w.newest.Number, "record %d says that it is older than the checkpoint, which does not know it", t.Covered+i+1)
				break
			}
		}
		if t.Ended.After(late) {
			late = t.Ended
		}
	}
	if every := time.Duration(w.newest.Every) * time.Second; late.After(w.newest.When.Add(2*every + slack)) {
		w.found("", w.newest.Number+1, "it is missing: one was planned every %s, and there are records of %s", every, late.Format(time.RFC3339))
	}
}

func sum(b []byte) string {
	hash := sha256.Sum256(b)
	return hex.EncodeToString(hash[:])
}
