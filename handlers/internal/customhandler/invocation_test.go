package customhandler_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"airlock/handlers/internal/customhandler"
)

// decode runs data through a server, as the host would send it, and hands what the trigger got to check.
func decode(t *testing.T, data string, check func(customhandler.Invocation)) {
	t.Helper()
	h := newHost(t, func(_ context.Context, inv customhandler.Invocation) error {
		check(inv)
		return nil
	})
	h.call("POST", "/StatusChanged", `{"Data":{"b":`+data+`},"Metadata":{"DeliveryCount":"1","sys":{"MethodName":"StatusChanged"}}}`)
	if rep := h.report(t); rep.Outcome != customhandler.Succeeded {
		t.Errorf("%s: %q, %v", data, rep.Outcome, rep.Err)
	}
}

const failed = "\x00failed" // stands for an error in the tables below

func TestDecoders(t *testing.T) {
	tests := []struct {
		data                 string
		binary, text, object string
	}{
		{`"eyJhIjoxfQ=="`, `{"a":1}`, "eyJhIjoxfQ==", failed},
		{`"\"eyJhIjoxfQ==\""`, `{"a":1}`, "eyJhIjoxfQ==", failed},
		{`""`, "", "", failed},
		{`"\"\""`, "", "", failed},
		{`"eyJhIjoxfQ"`, failed, "eyJhIjoxfQ", failed},                  // padding is missing
		{`"eyJhIjoxfR=="`, failed, "eyJhIjoxfR==", failed},              // bits that encode nothing
		{`"{\"a\":1}"`, failed, `{"a":1}`, `{"a":1}`},                   // a plain string
		{`"\"{\\\"a\\\":1}\""`, failed, `{"a":1}`, `{"a":1}`},           // encoded twice
		{`" {\"a\":1} "`, failed, ` {"a":1} `, `{"a":1}`},               // with space around
		{`{"a":{"b":[1]}}`, failed, failed, `{"a":{"b":[1]}}`},          // nested
		{`"\"caf\\u00e9\""`, failed, "café", failed},                    // escapes in the inner string
		{`"\"half"`, failed, `"half`, failed},                           // not a JSON string inside
		{`"\"a\"b\""`, failed, `"a"b"`, failed},                         // neither
		{`"\""`, failed, `"`, failed},                                   // one quotation mark
		{`"{\"a\":"`, failed, `{"a":`, failed},                          // an object cut short
		{`"{} {}"`, failed, "{} {}", failed},                            // two objects
		{`null`, failed, failed, failed}, {`4`, failed, failed, failed}, // what no binding of ours has
		{`true`, failed, failed, failed}, {`[1]`, failed, failed, failed},
	}
	for _, tt := range tests {
		decode(t, tt.data, func(inv customhandler.Invocation) {
			check := func(decoder, got string, err error, want string) {
				if err != nil {
					got = failed
					if !strings.Contains(err.Error(), "StatusChanged") || !strings.Contains(err.Error(), "binding b ") {
						t.Errorf("%s(%s): error %q does not say where", decoder, tt.data, err)
					}
				}
				if got != want {
					t.Errorf("%s(%s) = %q, %v; want %q", decoder, tt.data, got, err, want)
				}
			}
			binary, err := inv.Binary("b")
			check("Binary", string(binary), err, tt.binary)
			text, err := inv.Text("b")
			check("Text", text, err, tt.text)
			object, err := inv.Object("b")
			check("Object", string(object), err, tt.object)
		})
	}
}

func TestMissingBinding(t *testing.T) {
	decode(t, `{}`, func(inv customhandler.Invocation) {
		_, binary := inv.Binary("other")
		_, text := inv.Text("other")
		_, object := inv.Object("other")
		_, timer := inv.Timer("other")
		for name, err := range map[string]error{"Binary": binary, "Text": text, "Object": object, "Timer": timer} {
			if err == nil {
				t.Errorf("%s of a binding that is not there gave no error", name)
			}
		}
	})
}

