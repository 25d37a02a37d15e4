package trigger_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"airlock/functions"
	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/customhandler"
	"airlock/handlers/internal/trigger"
)

// domain is a Service that notes what it was asked and answers as it was told.
type domain struct {
	asked []string
	err   error
	swept airlock.Swept
	heard airlock.Heard
}

func (d *domain) Reconcile(_ context.Context, workspace, id string) error {
	d.asked = append(d.asked, "reconcile "+workspace+" "+id)
	return d.err
}

func (d *domain) Stored(_ context.Context, p airlock.Place) (airlock.Heard, error) {
	d.asked = append(d.asked, "stored "+p.Account+" "+p.Container)
	return d.heard, d.err
}

func (d *domain) ScannedAll(_ context.Context, reports []airlock.ScanReport) (heard []airlock.Heard, err error) {
	for _, r := range reports {
		d.asked = append(d.asked, "scanned "+r.Place.Account+" "+r.Place.Container+" "+r.Name+" "+r.ETag+" "+string(r.Verdict.Result))
		heard = append(heard, d.heard)
	}
	return heard, d.err
}

func (d *domain) Sweep(context.Context) (airlock.Swept, error) {
	d.asked = append(d.asked, "sweep")
	return d.swept, d.err
}

// decodeNudge reads "workspace request".
func decodeNudge(body []byte) (airlock.Nudge, error) {
	workspace, request, ok := strings.Cut(string(body), " ")
	if !ok {
		return airlock.Nudge{}, errors.New("not a nudge")
	}
	return airlock.Nudge{Workspace: workspace, Request: request}, nil
}

// invoke lets a host call a function with the value of its binding, and returns the status of the answer and the report.
func invoke(t *testing.T, d *domain, function, data string) (int, customhandler.Report) {
	t.Helper()
	var report customhandler.Report
	server, err := customhandler.New(customhandler.Options{
		Functions: trigger.New(d, decodeNudge), HTTP: http.NotFoundHandler(), Timeout: time.Minute,
		Report: func(r customhandler.Report) { report = r },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/"+function, strings.NewReader(`{"Data":`+data+`,"Metadata":{}}`))
	r.Header.Set("User-Agent", customhandler.HostUserAgent+"4.0")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the host cannot read the answer %q (%s)", w.Body, w.Header().Get("Content-Type"))
	}
	return w.Code, report
}

// object is how a host passes on an Event Grid event.
func object(event string) string { return `{"event":` + event + `}` }

// binary is how a host passes on the body of a Service Bus message.
func binary(binding, body string) string {
	return `{"` + binding + `":"` + base64.StdEncoding.EncodeToString([]byte(body)) + `"}`
}

func TestTriggersHandOver(t *testing.T) {
	created := blobCreated("stalimip1", container, "a b/c.csv")
	verdict := scanResult("No threats found", "null")
	tests := []struct {
		name, function, data string
		asked                string // of the domain; empty: nothing
		became               string
	}{
		{"a nudge", functions.StatusChanged, binary("message", "ws "+container), "reconcile ws " + container, "nudged"},
		{"a blob, by Event Grid", functions.BlobCreated, object(created), "stored stalimip1 " + container, "verdict"},
		{"a blob, by Service Bus", functions.BlobCreated, binary("event", created), "stored stalimip1 " + container, "verdict"},
		{"a verdict, by Event Grid", functions.ScanResult, object(verdict),
			"scanned stalimip1 " + container + " a b/c.csv 0x8D No threats found", "verdict"},
		{"a verdict, by Service Bus", functions.ScanResult, binary("event", verdict),
			"scanned stalimip1 " + container + " a b/c.csv 0x8D No threats found", "verdict"},
		{"another event of storage", functions.BlobCreated, object(`{"eventType":"Microsoft.Storage.BlobDeleted"}`), "", "another event type"},
		{"another event, by Service Bus", functions.ScanResult, binary("event", created), "", "another event type"},
		{"a tick", functions.Sweep, `{"timer":{"IsPastDue":false}}`, "sweep", "workspaces 3, due 2, failed 0, left 1, late 5m0s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &domain{heard: airlock.HeardVerdict, swept: airlock.Swept{Workspaces: 3, Due: 2, Left: 1, Late: 5 * time.Minute}}
			status, report := invoke(t, d, test.function, test.data)
			if status != http.StatusOK || report.Err != nil {
				t.Fatalf("status %d, %v; the host has to forget this", status, report.Err)
			}
			if got := strings.Join(d.asked, "; "); got != test.asked {
				t.Errorf("the domain was asked %q, want %q", got, test.asked)
			}
			if got := strings.Join(report.Logs, "; "); got != test.became {
				t.Errorf("reported %q, want %q", got, test.became)
			}
		})
	}
}

