package airlock_test

import (
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// TestMineIsOfWorkspacesThatOneIsIn: who has left a workspace no longer sees what they asked for there.
func TestMineIsOfWorkspacesThatOneIsIn(t *testing.T) {
	for _, test := range []struct {
		name     string
		audience string
		members  []airlock.Member
		who      airlock.Identity
		want     int
	}{
		{"still a member", "", []airlock.Member{{ID: researcher.ID, Roles: []airlock.Role{airlock.RoleManager}}}, visitor(researcher.ID), 1},
		{"has left", "", nil, visitor(researcher.ID), 0},
		{"has left, and the workspace has an audience of its own", wsAudience, nil, visitor(researcher.ID), 1},
		{"a TRE admin", "", nil, airlock.Identity{Person: airlock.Person{ID: researcher.ID, Roles: []airlock.Role{airlock.RoleAdmin}}, ForAPI: true}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.create(researcher, airlock.Import)
			settings, err := w.Settings(t.Context(), admin, ws)
			if err != nil {
				t.Fatal(err)
			}
			settings.Audience, settings.Members = test.audience, test.members
			if _, err := w.PutSettings(t.Context(), admin, settings); err != nil {
				t.Fatal(err)
			}
			page, err := w.Mine(t.Context(), test.who, false, airlock.Listing{})
			if err != nil || len(page.Views) != test.want {
				t.Errorf("%d requests, want %d: %v", len(page.Views), test.want, err)
			}
		})
	}
}

// TestMineIsInTheOrderThatIsAskedFor: the page of all requests of AzureTRE asks for the last changed first.
func TestMineIsInTheOrderThatIsAskedFor(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) {
		s.Members = []airlock.Member{{ID: researcher.ID, Roles: []airlock.Role{airlock.RoleResearcher, airlock.RoleManager}}}
	})
	oldest := w.create(researcher, airlock.Import)
	w.now = w.now.Add(time.Minute)
	newest := w.create(researcher, airlock.Export)
	w.now = w.now.Add(time.Minute)
	w.do(w.Cancel(t.Context(), researcher, ws, oldest.ID))
	for _, test := range []struct {
		by        airlock.SortKey
		ascending bool
		want      []string
	}{
		{"", true, []string{newest.ID, oldest.ID}},
		{airlock.SortCreated, false, []string{newest.ID, oldest.ID}},
		{airlock.SortCreated, true, []string{oldest.ID, newest.ID}},
		{airlock.SortUpdated, false, []string{oldest.ID, newest.ID}},
		{airlock.SortUpdated, true, []string{newest.ID, oldest.ID}},
		{airlock.SortType, true, []string{newest.ID, oldest.ID}},
		{airlock.SortStatus, true, []string{oldest.ID, newest.ID}},
	} {
		for _, asReviewer := range []bool{false, true} {
			page, err := w.Mine(t.Context(), visitor(researcher.ID), asReviewer, airlock.Listing{OrderBy: test.by, Ascending: test.ascending})
			var got []string
			for _, v := range page.Views {
				got = append(got, v.Request.ID)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("by %q, ascending %v, as reviewer %v: %v, want %v: %v", test.by, test.ascending, asReviewer, got, test.want, err)
			}
		}
	}
}
