package main

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/config"
	"airlock/handlers/internal/operator"
)

// newTools builds what commands work with, from the settings of the app. They run as the managed identity where there is
// one, else as whoever is signed in to the Azure CLI: on a machine inside the network, as a person with a role on the data.
func newTools(ctx context.Context, lookup func(string) (string, bool)) (operator.Tools, error) {
	cfg, err := config.ReadForCommand(lookup)
	if err != nil {
		return operator.Tools{}, err
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return operator.Tools{}, fmt.Errorf("credential: %w", err)
	}
	outside, err := connect(cfg, credential)
	if err != nil {
		return operator.Tools{}, err
	}
	if err := outside.store.Fit(ctx); err != nil {
		return operator.Tools{}, err
	}
	return operator.Tools{
		Checker: airlock.Checker{
			Store: outside.store, Zones: outside.zones, TRE: cfg.TREID, Layout: layoutOf(cfg), Containers: outside.zones,
		},
		Queue: outside.bus, DeadLetters: outside.bus.DeadLetters(cfg.DeadLetterQueues()...), Now: time.Now,
	}, nil
}
