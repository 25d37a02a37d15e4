package airlock_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// override puts one entry into a workspace's layout, and returns what the airlock says of it.
func (w *world) override(key, account, container string) error {
	settings := airlock.DefaultSettings(ws)
	if current, err := w.store.Settings(w.t.Context(), ws); err == nil {
		settings.ETag = current.ETag
	}
	settings.Layout = map[string]airlock.Locate{key: {Account: account, Container: container}}
	return second2(w.PutSettings(w.t.Context(), admin, settings))
}

// TestLayoutsThatMixZonesAreRefused: two zones in one container would let the requester write what is reviewed, or delete
// it with what was left behind.
func TestLayoutsThatMixZonesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		key, account, container, says string // says is empty where it is taken
	}{
		"holding in intake":              {"import/holding", "stalimex{tre}", "{id}{round}", "the same place"},
		"the same, with the TRE's id":    {"import/holding", "stalimextre", "{id}{round}", "the same place"},
		"a name that looks like a round": {"import/holding", "stalimex{tre}", "{id}-2{round}", "not a template"},
		"the same account, another name": {"import/holding", "stalimex{tre}", "{id}-held{round}", ""},
		"another direction's container":  {"import/holding", "stalexapp{tre}", "{id}{round}", ""},
		"an account with a long name":    {"import/holding", "stalimpotherthanthosewehave{tre}", "{id}{round}", "24"},
		"an account with a short name":   {"import/holding", "x", "{id}{round}", "24"},
		"a container with a long name":   {"import/holding", "stalimip{tre}", "{id}-a-name-that-is-just-too-long{round}", "63"},
		"a container of many requests":   {"import/holding", "stalimip{tre}", "all{round}", "not a template"},
		"an account that is no template": {"import/holding", "stal-{tre}", "{id}{round}", "not a template"},
		"a zone that there is not":       {"import/attic", "stalimip{tre}", "{id}{round}", "not a direction and a zone"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newWorld(t).override(test.key, test.account, test.container)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %q", err, test.says)
			}
		})
	}
}

var (
	azureAccount   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	azureContainer = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

// FuzzLayout overrides any place. What is taken has names that Azure allows, and for every zone and round one that is no
// other's and leads back to it.
func FuzzLayout(f *testing.F) {
	f.Add("import/holding", "stalimex{tre}", "{id}-held{round}")
	f.Add("export/intake", "stal{ws}{tre}", "x-{id}-2{round}")
	f.Add("import/refused", "stalimextre", "{id}{round}")
	f.Add("import/quarantine", "stalimip{tre}", "a-{id}-2b{round}")
	f.Add("x", "", "{round}{id}")
	f.Fuzz(func(t *testing.T, key, account, container string) {
		w := newWorld(t)
		err := w.override(key, account, container)
		if err != nil {
			var p *airlock.Problem
			if !errors.As(err, &p) || p.Kind != airlock.Invalid {
				t.Errorf("%q %q %q: %v", key, account, container, err)
			}
			return
		}
		layout := w.Layout.With(map[string]airlock.Locate{key: {Account: account, Container: container}})
		const id = "0193f5c0-0000-7000-8000-000000000001"
		suffix := airlock.DefaultSettings(ws).Suffix
		for _, d := range airlock.Directions() {
			for _, zone := range []sm.Zone{sm.Intake, sm.Holding, sm.Released, sm.Refused, sm.Quarantine} {
				for round := 1; round <= 12; round++ {
					spot := sm.Spot{Zone: zone, Round: round}
					p, err := layout.Place(d, w.TRE, suffix, id, spot)
					if err != nil || !azureAccount.MatchString(p.Account) || !azureContainer.MatchString(p.Container) {
						t.Fatalf("%s %v: %+v, %v", d, spot, p, err)
					}
					if back, ok := layout.Spot(d, w.TRE, suffix, id, 12, p); !ok || back != spot || airlock.RequestID(p.Container) != id {
						t.Fatalf("%s %v is at %+v, which is %v, %v", d, spot, p, back, ok)
					}
				}
			}
		}
	})
}

// FuzzReviewable asks for the reviewer's page over all workspaces with any cursor. It is taken or refused, and never shows
// what a first page would not.
func FuzzReviewable(f *testing.F) {
	const stranger = "22222222-2222-4222-8222-222222222222"
	f.Add("")
	f.Add(ws + "~")
	f.Add(stranger + "~")
	f.Add("~~")
	f.Add(ws + "~eyJMaXN0IjoiIn0=")
	f.Fuzz(func(t *testing.T, cursor string) {
		w := newWorld(t, func(s *airlock.Settings) { s.Audience = "" }, listing(
			airlock.Member{ID: manager.ID, Roles: []airlock.Role{airlock.RoleManager}},
			airlock.Member{ID: researcher.ID, Roles: []airlock.Role{airlock.RoleResearcher}},
		))
		if _, err := w.PutSettings(t.Context(), admin, airlock.DefaultSettings(stranger)); err != nil {
			t.Fatal(err)
		}
		mine := w.create(visitor(researcher.ID), airlock.Import)
		views, err := w.Mine(t.Context(), visitor(manager.ID), true, airlock.Listing{Cursor: cursor, Limit: 1})
		var p *airlock.Problem
		switch {
		case errors.As(err, &p) && p.Code == "cursor":
		case err != nil:
			t.Errorf("%q: %v", cursor, err)
		case len(views.Views) > 1 || len(views.Views) == 1 && views.Views[0].Request.ID != mine.ID:
			t.Errorf("%q shows %+v", cursor, views.Views)
		}
	})
}
