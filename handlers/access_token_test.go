package main

import (
	"context"
	"errors"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/entra"
	"airlock/scripts/localazure/entraid"
)

// roleSets are the roles that a caller holds, and how they are written in tokens and member lists.
var roleSets = map[string][]string{
	"none": {},
	"R":    {"WorkspaceResearcher"},
	"O":    {"WorkspaceOwner"},
	"M":    {"AirlockManager"},
	"R+M":  {"WorkspaceResearcher", "AirlockManager"},
	"O+M":  {"WorkspaceOwner", "AirlockManager"},
	"A":    {"TREAdmin"},
}

// people are who a caller can be.
var people = map[string]string{"requester": requesterID, "other": otherID}

// wrong are the tokens that are no good.
var wrong = map[string]entraid.Fault{
	"expired": entraid.Expired, "not-yet-valid": entraid.NotYetValid, "other-tenant": entraid.OtherTenant, "other-issuer": entraid.OtherIssuer,
	"without-oid": entraid.WithoutOID, "id-token": entraid.IDToken, "unsigned": entraid.Unsigned, "hs256": entraid.SharedSecret,
	"wrong-key": entraid.WrongKey, "unknown-key": entraid.UnknownKey, "tampered": entraid.Tampered, "cut-short": entraid.CutShort,
}

// listed are the tokens of people whom the member list names themselves; for the others it names a group.
var listed = []string{"user", "app", "unclaimed", "other-api", "missing", "basic"}

// unlisted are the tokens of people whom it does not name.
var unlisted = []string{"workspace", "group", "claimed", "overflow"}

// anonymous tells a token that does not prove who its holder is.
func anonymous(token string) bool {
	_, bad := wrong[token]
	return bad || token == "missing" || token == "basic"
}

// holder is whose token it is and what it is to prove.
type holder struct{ token, roles, who, audience string }

// wallet holds the Authorization header of every token, and what it proves: each is verified once, because the clock
// stands still and nothing else could change the answer.
type wallet struct {
	headers map[holder]string
	proofs  map[string]proof // by header
}

// proof is what the verification of a token came to.
type proof struct {
	identity airlock.Identity
	err      error
}

// Identify implements api.Tokens.
func (w *wallet) Identify(_ context.Context, authorization string) (airlock.Identity, error) {
	p, ok := w.proofs[authorization]
	if !ok {
		return airlock.Identity{}, errors.New("the test has no such token")
	}
	return p.identity, p.err
}

// newWallet starts an issuer and makes every token.
func newWallet(t *testing.T) *wallet {
	t.Helper()
	issuer, err := entraid.Start(t.Context(), entraid.Options{Users: []entraid.User{{Login: "somebody"}}, Now: accessTime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := issuer.Stop(); err != nil {
			t.Error(err)
		}
	})
	verifier, err := entra.New(entra.Config{Issuer: issuer.Issuer(), TenantID: issuer.TenantID(), Now: accessTime})
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	wallet := &wallet{headers: map[holder]string{}, proofs: map[string]proof{}}
	forged := map[holder]string{} // a key of one's own takes long to make
	for roles, names := range roleSets {
		for who, id := range people {
			for _, audience := range []string{own.audience, archived.audience} {
				for _, token := range append(append([]string{}, listed...), unlisted...) {
					h := holder{token, roles, who, audience}
					wallet.headers[h] = header(t, issuer, h, id, names)
				}
				for token, fault := range wrong {
					h := holder{token, roles, who, audience}
					o := entraid.TokenOptions{Audience: audience, Fault: fault, Claims: map[string]any{"oid": id, "roles": names}}
					if fault == entraid.WithoutOID {
						delete(o.Claims, "oid")
					}
					key := holder{token: token, audience: audience}
					if fault == entraid.WrongKey || fault == entraid.UnknownKey {
						o.Claims["roles"] = []string{"WorkspaceOwner", "AirlockManager", "TREAdmin"}
						if forged[key] == "" {
							forged[key] = bearer(t, issuer, o)
						}
						wallet.headers[h] = forged[key]
						continue
					}
					wallet.headers[h] = bearer(t, issuer, o)
				}
			}
		}
	}
	real := identifier{verifier, []string{apiAudience}}
	for _, authorization := range wallet.headers {
		identity, err := real.Identify(t.Context(), authorization)
		wallet.proofs[authorization] = proof{identity, err}
	}
	return wallet
}

// header makes the header of a caller whose token is good, or who has none.
func header(t *testing.T, issuer *entraid.Server, h holder, id string, roles []string) string {
	t.Helper()
	o := entraid.TokenOptions{Audience: apiAudience, Claims: map[string]any{"oid": id}}
	if h.roles == "A" {
		o.Claims["roles"] = roles
	}
	switch h.token {
	case "workspace":
		o.Audience, o.Claims["roles"] = h.audience, roles
	case "unclaimed":
		o.Audience, o.Claims["roles"] = h.audience, nil
	case "group":
		o.Claims["groups"] = []string{groupID}
	case "overflow":
		o.Claims["_claim_names"] = map[string]string{"groups": "src1"}
		o.Claims["_claim_sources"] = map[string]any{"src1": map[string]string{"endpoint": "https://graph.windows.net/t/users/u/getMemberObjects"}}
	case "app":
		o.Claims["idtyp"], o.Claims["scp"], o.Claims["name"], o.Claims["preferred_username"] = "app", nil, nil, nil
	case "claimed":
		o.Claims["roles"] = roles
	case "other-api":
		o.Audience, o.Claims["roles"] = "https://graph.microsoft.com", roles
	case "missing":
		return ""
	case "basic":
		return "Basic c29tZWJvZHk6c2VjcmV0"
	}
	return bearer(t, issuer, o)
}

func bearer(t *testing.T, issuer *entraid.Server, o entraid.TokenOptions) string {
	t.Helper()
	token, err := issuer.Token("somebody", o)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// of is the header of a caller. Who asks elsewhere has a token of the own workspace.
func (w *wallet) of(q question) string {
	audience := own.audience
	if q.where == archived.name {
		audience = archived.audience
	}
	return w.headers[holder{q.token, q.roles, q.who, audience}]
}
