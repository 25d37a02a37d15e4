package airlock_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/dsse"
	"airlock/scripts/jsonschema"
	sm "airlock/statemachine"
)

// signs lets a world sign with a key whose signatures differ each time, as those of Key Vault do.
func (w *world) signs() *ecdsa.PublicKey {
	w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := dsse.ParsePrivate(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		w.t.Fatal(err)
	}
	w.Signer, w.Service.Version = dsse.Signer{Key: key}, "1.2.3"
	return &private.PublicKey
}

// disclosed returns the record of a decision, which has to be as the schema says and signed.
func (w *world) disclosed(key *ecdsa.PublicKey, id string, round int) (airlock.Disclosure, []byte) {
	w.t.Helper()
	envelope, err := w.Disclosure(w.t.Context(), owner, ws, id, round)
	if err != nil {
		w.t.Fatal(err)
	}
	document, err := dsse.Verify(airlock.DisclosureType, envelope, key)
	if err != nil {
		w.t.Fatal(err)
	}
	schemas, err := jsonschema.Load(os.DirFS("schema"))
	if err != nil {
		w.t.Fatal(err)
	}
	schema := schemas["disclosure.v1.json"]
	if err := schema.Validate(document); err != nil {
		w.t.Errorf("%v: %s", err, document)
	}
	if paths, err := schema.Undescribed(document); err != nil || len(paths) > 0 {
		w.t.Errorf("the schema does not describe %v, %v", paths, err)
	}
	var d airlock.Disclosure
	if err := json.Unmarshal(document, &d); err != nil {
		w.t.Fatal(err)
	}
	return d, envelope
}

// undecided checks that there is no record yet.
func (w *world) undecided(id string, round int) {
	w.t.Helper()
	before := w.read(id).RecordSeq
	_, err := w.Disclosure(w.t.Context(), owner, ws, id, round)
	if p := refusal(w.t, err); p.Code != "undecided" || p.Kind != airlock.Ruled {
		w.t.Errorf("%v", err)
	}
	if after := w.read(id).RecordSeq; after != before {
		w.t.Error("what was refused is recorded")
	}
}

