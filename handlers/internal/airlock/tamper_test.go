package airlock_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/dsse"
	"airlock/handlers/internal/memzone"
	"airlock/handlers/internal/proof"
	sm "airlock/statemachine"
)

// newSigner makes a key, as a file holds it.
func newSigner(t *testing.T) (dsse.Signer, crypto.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dsse.ParsePrivate(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return dsse.Signer{Key: key}, public
}

// evidence is what an auditor has: the trails as they were exported, and a copy of the container of checkpoints.
type evidence struct {
	trails map[string][]airlock.Record
	stored map[string][]byte
	key    crypto.PublicKey
}

func (e evidence) clone() evidence {
	e.trails, e.stored = maps.Clone(e.trails), maps.Clone(e.stored)
	for name := range e.trails {
		e.trails[name] = slices.Clone(e.trails[name])
	}
	return e
}

// prove returns all that verify-audit has against it.
func (e evidence) prove(t *testing.T) (found []string, held proof.Checkpoints) {
	t.Helper()
	p := &proof.Proof{}
	for _, name := range slices.Sorted(maps.Keys(e.trails)) {
		var lines bytes.Buffer
		for _, r := range e.trails[name] {
			lines.Write(append(line(t, r), '\n'))
		}
		if err := p.Read(name, &lines); err != nil {
			found = append(found, err.Error())
		}
	}
	folder := fstest.MapFS{}
	for name, content := range e.stored {
		folder[name] = &fstest.MapFile{Data: content}
	}
	held, err := p.Against(folder, []crypto.PublicKey{e.key}, false)
	if err != nil {
		found = append(found, err.Error())
	}
	for _, trail := range p.Trails() {
		if trail.Broken > 0 {
			found = append(found, fmt.Sprintf("%s: record %d %s", trail.Name, trail.Broken, trail.Why))
		}
	}
	for _, f := range held.Found {
		found = append(found, f.Trail+": "+f.Why)
	}
	return found, held
}

func line(t *testing.T, r airlock.Record) []byte {
	t.Helper()
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// played plays a scenario with a checkpoint after every step, and returns what is there to prove it.
func played(t *testing.T, s scenario) evidence {
	archive := &memzone.Archive{}
	signer, public := newSigner(t)
	var last *play
	s.play(t, func(*play, string) effect { return passes }, func(p *play) {
		last, p.Archive, p.Signer, p.Timing.Checkpoint = p, archive, signer, time.Minute
		if _, err := p.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.settle()
	})
	last.Timing.Checkpoint = 0
	if _, err := last.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := evidence{trails: map[string][]airlock.Record{}, stored: archive.Documents(), key: public}
	records, err := last.store.SettingsRecords(t.Context(), ws, 0, airlock.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	e.trails[ws] = records
	if own := last.records(); len(own) > 0 {
		e.trails[airlock.Chain(ws, last.id)] = own
	}
	return e
}

// resealedFrom makes the chain fit again from a record on, as somebody would who can write everywhere but into the archive.
func resealedFrom(records []airlock.Record) []airlock.Record {
	seq, head := 0, ""
	for i, r := range records {
		records[i] = r.Seal(seq, head)
		seq, head = records[i].Seq, records[i].Hash
	}
	return records
}

// tampering is one way to change what an auditor gets.
type tampering struct {
	name string
	do   func(e evidence) // on a copy
}

// ofFields changes and removes every field of a record, which the type itself lists.
func ofFields(chain string, i int) (all []tampering) {
	for f := range reflect.TypeFor[airlock.Record]().NumField() {
		name := reflect.TypeFor[airlock.Record]().Field(f).Name
		for how, change := range map[string]func(reflect.Value){"changed": changed, "removed": reflect.Value.SetZero} {
			for _, reseal := range []bool{false, true} {
				all = append(all, tampering{fmt.Sprintf("%s of record %d %s, resealed: %v", name, i+1, how, reseal), func(e evidence) {
					change(reflect.ValueOf(&e.trails[chain][i]).Elem().Field(f))
					if reseal {
						resealedFrom(e.trails[chain])
					}
				}})
			}
		}
	}
	return all
}

// changed sets a field to something else.
func changed(field reflect.Value) {
	switch v := field.Interface().(type) {
	case time.Time:
		field.Set(reflect.ValueOf(v.Add(time.Nanosecond)))
	case int:
		field.SetInt(int64(v + 1))
	case string:
		field.SetString(v + "x")
	default:
		panic(fmt.Sprintf("nobody has thought of a %T", v))
	}
}

// ofRecords removes, swaps and doubles every record of a trail, and adds one.
func ofRecords(chain string, n int) (all []tampering) {
	for _, reseal := range []bool{false, true} {
		add := func(name string, change func([]airlock.Record) []airlock.Record) {
			all = append(all, tampering{fmt.Sprintf("%s, resealed: %v", name, reseal), func(e evidence) {
				e.trails[chain] = change(e.trails[chain])
				if reseal {
					resealedFrom(e.trails[chain])
				}
			}})
		}
		for i := range n {
			add(fmt.Sprintf("record %d removed", i+1), func(r []airlock.Record) []airlock.Record { return slices.Delete(r, i, i+1) })
			if i < n-1 || !reseal { // the last one once more, with a chain that fits, is a new record: checkpoints know what was, not what comes
				add(fmt.Sprintf("record %d twice", i+1), func(r []airlock.Record) []airlock.Record { return slices.Insert(r, i, r[i]) })
			}
			if i > 0 {
				add(fmt.Sprintf("records %d and %d swapped", i, i+1), func(r []airlock.Record) []airlock.Record { r[i-1], r[i] = r[i], r[i-1]; return r })
				add(fmt.Sprintf("cut after record %d", i), func(r []airlock.Record) []airlock.Record { return r[:i] })
				add(fmt.Sprintf("beheaded before record %d", i+1), func(r []airlock.Record) []airlock.Record { return r[i:] })
			}
		}
		add("one of an earlier day added", func(r []airlock.Record) []airlock.Record {
			more := r[len(r)-1]
			more.When = r[0].When.Add(-24 * time.Hour)
			return append(r, more)
		})
	}
	return all
}

// ofTrails removes whole trails, puts one in another's place and adds one.
func ofTrails(e evidence) (all []tampering) {
	for chain := range e.trails {
		all = append(all, tampering{"without " + chain, func(e evidence) { delete(e.trails, chain) }},
			tampering{"another trail in the place of " + chain, func(e evidence) {
				for i := range e.trails[chain] {
					e.trails[chain][i].Text += "!"
				}
				resealedFrom(e.trails[chain])
			}})
	}
	return append(all, tampering{"a trail of an earlier day added", func(e evidence) {
		first := e.trails[ws][0]
		e.trails["forged"] = []airlock.Record{airlock.Record{Chain: ws + "/forged", When: first.When.Add(-24 * time.Hour), What: "create"}.Seal(0, "")}
	}})
}

// ofStored changes, member by member, and removes everything in the archive.
func ofStored(t *testing.T, e evidence) (all []tampering) {
	newest := slices.Max(slices.DeleteFunc(slices.Collect(maps.Keys(e.stored)), func(name string) bool { return strings.HasPrefix(name, "heads/") }))
	for name, content := range e.stored {
		if name != newest { // without the newest, the one before is it: when that is noticed is a test of its own
			all = append(all, tampering{name + " removed", func(e evidence) { delete(e.stored, name) }})
		}
		put := func(what string, content []byte) {
			all = append(all, tampering{name + ": " + what, func(e evidence) { e.stored[name] = content }})
		}
		put("emptied", nil)
		put("a byte changed", append(slices.Clone(content[:len(content)/2]), append([]byte{content[len(content)/2] ^ 1}, content[len(content)/2+1:]...)...))
		if strings.HasPrefix(name, "heads/") {
			continue
		}
		var envelope dsse.Envelope
		if err := json.Unmarshal(content, &envelope); err != nil {
			t.Fatal(err)
		}
		for what, other := range members(t, content) {
			put(what, other)
		}
		for what, other := range members(t, envelope.Payload) {
			e := envelope
			e.Payload = other
			encoded, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			put("payload: "+what, encoded)
		}
		signer, _ := newSigner(t)
		forged, err := signer.Sign(t.Context(), envelope.PayloadType, envelope.Payload)
		if err != nil {
			t.Fatal(err)
		}
		put("signed by somebody else", forged)
	}
	return all
}

// members returns the document with each of its members changed and removed, however deep.
func members(t *testing.T, document []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		t.Fatal(err)
	}
	note := func(what string) {
		encoded, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		all[what] = encoded
	}
	var walk func(at string, v any, set func(any))
	walk = func(at string, v any, set func(any)) {
		var other any
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				was := v[name]
				delete(v, name)
				note(at + "." + name + " removed")
				v[name] = was
				walk(at+"."+name, was, func(x any) { v[name] = x })
			}
			return
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), v[i], func(x any) { v[i] = x })
			}
			return
		case string:
			other = "A" + v
		case float64:
			other = v + 1
		default:
			other = "x"
		}
		set(other)
		note(at + " changed")
		set(v)
	}
	walk("", root, nil)
	return all
}

