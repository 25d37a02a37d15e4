package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/scripts/apiclient"
)

// TestSmallPlay is the whole of it, small: the real handler, real tables and containers, and a monkey.
func TestSmallPlay(t *testing.T) {
	var out bytes.Buffer
	p := plan{requests: 12, kills: 3, clients: 8, seed: 3, deadline: 2 * time.Minute}
	found, err := play(t.Context(), p, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	last := "chaos: 12 requests, 3 kills, lost 0, stuck 0, violations 0\n"
	if !found.well() || !strings.HasSuffix(out.String(), last) {
		t.Errorf("not all is well:\n%s", &out)
	}
}

func TestWhatIsAsked(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"-requests 0", "at least one request"}, {"-clients 0", "one client"}, {"-kills -1", "no fewer kills"}, {"200 50", `"200" is no flag`},
		{"-kill 3", "not defined: -kill"}, {"-h", flag.ErrHelp.Error()},
	} {
		var out bytes.Buffer
		err := run(t.Context(), strings.Fields(test.args), &out)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.args, err)
		}
		if test.args == "-h" && !strings.HasPrefix(out.String(), help) {
			t.Errorf("it helps with %q", &out)
		}
	}
}

func TestTheSameSeedGivesTheSameRoles(t *testing.T) {
	different := false
	for i := range 50 {
		a, b := cast(7, i), cast(7, i)
		if !reflect.DeepEqual(a, b) || !maps.Equal(a.sums(1), b.sums(1)) {
			t.Fatalf("role %d differs from itself", i)
		}
		different = different || !reflect.DeepEqual(a.names, cast(8, i).names)
		if (a.infected || a.silenced) && a.workspace != 0 {
			t.Errorf("role %d needs a scanner and has none", i)
		}
	}
	if !different {
		t.Error("every seed gives the same")
	}
}

// TestChangesAreSeen: a request that was returned must end with other bytes than it began with, or a test of them proves
// nothing.
func TestChangesAreSeen(t *testing.T) {
	r := role{seed: 1, names: []string{"a", "b"}}
	first, second := r.sums(1), r.sums(2)
	if first["a"] == second["a"] || first["b"] != second["b"] {
		t.Errorf("version 1 is %v, version 2 is %v", first, second)
	}
}

func TestRecordsAreHeldAgainstAnswers(t *testing.T) {
	for _, test := range []struct {
		name             string
		answer           answer
		recorded         int
		lost, violations int
	}{
		{"done and recorded", done, 1, 0, 0},
		{"done and not recorded", done, 0, 1, 0},
		{"done twice", done, 2, 0, 1},
		{"refused and not recorded", no, 0, 0, 0},
		{"refused and recorded", no, 1, 0, 1},
		{"an answer that was lost, recorded", unknown, 1, 0, 0},
		{"an answer that was lost, not recorded", unknown, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := &judge{attempts: map[string]*attempt{"t": {trace: "t", action: "submit", answer: test.answer, recorded: test.recorded}}}
			j.records()
			if len(j.found.lost) != test.lost || len(j.found.violations) != test.violations {
				t.Errorf("got %v and %v", j.found.lost, j.found.violations)
			}
		})
	}
}

func TestOnlyAnUntouchedDraftMayBeAStranger(t *testing.T) {
	made := apiclient.Record{What: "create", To: "draft", Trace: "t"}
	for _, test := range []struct {
		name   string
		answer answer
		status string
		trail  []apiclient.Record
		extras int
	}{
		{"of a lost answer", unknown, "draft", []apiclient.Record{made}, 1},
		{"of an answer that came", done, "draft", []apiclient.Record{made}, 0},
		{"one that went on", unknown, "submitted", []apiclient.Record{made, {What: "submit"}}, 0},
		{"of nobody", unknown, "draft", []apiclient.Record{{What: "create", Trace: "another"}}, 0},
		{"without a trail", unknown, "draft", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := &judge{
				attempts: map[string]*attempt{"t": {trace: "t", answer: test.answer}},
				listed:   map[string]string{"id": test.status}, trails: map[string][]apiclient.Record{"id": test.trail},
			}
			j.strangers(map[string]bool{})
			if j.found.extras != test.extras || len(j.found.violations) != 1-test.extras {
				t.Errorf("got %d extras and %v", j.found.extras, j.found.violations)
			}
		})
	}
}

func TestConsoleCounts(t *testing.T) {
	var passed bytes.Buffer
	c := &console{next: &passed}
	text := `{"message":"invocation","function":"Sweep","became":["workspaces 2, due 0, failed 0"]}
{"message":"invocation","function":"Sweep","became":["workspaces 2, due 3, failed 0"]}
{"message":"problem","error":"x"}
{"message":"invocation","function":"StatusChanged","error":"y"}
panic: z
`
	for _, piece := range []string{text[:40], text[40:]} {
		if _, err := fmt.Fprint(c, piece); err != nil {
			t.Fatal(err)
		}
	}
	want := printed{sweeps: 2, useful: 1, problems: 1, failures: 1, crashes: []string{"panic: z"}}
	if got := c.tally(); !reflect.DeepEqual(got, want) || passed.String() != text {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestConsoleIsReadWhileTheHandlerPrints is for the race detector: the handler lives on while the play is summed up.
func TestConsoleIsReadWhileTheHandlerPrints(t *testing.T) {
	const lines = 100
	c := &console{}
	var handler sync.WaitGroup
	handler.Go(func() {
		for range lines {
			fmt.Fprintln(c, "panic: z")
		}
	})
	for range lines {
		c.tally()
	}
	handler.Wait()
	if got := len(c.tally().crashes); got != lines {
		t.Errorf("%d of %d crashes were read", got, lines)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&apiclient.Refusal{Status: 409}, true}, {fmt.Errorf("submit: %w", &apiclient.Refusal{Status: 400}), true},
		{&apiclient.Refusal{Status: 502}, false}, {&apiclient.Refusal{Status: 503}, false}, {errors.New("cut off"), false},
	} {
		if got := refused(test.err); got != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}

// TestAnswersAreCounted: by their status, whatever it is. No answer is none.
func TestAnswersAreCounted(t *testing.T) {
	statuses := []int{200, 409, 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if len(statuses) == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
	}))
	t.Cleanup(server.Close)
	l := newLedger()
	client := &http.Client{Transport: counted{server.Client().Transport, l}}
	for range 4 {
		if response, err := client.Get(server.URL); err == nil {
			response.Body.Close()
		}
	}
	if got := fmt.Sprint(l.answers()); got != "map[200:2 409:1]" {
		t.Errorf("counted %s", got)
	}
}