func TestTheRecordOfEachDecision(t *testing.T) {
	w := newWorld(t)
	key := w.signs()
	r := w.create(researcher, airlock.Export)
	w.undecided(r.ID, 0)
	w.upload(r, "a.csv", "one")
	w.settle()
	w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.undecided(r.ID, 0)
	w.now = w.now.Add(time.Hour)
	w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "no names"}))
	first, firstEnvelope := w.disclosed(key, r.ID, 0)
	if first.Round != 1 || first.Decision.What != "return" || first.Outcome.What != "return" || len(first.Reviews) != 1 || first.Reviews[0].Explanation != "no names" {
		t.Errorf("%+v", first)
	}
	if first.Policy == nil || first.Policy.Version != first.Version || !slices.Equal(first.Reviews[0].Slots, []string{"airlock-manager"}) {
		t.Errorf("%+v", first)
	}
	// Another policy from the next round on; that of this one stays on record.
	checked := airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{roleSlot("checker", 1, airlock.RoleManager)}}
	if err := w.change(admin, under(checked)); err != nil {
		t.Fatal(err)
	}
	r = w.read(r.ID)
	w.upload(r, "b.csv", "two")
	w.settle()
	w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.undecided(r.ID, 2)
	w.now = w.now.Add(time.Hour)
	r = w.do(w.Review(t.Context(), second, ws, r.ID, airlock.NewReview{Decision: sm.DecisionApproved, Explanation: "well"}))
	w.want(r, sm.Approved)

	d, envelope := w.disclosed(key, r.ID, 0)
	records, err := w.store.Records(t.Context(), ws, r.ID, 0, airlock.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.store.Manifest(t.Context(), ws, r.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	decision := records[d.Decision.Seq-1]
	if d.Round != 2 || d.TRE != "tre" || d.Request != r.ID || d.Requester.ID != researcher.ID || d.Decision.What != "approve" || d.Decision.Who.ID != second.ID ||
		d.Decision.Hash != decision.Hash || !d.Decision.When.Equal(decision.When) || d.Outcome.What != "moved" || d.Outcome.Status != "approved" ||
		d.Manifest.Digest != m.Digest() || len(d.Manifest.Files) != len(m.Files) || d.Manifest.Files[0].SHA256 != m.Files[0].SHA256 ||
		d.Gates[0].Verdict != "passed" || len(d.Reviews) != 1 || d.Reviews[0].Reviewer.ID != second.ID || d.Tool != "1.2.3" || !d.Submitted.Before(d.Decision.When) {
		t.Errorf("%+v", d)
	}

	if d.Policy == nil || d.Policy.Slots[0].Name != "checker" || d.Policy.Version <= first.Version || !slices.Equal(d.Reviews[0].Slots, []string{"checker"}) {
		t.Errorf("%+v", d)
	}

	// The same bytes, whatever comes after: other readers, a newer program, a revocation.
	w.Service.Version = "9.9.9"
	w.do(w.Revoke(t.Context(), manager, ws, r.ID, "wrong project"))
	for round, want := range map[int][]byte{0: envelope, 2: envelope, 1: firstEnvelope} {
		for range 2 {
			if _, got := w.disclosed(key, r.ID, round); !bytes.Equal(got, want) {
				t.Errorf("the record of round %d became %s", round, got)
			}
		}
	}
	last := w.read(r.ID)
	if rec, err := w.store.Records(t.Context(), ws, r.ID, last.RecordSeq-1, 1); err != nil || rec[0].What != "record" || rec[0].Who != owner.ID {
		t.Errorf("%+v, %v", rec, err)
	}
	w.check(last)
	w.undecided(r.ID, 3)
}

func TestTheRecordOfEveryKindOfDecision(t *testing.T) {
	reject := airlock.NewReview{Decision: sm.DecisionRejected, Explanation: "no"}
	for name, test := range map[string]struct {
		settings func(*airlock.Settings)
		do       func(w *world) airlock.Request
		decision string
		gate     string
	}{
		"rejected": {nil, func(w *world) airlock.Request {
			r := w.submitted(airlock.Import, "x")
			return w.do(w.Review(t.Context(), manager, ws, r.ID, reject))
		}, "reject", "passed"},
		"rejected when all were heard": {func(s *airlock.Settings) {
			policy := airlock.ManagerPolicy(2)
			policy.OneRejectionEnds = false
			under(policy)(s)
		}, func(w *world) airlock.Request {
			r := w.submitted(airlock.Import, "x")
			w.do(w.Review(t.Context(), manager, ws, r.ID, reject))
			return w.do(w.Review(t.Context(), second, ws, r.ID, approve()))
		}, "conclude", "passed"},
		"rejected by the last": {func(s *airlock.Settings) {
			policy := airlock.ManagerPolicy(2)
			policy.OneRejectionEnds = false
			under(policy)(s)
		}, func(w *world) airlock.Request {
			r := w.submitted(airlock.Import, "x")
			w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
			return w.do(w.Review(t.Context(), second, ws, r.ID, reject))
		}, "reject", "passed"},
		"blocked": {nil, func(w *world) airlock.Request {
			w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
			return w.submitted(airlock.Import, "x")
		}, "block", "blocked"},
		"not scanned": {func(s *airlock.Settings) { s.Scanning = false }, func(w *world) airlock.Request {
			r := w.submitted(airlock.Import, "x")
			return w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
		}, "approve", "off"},
	} {
		t.Run(name, func(t *testing.T) {
			var settings []func(*airlock.Settings)
			if test.settings != nil {
				settings = append(settings, test.settings)
			}
			w := newWorld(t, settings...)
			key := w.signs()
			r := test.do(w)
			d, _ := w.disclosed(key, r.ID, 0)
			if d.Decision.What != test.decision || d.Gates[0].Verdict != test.gate || d.Outcome.What != "moved" {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestARecordOfWhatWasChangedIsNotGivenOut checks that a document that is not the one that was signed wakes people up instead.
func TestARecordOfWhatWasChangedIsNotGivenOut(t *testing.T) {
	for name, spoil := range map[string]func(b *bent){
		"a review": func(b *bent) {
			b.request = func(r *airlock.Request) { r.Reviews = slices.Clone(r.Reviews); r.Reviews[0].Explanation = "!" }
		},
		"the title": func(b *bent) { b.request = func(r *airlock.Request) { r.Title += "!" } },
		"the trail": func(b *bent) { b.records = others },
		"the manifest": func(b *bent) {
			b.manifest = func(m *airlock.Manifest) { m.Files = slices.Clone(m.Files); m.Files[0].Size++ }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			key := w.signs()
			r := w.submitted(airlock.Import, "x")
			w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
			w.disclosed(key, r.ID, 0)
			b := &bent{Store: w.store}
			spoil(b)
			w.Service.Store, w.problems = b, nil
			if _, err := w.Disclosure(t.Context(), owner, ws, r.ID, 0); !errors.Is(err, airlock.ErrBroken) {
				t.Errorf("%v", err)
			}
			if len(w.problems) != 1 || !errors.Is(w.problems[0], airlock.ErrBroken) {
				t.Errorf("reported: %v", w.problems)
			}
		})
	}
}
