package entraid_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"

	"airlock/scripts/localazure/entraid"
)

func TestManagedIdentity(t *testing.T) {
	s := start(t, options())
	t.Setenv("IDENTITY_ENDPOINT", s.IdentityEndpoint())
	t.Setenv("IDENTITY_HEADER", s.IdentityHeader())
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, resource := range []string{entraid.StorageResource, "https://servicebus.azure.net"} {
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(token.ExpiresOn); left < 50*time.Minute || left > time.Hour {
			t.Errorf("%s: the token expires in %v, want an hour", resource, left)
		}
		issuer := "https://sts.windows.net/" + s.TenantID() + "/"
		keys := oidc.NewRemoteKeySet(ctx, s.URL()+"/"+s.TenantID()+"/discovery/v2.0/keys")
		verified, err := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: resource}).Verify(ctx, token.Token)
		if err != nil {
			t.Fatalf("%s: %v", resource, err)
		}
		claims := make(map[string]any)
		if err := verified.Claims(&claims); err != nil || claims["idtyp"] != "app" || claims["nbf"] == nil || claims["iat"] == nil {
			t.Errorf("%s: claims %v, %v", resource, claims, err)
		}
	}
	wrong, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(entraid.DefaultTenantID)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{entraid.StorageResource + "/.default"}}); err == nil {
		t.Error("a token for an identity that there is not")
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