func TestTimer(t *testing.T) {
	tests := []struct {
		data    string
		pastDue bool
		fails   bool
	}{
		{`{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-22T09:00:00","Next":"2026-11-22T09:01:00"},"IsPastDue":true}`, true, false},
		{`{"ScheduleStatus":null,"IsPastDue":false}`, false, false},
		{`{}`, false, false},
		{`"{\"IsPastDue\":true}"`, true, false},
		{`{"IsPastDue":"soon"}`, false, true},
		{`"tick"`, false, true},
	}
	for _, tt := range tests {
		decode(t, tt.data, func(inv customhandler.Invocation) {
			timer, err := inv.Timer("b")
			if timer.PastDue != tt.pastDue || (err != nil) != tt.fails {
				t.Errorf("Timer(%s) = %+v, %v; want past due %v, error %v", tt.data, timer, err, tt.pastDue, tt.fails)
			}
		})
	}
}

// FuzzEnvelope posts any body: whatever it is, the answer is 200 or 500 with a JSON object, and there is one report.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		"", "{}", emptyEnvelope, `{"Data":{"message":"eyJhIjoxfQ=="},"Metadata":{"DeliveryCount":"1"}}`,
		`{"Data":{"event":{"id":"1","data":{"url":"https://x/"}}}}`, `{"Data":{"timer":{"IsPastDue":false}}}`, `{"data":{"a":null}}`,
		`{"Data":{"message":"\"{\\\"a\\\":1}\""}}`, "\xff", `{"Data":{"a":1e999}}`, strings.Repeat("[", 20_000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		h := newHost(t, func(_ context.Context, inv customhandler.Invocation) error {
			for name := range inv.Data {
				if object, err := inv.Object(name); err == nil && !json.Valid(object) {
					t.Errorf("Object gave %q", object)
				}
				if _, err := inv.Timer(name); err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("error of several lines: %q", err)
				}
			}
			return nil
		})
		res := h.call("POST", "/StatusChanged", body)
		mustBeJSONObject(t, res)
		if rep := h.report(t); (res.StatusCode == 200) != (rep.Outcome == customhandler.Succeeded) || (res.StatusCode != 200 && res.StatusCode != 500) {
			t.Errorf("status %d with outcome %q", res.StatusCode, rep.Outcome)
		}
	})
}

// FuzzBinary encodes any message as the host does for dataType binary and string, and expects it back.
func FuzzBinary(f *testing.F) {
	f.Add([]byte(`{"requestId":"r-1"}`))
	f.Add([]byte{})
	f.Add([]byte("\"\x00\xff\""))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<14 {
			return
		}
		once, err := json.Marshal(base64.StdEncoding.EncodeToString(body))
		if err != nil {
			t.Fatal(err)
		}
		twice, err := json.Marshal(string(once))
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range []string{string(once), string(twice)} {
			decode(t, data, func(inv customhandler.Invocation) {
				got, err := inv.Binary("b")
				if err != nil || string(got) != string(body) {
					t.Errorf("Binary(%s) = %q, %v; want %q", data, got, err, body)
				}
			})
		}
	})
}

// FuzzTarget sends any target: only the exact one runs the trigger.
func FuzzTarget(f *testing.F) {
	for _, target := range append(tricks, "/StatusChanged", "/api/x") {
		f.Add("POST", target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		h := newHost(t, nil)
		r := httptest.NewRequest("POST", "/", strings.NewReader(emptyEnvelope))
		r.Method, r.RequestURI = method, target
		r.Header.Set("User-Agent", "Azure-Functions-Host/4")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if ran, exact := len(h.runs) == 1, method == "POST" && target == "/StatusChanged"; ran != exact {
			t.Errorf("%q %q: trigger ran: %v", method, target, ran)
		}
		if w.Code >= 300 && w.Code < 400 {
			t.Errorf("%q %q: redirect %d", method, target, w.Code)
		}
	})
}
