package airlock_test

import (
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// TestSettingsAreReplacedByWhoHasReadThem: whoever has not seen the settings, or older ones, is told to read them.
func TestSettingsAreReplacedByWhoHasReadThem(t *testing.T) {
	w := newWorld(t)
	read, err := w.Settings(t.Context(), admin, ws)
	if err != nil {
		t.Fatal(err)
	}
	unread := read
	unread.ETag = ""
	if p := refusal(t, second2(w.PutSettings(t.Context(), admin, unread))); p.Kind != airlock.Conflict || p.Code != "settings_exist" || !strings.Contains(p.Detail, "If-Match") {
		t.Errorf("without an ETag: %+v", p)
	}
	if _, err := w.PutSettings(t.Context(), admin, read); err != nil {
		t.Fatal(err)
	}
	if p := refusal(t, second2(w.PutSettings(t.Context(), admin, read))); p.Kind != airlock.Conflict || p.Code != "lost_race" || !strings.Contains(p.Detail, "settings") {
		t.Errorf("with the ETag of older ones: %+v", p)
	}
	unread.WorkspaceID = "0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a00ff"
	if _, err := w.PutSettings(t.Context(), admin, unread); err != nil {
		t.Errorf("of a workspace that has none: %v", err)
	}
	unread.WorkspaceID, unread.ETag = "0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a00fe", read.ETag
	if p := refusal(t, second2(w.PutSettings(t.Context(), admin, unread))); p.Kind != airlock.Conflict {
		t.Errorf("of a workspace that has none, with an ETag: %+v", p)
	}
}

// TestOwnersLetNobodyReviewTheirOwn: an owner can make themselves a reviewer. Nobody passes alone all the same, unless a TRE
// admin says that they may.
func TestOwnersLetNobodyReviewTheirOwn(t *testing.T) {
	alone := airlock.Policy{OneRejectionEnds: true, SelfReview: true, Slots: []airlock.Slot{roleSlot("owner", 1, airlock.RoleOwner)}}
	short := func(s *airlock.Settings) { s.Approvals, s.SelfReview, s.Policies = 1, true, nil }
	one := func(s *airlock.Settings) {
		with := alone
		with.SelfReview = false
		under(with)(s)
		s.Policies[airlock.Export] = alone
	}
	for name, by := range map[string]func(*airlock.Settings){"short": short, "policies": under(alone), "one direction": one} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if p := refusal(t, w.change(owner, by)); p.Kind != airlock.Forbidden || p.Code != "admin_only" || !strings.Contains(p.Detail, "selfReview") {
				t.Errorf("an owner: %+v", p)
			}
			if err := w.change(admin, by); err != nil {
				t.Fatal(err)
			}
			if err := w.change(owner, func(s *airlock.Settings) { by(s); s.RemindAfter = 48 * time.Hour }); err != nil {
				t.Errorf("an owner leaves it as it is: %v", err)
			}
			if err := w.change(owner, func(s *airlock.Settings) { s.Approvals, s.SelfReview, s.Policies = 1, false, nil }); err != nil {
				t.Errorf("an owner ends it: %v", err)
			}
		})
	}
}

// TestFilesStayWhereSettingsSay: once there is a request, settings cannot say that its files are elsewhere.
func TestFilesStayWhereSettingsSay(t *testing.T) {
	elsewhere := map[string]func(*airlock.Settings){
		"suffix": func(s *airlock.Settings) { s.Suffix = "other" },
		"layout": func(s *airlock.Settings) {
			s.Layout = map[string]airlock.Locate{"import/holding": {Account: "stalimip{tre}", Container: "{id}-held{round}"}}
		},
	}
	for name, by := range elsewhere {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.change(admin, by); err != nil {
				t.Fatalf("without requests: %v", err)
			}
			r := w.submitted(airlock.Import, "x")
			if p := refusal(t, w.change(admin, func(s *airlock.Settings) { s.Suffix, s.Layout = "0003", nil })); p.Kind != airlock.Ruled || p.Code != "requests_exist" {
				t.Errorf("with one: %+v", p)
			}
			if err := w.change(admin, func(s *airlock.Settings) { s.MaxFiles++ }); err != nil {
				t.Errorf("something else: %v", err)
			}
			w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
		})
	}
}
