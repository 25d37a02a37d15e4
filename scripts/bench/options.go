package main

import (
	"maps"

	"airlock/scripts/localazure"
)

// options are those of the local Azure that is measured: as in production, with what happens by the clock left out. A sweep
// happens when it is asked for, and the settings of a workspace are read once: in production once in ten seconds.
// A few people make very many drafts, which production forbids. They are counted as there. More settings are added to these.
func options(dist string, more map[string]string) localazure.Options {
	settings := map[string]string{"AIRLOCK_SETTINGS_CACHE": "5m", "AIRLOCK_MAX_DRAFTS": "10000"}
	maps.Copy(settings, more)
	return localazure.Options{Dist: dist, Sweep: -1, Settings: settings}
}

// oneCore gives the handler, and what it is compared with, as many processors as an instance has of the size that infra deploys
// (2,048 MB: https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan).
func oneCore() map[string]string { return map[string]string{"GOMAXPROCS": "1"} }