// TestTamperTable plays every scenario, shows that what it leaves behind proves it, and then changes whatever can be changed:
// every field of every kind of record, every record, every trail, every checkpoint. Each has to be found. The table makes
// itself from the types and from what was stored, so that nothing new can be forgotten.
func TestTamperTable(t *testing.T) {
	kinds := map[string]bool{}
	tried := 0
	for n, s := range append(scenarios(), looked(), purged()) {
		if s.alike {
			continue // the same kinds of records, very often
		}
		e := played(t, s)
		if found, held := e.prove(t); len(found) > 0 || held.Number == 0 || held.Left > 0 {
			t.Fatalf("%s: nothing was changed, and %+v: %v", s.name, held, found)
		}
		table := ofTrails(e)
		if n == 0 || len(e.trails) == 1 { // the archive is much the same for all, but where a request was deleted
			table = append(table, ofStored(t, e)...)
		}
		for chain, records := range e.trails {
			table = append(table, ofRecords(chain, len(records))...)
			for i, r := range records {
				if kind := fmt.Sprint(r.What, chain == ws); !kinds[kind] {
					kinds[kind], kinds[r.What] = true, true
					table = append(table, ofFields(chain, i)...)
				}
			}
		}
		for _, tamper := range table {
			changed := e.clone()
			tamper.do(changed)
			if reflect.DeepEqual(changed, e) {
				continue // it was so already
			}
			tried++
			if found, _ := changed.prove(t); len(found) == 0 {
				t.Errorf("%s: %s is not found", s.name, tamper.name)
			}
		}
	}
	for _, kind := range slices.Concat(events(), []string{"settings", "link", "files", "audit", "comment", "review_reminder", "review_escalation"}) {
		if !kinds[kind] && !slices.Contains(unplayed, kind) {
			t.Errorf("no scenario has a record of %s", kind)
		}
	}
	t.Logf("%d kinds of records, %d changes", len(kinds), tried)
}

