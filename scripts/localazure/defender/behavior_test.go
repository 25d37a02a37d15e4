package defender_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"airlock/scripts/localazure/defender"
)

func TestBehaviors(t *testing.T) {
	virus := string(defender.EICAR())
	for _, tt := range []struct {
		name     string
		behavior defender.Behavior
		text     string
		event    string // scanResultType, "" for no event
		reason   string
		tag      string // "" for no tags
		took     time.Duration
	}{
		{"normal", defender.Behavior{}, virus, "Malicious", "", "Malicious", 0},
		{"slow", defender.Behavior{Delay: time.Minute}, "x", "No threats found", "", "No threats found", time.Minute},
		{"silent", defender.Behavior{Silent: true}, "x", "", "", "", 0},
		{"slow, then silent", defender.Behavior{Silent: true, Delay: time.Hour}, "x", "", "", "", time.Hour},
		{"delayed by the service", defender.Behavior{NotScanned: defender.CodeDelayed}, virus, "Not Scanned", "SAM259215: Not scanned - delayed by the service.", "Not scanned", 0},
		{"a code that is new", defender.Behavior{NotScanned: "SAM259299"}, "x", "Not Scanned", "SAM259299: Not scanned - the service could not scan the blob.", "Not scanned", 0},
		{"event only", defender.Behavior{NoTags: true}, "x", "No threats found", "", "", 0},
		{"tags only", defender.Behavior{NoEvent: true}, "x", "", "", "No threats found", 0},
		{"forged event", defender.Behavior{NoTags: true, Claim: defender.Clean}, virus, "No threats found", "", "", 0},
		{"false alarm", defender.Behavior{Claim: defender.Malicious}, "x", "Malicious", "", "Malicious", 0},
		{"claims not to have scanned", defender.Behavior{Claim: defender.NotScanned}, "x", "Not Scanned", "SAM259201: Not scanned - an internal error occurred.", "Not scanned", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAzure(t, defender.Options{Behavior: tt.behavior})
			start := time.Now()
			a.put(t, "f", tt.text)
			if err := a.Idle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != tt.took {
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.took)
			}
			event, reason := "", ""
			for _, e := range a.events {
				event += e.Data.ScanResultType
				if d := e.Data.ScanResultDetails; d != nil {
					reason += d.NotScannedReason
				}
			}
			if event != tt.event || reason != tt.reason || a.tags["acct/c/f"]["Malware Scanning scan result"] != tt.tag {
				t.Errorf("%s: event %q, reason %q, tags %v; want %q, %q, %q", tt.name, event, reason, a.tags, tt.event, tt.reason, tt.tag)
			}
		})
	}
}

func TestSlowBlobHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzure(t, defender.Options{Workers: 1})
		a.BehaveFor(func(b defender.Blob) bool { return strings.HasPrefix(b.Name, "slow") }, defender.Behavior{Delay: time.Hour})
		start := time.Now()
		a.put(t, "slow", "x")
		a.put(t, "fast", "x")
		synctest.Wait()
		if stats := a.Stats(); stats.Clean != 1 || time.Since(start) != 0 {
			t.Errorf("after %v: %+v, want the fast one done", time.Since(start), stats)
		}
		if err := a.Idle(t.Context()); err != nil || a.Stats().Clean != 2 || time.Since(start) != time.Hour {
			t.Errorf("after %v: %v, %+v; want both done after 1h", time.Since(start), err, a.Stats())
		}
	})
}

func TestRules(t *testing.T) {
	a := newAzure(t, defender.Options{})
	in := func(container string) func(defender.Blob) bool {
		return func(b defender.Blob) bool { return b.Container == container }
	}
	results := func() string {
		t.Helper()
		return a.scan(t, "f", "x").Data.ScanResultType
	}
	expect := func(step, want string) {
		t.Helper()
		if got := results(); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	expect("at first", "No threats found")
	a.Behave(defender.Behavior{Claim: defender.Malicious})
	expect("general", "Malicious")
	first := a.BehaveFor(in("c"), defender.Behavior{NotScanned: defender.CodeDelayed})
	expect("rule before general", "Not Scanned")
	second := a.BehaveFor(in("c"), defender.Behavior{Claim: defender.Clean})
	a.BehaveFor(in("elsewhere"), defender.Behavior{Silent: true})
	expect("later rule before earlier", "No threats found")
	second()
	second()
	expect("earlier rule again", "Not Scanned")
	first()
	expect("general again", "Malicious")
	a.Behave(defender.Behavior{})
	expect("at last", "No threats found")
}
