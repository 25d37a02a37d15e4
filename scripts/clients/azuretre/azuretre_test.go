package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
)

var update = flag.Bool("update", false, "rewrite the golden transcript")

const pageOrigin = "https://tre.example.org"

// TestClientsOfAzureTRE plays the clients against the airlock on a local Azure, and compares all that goes over the wire
// with the transcript in testdata.
func TestClientsOfAzureTRE(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	azure, err := localazure.Start(ctx, localazure.Options{Sweep: -1, Settings: map[string]string{
		"AIRLOCK_PLAIN_TEXT_ERRORS": "true", "AIRLOCK_ALLOWED_ORIGINS": pageOrigin,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer azure.Stop()
	w := azure.Workspaces[0]
	blocked(t, azure, w)
	var out bytes.Buffer
	err = run(ctx, []string{
		"-api", azure.Host.URL(), "-issuer", azure.Entra.Issuer(), "-workspace", w.ID, "-audience", w.Audience(), "-core", localazure.APIAudience, "-page", pageOrigin,
	}, &out)
	got := normal(out.String(), map[string]string{
		azure.Host.URL(): "API", azure.Storage.PlainURL(""): "STORAGE/", w.ID: "WORKSPACE",
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if strings.Contains(out.String(), "sig=") || strings.Contains(out.String(), "eyJ") {
		t.Error("the transcript holds a signature or a token")
	}
	file := filepath.Join("testdata", "transcript.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("what goes over the wire has changed (-update rewrites %s):\n%s", file, difference(string(want), got))
	}
}

// blocked leaves a request behind in which malware was found, for lists to find.
func blocked(t *testing.T, azure *localazure.Azure, w localazure.Workspace) {
	t.Helper()
	token, err := azure.Token("olga", w)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{options: options{api: azure.Host.URL(), workspace: w.ID, patience: time.Minute}, wire: wire{out: io.Discard}, tokens: map[string]string{"olga": token}}
	e, err := s.do(t.Context(), "olga", http.MethodPost, "", `{"type": "import"}`, http.StatusCreated)
	if err != nil {
		t.Fatal(err)
	}
	link, err := s.link(t.Context(), "olga", e.Request.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.blob(t.Context(), http.MethodPut, link, "tool.bin", string(defender.EICAR())); err != nil || a.status != http.StatusCreated {
		t.Fatal(a.status, err)
	}
	if _, err := s.do(t.Context(), "olga", http.MethodPost, "/"+e.Request.ID+"/submit", "", http.StatusOK); err != nil {
		t.Fatal(err)
	}
	if _, err := s.await(t.Context(), "olga", e.Request.ID, "blocked_by_scan"); err != nil {
		t.Fatal(err)
	}
}

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times  = regexp.MustCompile(`\b1[0-9]{9}\.[0-9]+`)
	stamps = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z`)
	etags  = regexp.MustCompile(`"_etag":"[^"]*"`)
	counts = regexp.MustCompile(`"resourceVersion":[0-9]+`) // how many steps the system takes differs with its luck
)

// normal is a transcript without what is different each time.
func normal(text string, names map[string]string) string {
	for value, name := range names {
		text = strings.ReplaceAll(text, value, name)
	}
	numbers := map[string]int{}
	text = uuids.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == 0 {
			numbers[id] = len(numbers) + 1
		}
		return fmt.Sprintf("ID-%d", numbers[id])
	})
	text = times.ReplaceAllString(text, "TIME")
	text = counts.ReplaceAllString(text, `"resourceVersion":COUNT`)
	text = stamps.ReplaceAllString(text, "STAMP")
	return etags.ReplaceAllString(text, `"_etag":"ETAG"`)
}

// difference is the first line in which two texts differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, x, y)
		}
	}
	return "nothing"
}
