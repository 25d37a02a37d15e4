package main

import (
	"errors"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/entra"
	"airlock/scripts/localazure/entraid"
)

// TestIdentitySaysWhatTheTokenSays lets a real token through for each kind of caller.
func TestIdentitySaysWhatTheTokenSays(t *testing.T) {
	const group = "b0000000-0000-4000-8000-00000000000a"
	issuer, err := entraid.Start(t.Context(), entraid.Options{Audience: apiAudience, Users: []entraid.User{
		{Login: "ada", DisplayName: "Ada", Email: "ada@example.org", Roles: map[string][]string{apiAudience: {"TREAdmin"}}, Groups: []string{group}},
		{Login: "robot", App: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Stop()
	verifier, err := entra.New(entra.Config{Issuer: issuer.Issuer(), TenantID: issuer.TenantID()})
	if err != nil {
		t.Fatal(err)
	}
	id := identifier{verifier, []string{"api://older", apiAudience}}
	identify := func(login string, o entraid.TokenOptions) (airlock.Identity, error) {
		token, err := issuer.Token(login, o)
		if err != nil {
			t.Fatal(err)
		}
		return id.Identify(t.Context(), "Bearer "+token)
	}

	ada, err := identify("ada", entraid.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ada.Name != "Ada" || ada.Email != "ada@example.org" || !ada.ForAPI || ada.GroupsLeftOut || len(ada.Groups) != 1 || ada.Groups[0] != group ||
		len(ada.Roles) != 1 || ada.Roles[0] != airlock.RoleAdmin || ada.Audience != apiAudience {
		t.Errorf("a person: %+v", ada)
	}
	elsewhere, err := identify("ada", entraid.TokenOptions{Audience: "api://workspace"})
	if err != nil || elsewhere.ForAPI || elsewhere.Audience != "api://workspace" || len(elsewhere.Roles) != 0 {
		t.Errorf("a person in a workspace: %+v, %v", elsewhere, err)
	}
	for name, claims := range map[string]map[string]any{
		"by reference": {"groups": nil, "_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.windows.net/t/users/u/getMemberObjects"}}},
		"by a flag":    {"groups": nil, "hasgroups": true},
	} {
		many, err := identify("ada", entraid.TokenOptions{Claims: claims})
		if err != nil || !many.GroupsLeftOut || len(many.Groups) != 0 {
			t.Errorf("groups left out %s: %+v, %v", name, many, err)
		}
	}
	robot, err := identify("robot", entraid.TokenOptions{Claims: map[string]any{"azp": "c0000000-0000-4000-8000-000000000001"}})
	if err != nil || robot.Name != "Application c0000000-0000-4000-8000-000000000001" || robot.ID == "" {
		t.Errorf("an application: %+v, %v", robot, err)
	}

	if _, err := id.Identify(t.Context(), ""); !errors.Is(err, api.ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	for fault, want := range map[entraid.Fault]error{entraid.Expired: api.ErrExpired, entraid.WrongKey: api.ErrSignature} {
		if _, err := identify("ada", entraid.TokenOptions{Fault: fault}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", fault, err, want)
		}
	}
	if err := issuer.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := identify("ada", entraid.TokenOptions{}); err != nil {
		t.Errorf("with the issuer down and the key known: %v", err)
	}
	fresh, err := entra.New(entra.Config{Issuer: issuer.Issuer(), TenantID: issuer.TenantID()})
	if err != nil {
		t.Fatal(err)
	}
	id.verifier = fresh
	if _, err := identify("ada", entraid.TokenOptions{}); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("with the issuer down and the key unknown: %v", err)
	}
}
