package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/blobzone"
	"airlock/handlers/internal/busqueue"
	"airlock/handlers/internal/config"
	"airlock/handlers/internal/tablestore"
)

// copies is how many copies of one request are started at a time: enough to hide the round trips, few enough to leave
// connections for others.
const copies = 8

// adapters are the outside world as the domain sees it.
type adapters struct {
	store *tablestore.Store
	zones *blobzone.Zones
	bus   *busqueue.Bus
}

// identity is the managed identity of the app.
func identity(cfg config.Config) (azcore.TokenCredential, error) {
	options := &azidentity.ManagedIdentityCredentialOptions{}
	if cfg.IdentityClientID != "" {
		options.ID = azidentity.ClientID(cfg.IdentityClientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(options)
	if err != nil {
		return nil, fmt.Errorf("managed identity: %w", err)
	}
	return credential, nil
}

// connect builds the adapters. It sends nothing.
func connect(cfg config.Config, credential azcore.TokenCredential) (a adapters, err error) {
	client, err := storageClient(cfg)
	if err != nil {
		return adapters{}, err
	}
	a.store, err = tablestore.New(tablestore.Options{
		Endpoint: "https://" + cfg.TableAccount + ".table." + cfg.StorageSuffix, Table: cfg.TableName, Credential: credential, Transport: client,
	})
	if err != nil {
		return adapters{}, err
	}
	a.zones, err = blobzone.New(blobzone.Options{
		Suffix: cfg.StorageSuffix, LinkBase: cfg.LinkBase, Credential: credential, Transport: client, Now: time.Now,
		Accounts: pinged(cfg),
	})
	if err != nil {
		return adapters{}, err
	}
	reach := busqueue.Options{ConnectionString: cfg.BusConnection, Queue: cfg.StatusQueue, Topic: cfg.NotificationTopic}
	if cfg.BusConnection == "" {
		reach.Namespace, reach.Credential = cfg.BusNamespace, credential
	}
	a.bus, err = busqueue.New(reach)
	return a, err
}

// newService builds the domain on its adapters.
func newService(cfg config.Config, a adapters, signer airlock.Signer, logs *journal) *airlock.Service {
	timing := airlock.DefaultTiming()
	timing.LinkLifetime, timing.CopyDeadline, timing.ScanDeadline = cfg.LinkLifetime, cfg.CopyDeadline, cfg.ScanDeadline
	timing.SweepGrace, timing.RetryLongest, timing.Checkpoint = cfg.SweepGrace, cfg.RetryLongest, cfg.CheckpointEvery
	timing.SettingsCache, timing.RemindAfter, timing.EscalateAfter = cfg.SettingsCache, cfg.RemindAfter, cfg.EscalateAfter
	timing.ClaimLifetime = cfg.ClaimLifetime
	timing.HashTime = min(timing.HashTime, cfg.InvocationTimeout/4)
	return &airlock.Service{
		Store: a.store, Zones: a.zones, Queue: a.bus, Announcer: a.bus, TRE: cfg.TREID, Layout: layoutOf(cfg), Page: pageOf(cfg.PageURL),
		Archive: a.zones.Archive(airlock.Place{Account: cfg.TableAccount, Container: cfg.CheckpointContainer}), Signer: signer,
		Operators: cfg.OperatorEmails, MaxDrafts: cfg.MaxDrafts, VerifyUpTo: cfg.VerifyUpTo,
		Retention: airlock.Retention{
			Released: cfg.RetainReleased, Refused: cfg.RetainRefused, Quarantine: cfg.RetainQuarantine, Records: cfg.RetainRecords,
		},
		Now: time.Now, NewID: func() string { return uuid.Must(uuid.NewV7()).String() }, NewTrace: func() string { return uuid.NewString() },
		Spread: rand.Float64, Timing: timing, ScanTags: cfg.ScanTags, Copies: copies, Report: logs.problem, Observe: logs.observed,
	}
}

// pinged are the accounts without which no request of any workspace can go on: those of the TRE itself.
func pinged(cfg config.Config) []string {
	var accounts []string
	for _, at := range layoutOf(cfg) {
		if account := strings.ReplaceAll(at.Account, "{tre}", airlock.AccountPart(cfg.TREID)); !strings.Contains(account, "{") && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	return accounts
}

// layoutOf is the layout that the settings choose.
func layoutOf(cfg config.Config) airlock.Layout {
	if cfg.CompactLayout {
		return airlock.CompactLayout()
	}
	return airlock.DefaultLayout()
}

// pageOf fills the template of a request's page; nil where there is none.
func pageOf(template string) func(workspace, request string) string {
	if template == "" {
		return nil
	}
	return func(workspace, request string) string {
		return strings.NewReplacer("{workspace}", workspace, "{request}", request).Replace(template)
	}
}
