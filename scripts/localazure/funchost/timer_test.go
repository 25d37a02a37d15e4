package funchost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// timerOf decodes what a timer function got.
func timerOf(t *testing.T, c call) (info struct {
	IsPastDue      bool
	ScheduleStatus struct{ Last, Next string }
}) {
	t.Helper()
	data, _ := envelopeOf(t, c)
	if err := json.Unmarshal(data["timer"], &info); err != nil {
		t.Fatalf("timer is %s: %v", data["timer"], err)
	}
	return info
}

func TestTimerComesByItself(t *testing.T) {
	a := newApp(t, map[string]string{
		"Often": timerBinding, "Never": timerBinding,
		"Second": `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"%WHEN%"}`,
		"Start":  `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 0 0 1 1 *","runOnStartup":true}`,
	}, nil)
	a.opts.Env = append(a.opts.Env, "WHEN=* * * * * *")
	a.opts.Timers = map[string]time.Duration{"Often": 10 * time.Millisecond, "Never": -1}
	h := a.start()
	eventually(t, "both timers", func() bool { return len(a.got("/Often")) >= 3 && len(a.got("/Second")) >= 1 })
	if n := len(a.got("/Start")); n != 1 {
		t.Errorf("the timer with runOnStartup ran %d times, want once", n)
	}
	if n := len(a.got("/Never")); n != 0 {
		t.Errorf("the timer without an interval ran %d times", n)
	}
	if err := h.RunTimer(t.Context(), "Never"); err != nil {
		t.Fatal(err)
	}
	if calls := a.got("/Never"); len(calls) != 1 || timerOf(t, calls[0]).IsPastDue {
		t.Errorf("calls by hand are %v", calls)
	}
}

// In fake time, a schedule fires at its occurrences and only there, once each, even by a clock that runs slow
// and so has not reached an occurrence when the wait for it is over.
func TestTimerFollowsItsSchedule(t *testing.T) {
	a := newApp(t, map[string]string{"Sweep": timerBinding}, nil)
	synctest.Test(t, func(t *testing.T) {
		var readings atomic.Int64
		a.opts.Now = func() time.Time { return time.Now().Add(-time.Duration(readings.Add(1)) * time.Millisecond) }
		h, err := prepare(a.opts)
		if err != nil {
			t.Fatal(err)
		}
		h.worker.gone = ErrHandlerExited // invocations fail at once, without a process
		<-time.After(time.Second)        // the fake clock starts at midnight, which is an occurrence
		done := make(chan struct{})
		go func() {
			h.runTimer(h.functions[0])
			close(done)
		}()
		<-time.After(30 * time.Second)
		for n := range 10 {
			if got := h.Stats()["Sweep"].Invocations; got != n {
				t.Fatalf("%d runs after %d minutes and a half", got, n)
			}
			<-time.After(time.Minute)
		}
		h.deafen()
		<-done
	})
}

func TestMissedRunIsPastDue(t *testing.T) {
	for _, tt := range []struct {
		name string
		next time.Duration // of the remembered run, from now
		want bool
	}{{"missed", -time.Hour, true}, {"not yet due", time.Hour, false}} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, map[string]string{"Sweep": timerBinding, "Other": timerBinding}, nil)
			last := time.Now().Add(-2 * time.Hour).UTC()
			raw, err := json.Marshal(map[string]timerStatus{"Sweep": {Last: last, LastUpdated: last, Next: time.Now().Add(tt.next).UTC()}})
			if err != nil {
				t.Fatal(err)
			}
			a.opts.TimerState = filepath.Join(t.TempDir(), "timers.json")
			if err := os.WriteFile(a.opts.TimerState, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			a.opts.Timers = map[string]time.Duration{"Sweep": time.Hour, "Other": 10 * time.Millisecond}
			h := a.start()
			eventually(t, "the other timer", func() bool { return len(a.got("/Other")) > 0 })
			if tt.want {
				eventually(t, "the missed run", func() bool { return len(a.got("/Sweep")) == 1 })
				info := timerOf(t, a.got("/Sweep")[0])
				if !info.IsPastDue || info.ScheduleStatus.Last != last.Format(dateTimeOffset) {
					t.Errorf("timer is %+v", info)
				}
			} else if n := len(a.got("/Sweep")); n != 0 {
				t.Errorf("%d runs, none is due", n)
			}
			if err := h.RunTimer(t.Context(), "Sweep"); err != nil {
				t.Fatal(err)
			}
			h.Stop()
			saved, err := os.ReadFile(a.opts.TimerState)
			if err != nil {
				t.Fatal(err)
			}
			var states map[string]timerStatus
			if err := json.Unmarshal(saved, &states); err != nil {
				t.Fatal(err)
			}
			s := states["Sweep"]
			if wait := s.Next.Sub(s.Last); wait != time.Hour || time.Since(s.Last) > patience || states["Other"].Last.IsZero() {
				t.Errorf("remembered is %s", saved)
			}
		})
	}
}

func TestTimerStateThatCannotBeWritten(t *testing.T) {
	a := newApp(t, map[string]string{"Sweep": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	a.opts.TimerState = filepath.Join(t.TempDir(), "no", "such", "folder")
	h := a.start()
	if err := h.RunTimer(t.Context(), "Sweep"); err != nil {
		t.Errorf("the run failed: %v", err)
	}
	if !strings.Contains(a.log.String(), "not remembered") {
		t.Error("the log does not say that the run is not remembered")
	}
}