// What nobody can read goes back to the host each time, so that it ends in the dead-letter queue; the domain is not asked.
func TestUndecodableGoesBack(t *testing.T) {
	const secret = "sig=c2VjcmV0"
	tests := map[string]struct{ function, data string }{
		"a nudge without its binding":        {functions.StatusChanged, `{}`},
		"a nudge bound as text":              {functions.StatusChanged, `{"message":"{}"}`},
		"a nudge that is none":               {functions.StatusChanged, binary("message", secret)},
		"a blob event without its binding":   {functions.BlobCreated, `{"message":"e30="}`},
		"a blob event that is null":          {functions.BlobCreated, `{"event":null}`},
		"a blob event that is a list":        {functions.BlobCreated, object(`[` + blobCreated("a", "b", "c") + `]`)},
		"a message that holds a list":        {functions.BlobCreated, binary("event", `[`+blobCreated("a", "b", "c")+`]`)},
		"a message that holds no JSON":       {functions.BlobCreated, binary("event", secret)},
		"a message that holds nothing":       {functions.BlobCreated, `{"event":""}`},
		"a blob event without a type":        {functions.BlobCreated, object(`{}`)},
		"a blob event without a blob":        {functions.BlobCreated, object(blobCreated("a", "b", ""))},
		"a type that is a number":            {functions.BlobCreated, object(`{"eventType":` + "18446744073709551616" + `}`)},
		"a scan result without data":         {functions.ScanResult, object(`{"eventType":"Microsoft.Security.MalwareScanningResult"}`)},
		"a scan result whose data is a text": {functions.ScanResult, object(`{"eventType":"Microsoft.Security.MalwareScanningResult","data":"` + secret + `"}`)},
		"a message with such a result":       {functions.ScanResult, binary("event", `{"eventType":"Microsoft.Security.MalwareScanningResult","data":7}`)},
		"a tick that is none":                {functions.Sweep, `{"timer":"soon"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &domain{}
			status, report := invoke(t, d, test.function, test.data)
			if status != http.StatusInternalServerError || report.Err == nil {
				t.Fatalf("status %d, %v; the host must not forget this", status, report.Err)
			}
			if !strings.Contains(report.Err.Error(), "cannot be understood") {
				t.Errorf("the log does not say that it cannot be understood: %v", report.Err)
			}
			if strings.Contains(report.Err.Error(), secret) {
				t.Errorf("the log quotes what arrived: %v", report.Err)
			}
			if len(d.asked) > 0 {
				t.Errorf("the domain was asked %q", d.asked)
			}
		})
	}
}

// What the domain could neither do nor arrange to come back to must come again.
func TestErrorsOfTheDomainGoBack(t *testing.T) {
	cause := errors.New("neither stored nor scheduled")
	for function, data := range map[string]string{
		functions.StatusChanged: binary("message", "ws "+container),
		functions.BlobCreated:   object(blobCreated("stalimip1", container, "a")),
		functions.ScanResult:    binary("event", scanResult("Malicious", "null")),
		functions.Sweep:         `{"timer":{}}`,
	} {
		t.Run(function, func(t *testing.T) {
			d := &domain{err: cause}
			status, report := invoke(t, d, function, data)
			if status != http.StatusInternalServerError || !errors.Is(report.Err, cause) {
				t.Errorf("status %d, %v; want 500 with the domain's error", status, report.Err)
			}
			if strings.Contains(report.Err.Error(), "cannot be understood") {
				t.Errorf("it was understood: %v", report.Err)
			}
			if len(d.asked) != 1 {
				t.Errorf("the domain was asked %d times", len(d.asked))
			}
		})
	}
}

func TestEveryFunctionButTheAPIHasATrigger(t *testing.T) {
	triggers := trigger.New(&domain{}, decodeNudge)
	for _, name := range functions.Names() {
		if _, ok := triggers[name]; ok == (name == functions.API) {
			t.Errorf("function %s: trigger %v", name, ok)
		}
	}
	if len(triggers) != len(functions.Names())-1 {
		t.Errorf("%d triggers for the functions %v", len(triggers), functions.Names())
	}
}
