package api

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"airlock/handlers/internal/airlock"
)

const asAdmin = "Authorization: Bearer admin"

// TestSettingsRoundTrip reads settings and puts them back as they came: the same arrive, with the ETag that was read.
func TestSettingsRoundTrip(t *testing.T) {
	stored := someSettings()
	e := newEdge(t).expect("Settings", stored, nil).expect("PutSettings", stored, nil)
	read := e.do("GET", settingsAt, "", asAdmin)
	etag := read.Header().Get("ETag")
	e.calls()
	w := e.do("PUT", settingsAt, read.Body.String(), asAdmin, "If-Match: "+etag)
	want := stored
	want.Version, want.ChangedBy, want.ChangedAt = 0, "", time.Time{} // not the client's to say
	if got := e.calls(); w.Code != 200 || got != fmt.Sprintf("PutSettings %s %+v", admin.ID, want) {
		t.Errorf("status %d, called %s\nwant %+v", w.Code, got, want)
	}
	if w.Body.String() != read.Body.String() || w.Header().Get("ETag") != etag {
		t.Errorf("answered %s", w.Body)
	}
}

// TestReviewPoliciesRoundTrip does the same with settings that have review policies instead of approvals.
func TestReviewPoliciesRoundTrip(t *testing.T) {
	stored := someSettings()
	stored.Approvals, stored.SelfReview = 0, false
	one, other := somePolicy(), airlock.Policy{Slots: []airlock.Slot{{Name: "one", Count: 1, Roles: []airlock.Role{airlock.RoleOwner}}}}
	one.Version = 0
	stored.Policies = map[airlock.Direction]airlock.Policy{airlock.Import: one, airlock.Export: other}
	e := newEdge(t).expect("Settings", stored, nil).expect("PutSettings", stored, nil)
	read := e.do("GET", settingsAt, "", asAdmin)
	golden(t, "settings_policies.json", indented(t, read.Body.Bytes()))
	e.calls()
	w := e.do("PUT", settingsAt, read.Body.String(), asAdmin, "If-Match: "+read.Header().Get("ETag"))
	want := stored
	want.Version, want.ChangedBy, want.ChangedAt = 0, "", time.Time{} // not the client's to say
	if got := e.calls(); w.Code != 200 || got != fmt.Sprintf("PutSettings %s %+v", admin.ID, want) {
		t.Errorf("status %d, called %s\nwant %+v", w.Code, got, want)
	}
	if w.Body.String() != read.Body.String() {
		t.Errorf("answered %s", w.Body)
	}
}

// TestApprovalsAndPoliciesAreTwoWaysToSayIt puts settings with neither, one and both.
func TestApprovalsAndPoliciesAreTwoWaysToSayIt(t *testing.T) {
	const slots = `{"slots":[{"name":"a","count":2,"roles":["AirlockManager"]}]}`
	policy := airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{{Name: "a", Count: 2, Roles: []airlock.Role{airlock.RoleManager}}}}
	for body, change := range map[string]func(*airlock.Settings){
		`{}`:                                func(*airlock.Settings) {},
		`{"approvals":3}`:                   func(s *airlock.Settings) { s.Approvals = 3 },
		`{"approvals":2,"selfReview":true}`: func(s *airlock.Settings) { s.Approvals, s.SelfReview = 2, true },
		`{"reviewPolicies":{"import":` + slots + `,"export":` + slots + `}}`: func(s *airlock.Settings) {
			s.Approvals, s.Policies = 0, map[airlock.Direction]airlock.Policy{airlock.Import: policy, airlock.Export: policy}
		},
		`{"approvals":1,"reviewPolicies":{"import":` + slots + `,"export":` + slots + `}}`: func(s *airlock.Settings) { // which the use case refuses
			s.Approvals, s.Policies = 1, map[airlock.Direction]airlock.Policy{airlock.Import: policy, airlock.Export: policy}
		},
	} {
		e := newEdge(t).expect("PutSettings", someSettings(), nil)
		want := airlock.DefaultSettings(workspaceID)
		change(&want)
		w := e.do("PUT", settingsAt, body, asAdmin)
		if got := e.calls(); w.Code != 200 || strings.ReplaceAll(got, "[]", "") != strings.ReplaceAll(fmt.Sprintf("PutSettings %s %+v", admin.ID, want), "[]", "") {
			t.Errorf("%s: status %d, called %s\nwant %+v", body, w.Code, got, want)
		}
	}
	for _, body := range []string{`{"reviewPolicies":{"import":` + slots + `}}`, `{"reviewPolicies":{"import":{},"export":` + slots + `}}`,
		`{"reviewPolicies":{"import":` + slots + `,"export":{"slots":[{"name":"a"}]}}}`, `{"reviewPolicies":{"import":` + slots + `,"export":{"slots":[{"name":"A b","count":1}]}}}`} {
		e := newEdge(t)
		if w := e.do("PUT", settingsAt, body, asAdmin); w.Code != 422 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestThePolicyInTheReadmeIsOne puts the example that people start from.
func TestThePolicyInTheReadmeIsOne(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "### Reviews\n")
	_, rest, _ := strings.Cut(section, "```json\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example")
	}
	e := newEdge(t).expect("PutSettings", someSettings(), nil)
	w := e.do("PUT", settingsAt, `{"reviewPolicies":{"import":`+example+`,"export":`+example+`}}`, asAdmin)
	want := airlock.Policy{Blind: true, RequireDigest: true, Slots: []airlock.Slot{
		{Name: "output-checker", Count: 2, Roles: []airlock.Role{airlock.RoleManager}, Independent: true},
		{Name: "owner", Count: 1, Roles: []airlock.Role{airlock.RoleOwner}},
	}}
	plain := func(v any) string { return strings.ReplaceAll(fmt.Sprintf("%+v", v), "[]", "") }
	if got := plain(e.calls()); w.Code != 200 || strings.Count(got, plain(want)) != 2 {
		t.Errorf("status %d, called %s\nwant twice %s", w.Code, got, plain(want))
	}
}

