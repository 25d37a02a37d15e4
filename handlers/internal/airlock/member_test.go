package airlock_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// groupID is a group that the member list names.
const groupID = "b0000000-0000-4000-8000-00000000000a"

// visitor is somebody with a token for the API's audience, which proves no role by itself.
func visitor(id string, groups ...string) airlock.Identity {
	return airlock.Identity{Person: airlock.Person{ID: id, Name: "Vic", Audience: "api://airlock"}, ForAPI: true, Groups: groups}
}

func listing(members ...airlock.Member) func(*airlock.Settings) {
	return func(s *airlock.Settings) { s.Members = members }
}

// TestMembersCountHoweverTheirIDIsWritten lists people as an administrator types them in.
func TestMembersCountHoweverTheirIDIsWritten(t *testing.T) {
	w := newWorld(t, listing(
		airlock.Member{ID: strings.ToUpper(researcher.ID), Roles: []airlock.Role{airlock.RoleResearcher}},
		airlock.Member{ID: strings.ToUpper(groupID), Roles: []airlock.Role{airlock.RoleOwner}},
	))
	for _, who := range []airlock.Identity{visitor(researcher.ID), visitor(colleague.ID, groupID)} {
		if _, err := w.Create(t.Context(), who, ws, airlock.NewRequest{Type: airlock.Import}); err != nil {
			t.Errorf("%s: %v", who.ID, err)
		}
	}
	settings := airlock.DefaultSettings(ws)
	settings.Members = []airlock.Member{{ID: groupID}, {ID: strings.ToUpper(groupID)}}
	if _, err := w.PutSettings(t.Context(), admin, settings); err == nil || !strings.Contains(err.Error(), "listed twice") {
		t.Errorf("the same member twice: %v", err)
	}
}

// TestGroupsLeftOutAreSaid: whoever is in too many groups for a token to list is told so wherever they are refused for
// want of a role, and nowhere else.
func TestGroupsLeftOutAreSaid(t *testing.T) {
	w := newWorld(t, listing(
		airlock.Member{ID: groupID, Roles: []airlock.Role{airlock.RoleOwner, airlock.RoleManager}},
		airlock.Member{ID: researcher.ID, Roles: []airlock.Role{airlock.RoleResearcher}},
	))
	r := w.submitted(airlock.Import, "x")
	w.want(r, sm.InReview)
	calls := map[string]func(ctx context.Context, who airlock.Identity) error{
		"create": func(ctx context.Context, who airlock.Identity) error {
			return second2(w.Create(ctx, who, ws, airlock.NewRequest{Type: airlock.Import}))
		},
		"read":  func(ctx context.Context, who airlock.Identity) error { return second2(w.Request(ctx, who, ws, r.ID)) },
		"link":  func(ctx context.Context, who airlock.Identity) error { return second2(w.Link(ctx, who, ws, r.ID)) },
		"audit": func(ctx context.Context, who airlock.Identity) error { return second2(w.Audit(ctx, who, ws, r.ID)) },
		"review": func(ctx context.Context, who airlock.Identity) error {
			return second2(w.Review(ctx, who, ws, r.ID, approve()))
		},
		"settings": func(ctx context.Context, who airlock.Identity) error {
			return second2(w.PutSettings(ctx, who, airlock.DefaultSettings(ws)))
		},
	}
	stranger, insider := visitor(colleague.ID), visitor(researcher.ID)
	stranger.GroupsLeftOut, insider.GroupsLeftOut = true, true
	for _, test := range []struct {
		who   airlock.Identity
		calls []string
	}{
		{stranger, []string{"create", "read", "link", "audit", "review", "settings"}},
		{insider, []string{"link", "review", "settings"}}, // a researcher, and by the group more than that
	} {
		for _, name := range test.calls {
			p := refusal(t, calls[name](t.Context(), test.who))
			if p.Kind != airlock.Forbidden || p.Code != "groups_overflow" || !strings.Contains(p.Detail, "too many groups") {
				t.Errorf("%s as %s: %+v", name, test.who.ID, p)
			}
		}
	}
	if err := errors.Join(calls["read"](t.Context(), insider), calls["audit"](t.Context(), insider), calls["create"](t.Context(), insider)); err != nil {
		t.Errorf("what the role of their own allows: %v", err)
	}
	if p := refusal(t, calls["read"](t.Context(), visitor(colleague.ID))); p.Code != "missing_role" {
		t.Errorf("with all groups told: %+v", p)
	}
	outsider := person(colleague.ID, "Ben")
	outsider.GroupsLeftOut = true // a token of the workspace's own audience tells roles, whatever the groups
	if p := refusal(t, calls["read"](t.Context(), outsider)); p.Code != "missing_role" {
		t.Errorf("with a token of the workspace's audience: %+v", p)
	}
}
