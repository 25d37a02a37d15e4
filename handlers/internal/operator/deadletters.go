package operator

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"airlock/handlers/internal/airlock"
)

// maxReplay is how many dead letters of one queue are replayed in one run.
const maxReplay = 10_000

// deadLetters is the command with its flags.
type deadLetters struct {
	json, all bool
	queue, id string
}

func defineDeadLetters(flags *flag.FlagSet) run {
	d := &deadLetters{}
	flags.BoolVar(&d.json, "json", false, "print one JSON object")
	flags.StringVar(&d.queue, "queue", "", "only the dead letters of this queue or subscription (topic/subscription)")
	flags.StringVar(&d.id, "id", "", "only those with this message id")
	flags.BoolVar(&d.all, "all", false, "replay all of them")
	return d.run
}

// run lists or replays.
func (d *deadLetters) run(ctx context.Context, t Tools, args []string, out io.Writer) (int, error) {
	verb, more := "", []string(nil)
	if len(args) > 0 {
		verb, more = args[0], args[1:]
	}
	each := d.list
	switch {
	case verb != "list" && verb != "replay":
		return Unclear, errors.New("say list or replay")
	case len(more) > 0:
		return Unclear, fmt.Errorf("%q is no flag", more[0])
	case verb == "list" && d.all:
		return Unclear, errors.New("-all is for replay")
	case verb == "replay" && d.all == (d.id != ""):
		return Unclear, errors.New("replay wants either -id or -all")
	case d.queue != "" && !slices.Contains(t.DeadLetters.Queues(), d.queue):
		return Unclear, fmt.Errorf("there is no queue %q; there are %q", d.queue, t.DeadLetters.Queues())
	case verb == "replay":
		each = d.replay
	}
	w := &letterWriter{verb: verb, asJSON: d.json, out: out, problems: []string{}}
	w.begin()
	for _, queue := range t.DeadLetters.Queues() {
		if d.queue == "" || d.queue == queue {
			d.walk(ctx, t, queue, each, w)
		}
	}
	w.end()
	switch {
	case w.err != nil || len(w.problems) > 0:
		return Unclear, w.err
	case verb == "list" && w.count > 0:
		return Found, nil
	default:
		return Well, nil
	}
}

// walk writes what becomes of the dead letters of one queue.
func (d *deadLetters) walk(ctx context.Context, t Tools, queue string,
	each func(context.Context, Tools, string) iter.Seq2[airlock.DeadLetter, error], w *letterWriter) {
	w.queues++
	for letter, err := range each(ctx, t, queue) {
		switch {
		case errors.Is(err, airlock.ErrNotFound) && d.queue == "": // not every deployment has every queue
			w.queues--
		case err != nil:
			w.problems = append(w.problems, err.Error())
		default:
			w.write(letter)
		}
		if w.err != nil {
			return
		}
	}
}

// list yields what is asked for.
func (d *deadLetters) list(ctx context.Context, t Tools, queue string) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		for letter, err := range t.DeadLetters.List(ctx, queue) {
			if (err != nil || d.id == "" || d.id == letter.ID) && !yield(letter, err) {
				return
			}
		}
	}
}

// replay yields what was replayed. What comes in meanwhile is left for the next run, so that a message which is given up on
// again ends it.
func (d *deadLetters) replay(ctx context.Context, t Tools, queue string) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		var numbers []int64
		for letter, err := range d.list(ctx, t, queue) {
			if err != nil {
				yield(letter, err)
				return
			}
			if numbers = append(numbers, letter.Number); len(numbers) == maxReplay {
				break
			}
		}
		if len(numbers) == 0 {
			return
		}
		for letter, err := range t.DeadLetters.Replay(ctx, queue, numbers) {
			if !yield(letter, err) {
				return
			}
		}
	}
}

// letterWriter writes dead letters as they come, for people or as one JSON object.
type letterWriter struct {
	verb     string
	asJSON   bool
	out      io.Writer
	count    int // of dead letters
	queues   int // that were looked at
	problems []string
	err      error // of the output
}

func (w *letterWriter) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

func (w *letterWriter) begin() {
	if w.asJSON {
		w.printf("{\n  \"deadLetters\": [")
	}
}

func (w *letterWriter) write(l airlock.DeadLetter) {
	w.count++
	if !w.asJSON {
		state := "dead"
		if w.verb == "replay" {
			state = "replayed"
		}
		w.printf("%s: %s %d: id %q, request %q, sent %s, %d deliveries, %d bytes: %q %q\n", state, l.Queue, l.Number, l.ID, l.Request,
			l.SentAt.UTC().Format(time.RFC3339), l.Deliveries, l.Bytes, l.Reason, l.Description)
		return
	}
	separator := ","
	if w.count == 1 {
		separator = ""
	}
	w.printf("%s\n    %s", separator, w.value(l))
}

func (w *letterWriter) end() {
	if !w.asJSON {
		for _, p := range w.problems {
			w.printf("not done: %s\n", p)
		}
		w.printf("deadletters: %s: %d in %d queues, %d problems\n", w.verb, w.count, w.queues, len(w.problems))
		return
	}
	w.printf("\n  ],\n  \"count\": %d,\n  \"queues\": %d,\n  \"problems\": %s\n}\n", w.count, w.queues, w.value(w.problems))
}

// value is a value as JSON on one line.
func (w *letterWriter) value(v any) []byte {
	encoded, err := json.Marshal(v)
	w.err = errors.Join(w.err, err)
	return encoded
}