// TestNewSettings checks that what a new workspace leaves out has the careful default.
func TestNewSettings(t *testing.T) {
	e := newEdge(t).expect("PutSettings", someSettings(), nil)
	want := airlock.DefaultSettings(workspaceID)
	want.Name, want.MaxFiles, want.DraftLifetime = "New", 3, 12*time.Hour
	w := e.do("PUT", settingsAt, `{"displayName":"New","maxFiles":3,"draftLifetime":"PT12H","workspaceId":"another","version":9,"unknown":{}}`, asAdmin)
	if got := e.calls(); w.Code != 200 || got != fmt.Sprintf("PutSettings %s %+v", admin.ID, want) {
		t.Errorf("status %d, called %s\nwant %+v", w.Code, got, want)
	}
}

// TestUpdatesAreWhole checks that an update never falls back to a default for a field that was forgotten.
func TestUpdatesAreWhole(t *testing.T) {
	read := newEdge(t).expect("Settings", someSettings(), nil).do("GET", settingsAt, "", asAdmin)
	var whole map[string]any
	if err := json.Unmarshal(read.Body.Bytes(), &whole); err != nil {
		t.Fatal(err)
	}
	readOnly := map[string]bool{"workspaceId": true, "version": true, "changedBy": true, "changedAt": true}
	for field, value := range whole {
		for _, without := range []any{nil, "gone"} {
			if whole[field] = without; without == "gone" {
				delete(whole, field)
			} else if readOnly[field] {
				continue // not a form in which it was read
			}
			body, _ := json.Marshal(whole)
			e := newEdge(t)
			if readOnly[field] {
				e.expect("PutSettings", someSettings(), nil)
			}
			w := e.do("PUT", settingsAt, string(body), asAdmin, "If-Match: "+read.Header().Get("ETag"))
			if readOnly[field] {
				if w.Code != 200 {
					t.Errorf("%s: %d %s", field, w.Code, w.Body)
				}
			} else if p := e.problem(w); p.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Field != field {
				t.Errorf("%s: %+v", field, p)
			}
		}
		whole[field] = value
	}
	e := newEdge(t)
	if p := e.problem(e.do("PUT", settingsAt, `{}`, asAdmin, "If-Match: "+read.Header().Get("ETag"))); len(p.Errors) != len(whole)-len(readOnly) {
		t.Errorf("%d errors: %+v", len(p.Errors), p)
	}
	for _, etag := range []string{"*", `W/"abc"`, "abc", `""`, `"`, `"a b"`, `"abcd=", "x"`, "datetime'2024'"} {
		if p := e.problem(e.do("PUT", settingsAt, read.Body.String(), asAdmin, "If-Match: "+etag)); p.Status != 422 || p.Errors[0].Field != "If-Match" {
			t.Errorf("If-Match %s: %+v", etag, p)
		}
	}
}

func TestETags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		etag := rapid.StringN(1, 200, -1).Draw(t, "etag")
		header := etagHeader(etag)
		if got, ok := etagValue(header); !ok || got != etag || strings.ContainsAny(header[1:len(header)-1], "\"\r\n \x7f") {
			t.Fatalf("%q: %q, %q", etag, header, got)
		}
	})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P30D": 720 * time.Hour, "PT12H": 12 * time.Hour, "PT90M": 90 * time.Minute, "PT0S": 0, "P0D": 0, "PT999999999S": 999999999 * time.Second, "P99999D": 99999 * 24 * time.Hour,
	} {
		if got := duration(text).value(); got != want || !durationForm.MatchString(text) {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{"", "P", "PT", "P1M", "P1Y", "PT1.5H", "-P1D", "P1DT1H", "1", "p1d", "P123456D", " P1D", "P1D\n"} {
		if durationForm.MatchString(text) {
			t.Errorf("%q is taken for a duration", text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 999999999).Draw(t, "seconds")) * time.Second
		if text := durationOf(d); text.value() != d || !durationForm.MatchString(string(text)) {
			t.Fatalf("%v: %s", d, text)
		}
	})
}
