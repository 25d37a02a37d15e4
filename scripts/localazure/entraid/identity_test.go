package entraid_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"

	"airlock/scripts/localazure/entraid"
)

// TestManagedIdentity uses identities and resources of its own each time: azidentity remembers tokens for the whole process,
// and one of an earlier server would be no proof.
func TestManagedIdentity(t *testing.T) {
	o := options()
	o.IdentityClientID = uuid.NewString()
	s := start(t, o)
	t.Setenv("IDENTITY_ENDPOINT", s.IdentityEndpoint())
	t.Setenv("IDENTITY_HEADER", s.IdentityHeader())
	for _, tt := range []struct {
		resource string
		id       azidentity.ManagedIDKind
		fails    bool
	}{
		{entraid.StorageResource, azidentity.ClientID(o.IdentityClientID), false},
		{"https://servicebus.azure.net", azidentity.ClientID(o.IdentityClientID), false},
		{"https://" + uuid.NewString() + ".example", nil, false},
		{entraid.StorageResource, azidentity.ClientID(uuid.NewString()), true},
	} {
		credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: tt.id})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tt.resource + "/.default"}})
		if (err != nil) != tt.fails {
			t.Errorf("%s as %v: %v, want failure: %v", tt.resource, tt.id, err, tt.fails)
		}
		if err != nil {
			continue
		}
		if left := time.Until(token.ExpiresOn); left < 50*time.Minute || left > time.Hour {
			t.Errorf("%s: the token expires in %v, want an hour", tt.resource, left)
		}
		keys := oidc.NewRemoteKeySet(ctx, s.URL()+"/"+s.TenantID()+"/discovery/v2.0/keys")
		issuer := "https://sts.windows.net/" + s.TenantID() + "/" // Azurite takes no other
		verified, err := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: tt.resource}).Verify(ctx, token.Token)
		if err != nil {
			t.Fatalf("%s: %v", tt.resource, err)
		}
		claims := make(map[string]any)
		if err := verified.Claims(&claims); err != nil || claims["idtyp"] != "app" || claims["nbf"] == nil || claims["iat"] == nil {
			t.Errorf("%s: claims %v, %v", tt.resource, claims, err)
		}
	}
}

func TestManagedIdentityRefusals(t *testing.T) {
	s := start(t, options())
	good := "api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com"
	for _, tt := range []struct {
		query, header string
		status        int
	}{
		{good, s.IdentityHeader(), 200},
		{good, "", 401},
		{good, "x" + s.IdentityHeader(), 401},
		{"api-version=2017-09-01&resource=x", s.IdentityHeader(), 400},
		{"resource=x", s.IdentityHeader(), 400},
		{"api-version=2019-08-01", s.IdentityHeader(), 400},
		{good + "&client_id=x", s.IdentityHeader(), 400},
		{good + "&object_id=x", s.IdentityHeader(), 400},
		{good + "&principal_id=x", s.IdentityHeader(), 400},
		{good + "&mi_res_id=x", s.IdentityHeader(), 400},
	} {
		status, body := call(t, "GET", s.IdentityEndpoint()+"?"+tt.query, nil, map[string]string{"X-IDENTITY-HEADER": tt.header})
		if status != tt.status || strings.Contains(body, "access_token") != (status == 200) {
			t.Errorf("%s: status %d, want %d: %s", tt.query, status, tt.status, body)
		}
	}
}
