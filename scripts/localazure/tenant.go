package localazure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure/entraid"
)

// Subscriptions to the notices beside that of the Logic App: how an organisation adds readers of its own.
const (
	WatchList  = "watch"       // hears everything
	ReviewDesk = "review-desk" // has a filter: what reviewers are told
)

// Operators is the address of the people who run the local TRE.
const Operators = "operators@tre.example.org"

// Workspace is a workspace of the local TRE.
type Workspace struct {
	ID       string
	Name     string
	Suffix   string // of its storage accounts
	Scanning bool
	MaxFiles int
}

// demoWorkspaces are the workspaces of the local TRE: one as most are, one whose files are not scanned.
func demoWorkspaces() []Workspace {
	return []Workspace{
		{"0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a0001", "Heart study", "0001", true, 20},
		{"0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a0002", "Open data", "0002", false, 20},
	}
}

// Login is a demo user's name for the token endpoint.
type Login struct {
	Name, Title string
	Roles       []string // in every workspace; nil: in the TRE
}

// Audience is that of the tokens with which somebody has their roles in a workspace.
func (l Login) Audience(w Workspace) string {
	if l.Roles == nil {
		return APIAudience
	}
	return w.Audience()
}

// Logins are the people of the local TRE.
func Logins() []Login {
	return []Login{
		{"ada", "researcher", []string{"WorkspaceResearcher"}},
		{"ben", "researcher", []string{"WorkspaceResearcher"}},
		{"olga", "workspace owner", []string{"WorkspaceOwner"}},
		{"mia", "airlock manager", []string{"AirlockManager"}},
		{"max", "airlock manager", []string{"AirlockManager"}},
		{"tara", "TRE admin", nil},
	}
}

// users are the people with the roles that they hold in each workspace's own app registration.
func users(workspaces []Workspace) []entraid.User {
	var all []entraid.User
	for _, l := range Logins() {
		u := entraid.User{Login: l.Name, DisplayName: strings.ToUpper(l.Name[:1]) + l.Name[1:], Email: l.Name + "@tre.example.org", Roles: map[string][]string{}}
		for _, w := range workspaces {
			u.Roles[w.Audience()] = l.Roles
		}
		if l.Roles == nil {
			u.Roles[APIAudience] = []string{"TREAdmin"}
		}
		all = append(all, u)
	}
	return all
}

// Audience is that of the workspace's own app registration.
func (w Workspace) Audience() string { return "api://workspace-" + w.Suffix }

// accounts are the storage accounts that a deployment of this TRE and its workspaces has.
func accounts(workspaces []Workspace) []string {
	names := []string{tableOwner}
	for _, prefix := range []string{"stalimex", "stalimip", "stalimrej", "stalimblocked", "stalexapp"} {
		names = append(names, prefix+TREID)
	}
	for _, w := range workspaces {
		for _, prefix := range []string{"stalexintws", "stalexipws", "stalexrejws", "stalexblockedws", "stalimappws"} {
			names = append(names, prefix+w.Suffix)
		}
	}
	return names
}

// scannedAccount: the deployment turns Defender on for the holding zones.
func scannedAccount(name string) bool {
	return strings.HasPrefix(name, "stalimip") || strings.HasPrefix(name, "stalexip")
}

// watchedAccount: the deployment subscribes to events of every zone but the intakes.
func watchedAccount(name string) bool {
	return name != tableOwner && !strings.HasPrefix(name, "stalimex") && !strings.HasPrefix(name, "stalexint")
}

// identity is the managed identity as a credential, for what a deployment does.
type identity struct{ server *entraid.Server }

// GetToken implements azcore.TokenCredential.
func (i identity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, expires, err := i.server.IdentityToken(entraid.StorageResource)
	return azcore.AccessToken{Token: token, ExpiresOn: expires}, err
}

// makeTable does what the deployment does before the first request.
func (a *Azure) makeTable(ctx context.Context) error {
	client, err := aztables.NewServiceClient("https://"+tableOwner+".table."+a.Storage.Suffix(), identity{a.Entra},
		&aztables.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: a.Storage.Client()}})
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	if _, err := client.CreateTable(ctx, table, nil); err != nil && !strings.Contains(err.Error(), string(aztables.TableAlreadyExists)) {
		return fmt.Errorf("table: %w", err)
	}
	return nil
}

// configure gives every workspace its settings through the API, as a TRE admin does. Settings that are there stay.
func (a *Azure) configure(ctx context.Context) error {
	for _, w := range a.Workspaces {
		if err := a.putSettings(ctx, w); err != nil {
			return fmt.Errorf("settings of %s: %w", w.Name, err)
		}
	}
	return nil
}

func (a *Azure) putSettings(ctx context.Context, w Workspace) error {
	client := a.Client(w)
	err := client.Call(ctx, "tara", http.MethodGet, "/airlock", nil, nil)
	if missing := (*apiclient.Refusal)(nil); !errors.As(err, &missing) {
		return err
	}
	var members []map[string]any
	for _, l := range Logins() {
		if u, ok := a.Entra.User(l.Name); ok && l.Roles != nil {
			members = append(members, map[string]any{"id": u.ID, "name": u.DisplayName, "email": u.Email, "roles": l.Roles})
		}
	}
	return client.Call(ctx, "tara", http.MethodPut, "/airlock", map[string]any{
		"displayName": w.Name, "description": "A workspace of the local TRE", "directions": []string{"import", "export"},
		"audience": w.Audience(), "members": members, "maxFiles": w.MaxFiles, "maxBytes": int64(5) << 30, "scanning": w.Scanning,
		"approvals": 1, "suffix": w.Suffix, "nameDenied": []string{"*.exe"},
	}, nil)
}

// callTime bounds a call of the API: longer than the API gives itself.
const callTime = time.Minute

// Client calls the API of a workspace as the people of the local TRE, with a new token each time.
func (a *Azure) Client(w Workspace) *apiclient.Client {
	return &apiclient.Client{
		HTTP: &http.Client{Timeout: callTime}, App: a.Host.URL(), Workspace: w.ID,
		Token: func(who string) (string, error) { return a.Token(who, w) },
	}
}

// Token returns an access token of a demo user for a workspace.
func (a *Azure) Token(login string, w Workspace) (string, error) {
	audience := w.Audience()
	for _, l := range Logins() {
		if l.Name == login {
			audience = l.Audience(w)
		}
	}
	return a.Entra.Token(login, entraid.TokenOptions{Audience: audience})
}
