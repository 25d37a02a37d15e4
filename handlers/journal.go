package main

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	"github.com/rs/zerolog"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/customhandler"
)

// journal writes the log: one JSON line on stdout for each invocation, with its outcome. Never a token, a link or, above
// debug, a file name.
type journal struct {
	log zerolog.Logger
}

func newJournal(out io.Writer, level string, now func() time.Time) *journal {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		parsed = zerolog.InfoLevel // settings are checked before
	}
	stamp := zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) { e.Time("time", now().UTC()) })
	return &journal{zerolog.New(out).Level(parsed).Hook(stamp)}
}

// What wakes people up, by the names that the alerts look for.
const (
	eventBroken = "audit_broken"    // evidence is not what it must be
	eventDigest = "digest_mismatch" // content is not what it must be
)

// eventNoCheckpoint names what people have to look at when it goes on: no checkpoint was made.
const eventNoCheckpoint = "no_checkpoint"

// problem notes an error that did not fail what was asked.
func (j *journal) problem(_ context.Context, err error) {
	switch {
	case errors.Is(err, airlock.ErrBroken):
		j.log.Error().Err(err).Str("event", eventBroken).Msg("problem")
	case errors.Is(err, airlock.ErrDigest):
		j.log.Error().Err(err).Str("event", eventDigest).Msg("problem")
	case errors.Is(err, airlock.ErrNoCheckpoint):
		j.log.Warn().Err(err).Str("event", eventNoCheckpoint).Msg("problem")
	default:
		j.log.Warn().Err(err).Msg("problem")
	}
}

// observed notes something that is counted or timed. Alerts look for its name.
func (j *journal) observed(_ context.Context, o airlock.Observation) {
	e := j.log.Info().Float64("seconds", o.Took.Seconds())
	if o.What == airlock.ObservedSweep {
		e.Int("workspaces", o.Swept.Workspaces).Int("due", o.Swept.Due).Int("left", o.Swept.Left).Float64("oldest_s", o.Swept.Late.Seconds()).Msg(string(o.What))
		return
	}
	e.Str("workspace", o.Workspace).Str("request", o.Request).Str("status", string(o.Status)).Str("task", string(o.Task)).Int("files", o.Files).Int64("bytes", o.Bytes).
		Msg(string(o.What))
}

// invocation notes one call of a trigger.
func (j *journal) invocation(r customhandler.Report) {
	e := j.log.Info()
	if r.Err != nil {
		e = j.log.Error().Err(r.Err)
	}
	e.Str("function", r.Function).Str("invocation", r.ID).Str("outcome", string(r.Outcome)).Dur("ms", r.Duration).
		Strs("became", r.Logs).Msg("invocation")
}

// request notes one HTTP request.
func (j *journal) request(_ context.Context, r api.Entry) {
	e := j.log.Info()
	if r.Err != nil {
		e = j.log.Warn().Err(r.Err)
	}
	e.Str("operation", r.Operation).Str("method", r.Method).Int("status", r.Status).Str("code", r.Code).
		Str("trace", r.CorrelationID).Str("person", r.Person).Str("workspace", r.Workspace).Str("request", r.Request).
		Dur("ms", r.Took).Msg("request")
}

// standard is for packages that want a logger of the standard library.
func (j *journal) standard() *log.Logger { return log.New(j.log, "", 0) }