// unplayed are events that no scenario has: another one of theirs stands for them.
var unplayed = []string{"resume_rejection", "resume_blocking"}

// events are all of the state machine.
func events() []string {
	var all []string
	for _, row := range sm.Transitions() {
		all = append(all, string(row.Event))
	}
	return all
}

// purged is a request whose files were deleted, and which is still there.
func purged() scenario {
	s := scenario{name: "without its files", settings: func(s *airlock.Settings) { s.Retention = airlock.Retention{Released: 10 * 24 * time.Hour} }}
	s.steps = []step{creates(airlock.Import), submits(sm.InReview, "a.csv"), reviews(manager, sm.DecisionApproved, sm.Approved),
		{name: "its data ends", want: sm.Approved, purged: true, do: func(p *play) error { p.now = p.now.Add(11 * 24 * time.Hour); return nil }}}
	return s
}

// looked is a request that people look at, and that is kept from its end.
func looked() scenario {
	read := func(p *play) error {
		for what, read := range readings(p.Service, p.id) {
			if err := read(p.t.Context(), owner); err != nil && what != "link" {
				return err
			}
		}
		return second2(p.WorkspaceAudit(p.t.Context(), admin, ws))
	}
	act := func(name string, want sm.Status, do func(p *play) error) step {
		return step{name: name, want: want, do: do}
	}
	return life("looked at and held", creates(airlock.Import), act("read", sm.Draft, read),
		act("hold", sm.Draft, func(p *play) error { return second2(p.Hold(p.t.Context(), admin, ws, p.id, "inquiry")) }),
		act("lift", sm.Draft, func(p *play) error { return second2(p.Lift(p.t.Context(), admin, ws, p.id, "no inquiry")) }),
		cancels(researcher))
}
