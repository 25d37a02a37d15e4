package main

import "airlock/scripts/localazure"

// options are those of the local Azure that is measured: as in production, with what happens by the clock left out. A sweep
// happens when it is asked for, and the settings of a workspace are read once: in production once in ten seconds.
// A few people make very many drafts, which production forbids. They are counted as there.
func options(dist string) localazure.Options {
	return localazure.Options{Dist: dist, Sweep: -1, Settings: map[string]string{"AIRLOCK_SETTINGS_CACHE": "5m", "AIRLOCK_MAX_DRAFTS": "10000"}}
}
