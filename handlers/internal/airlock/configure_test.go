package airlock_test

import (
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
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
