// Package operator is the commands of the program, for the people who run it.
//
// It promises that a command only looks unless a flag or its name says otherwise, that what it finds is on standard output
// (as one JSON object with -json) and what went wrong on standard error, and that its exit code tells which of both it
// was. It changes no request itself: it asks the running program to look, or adds what happened elsewhere.
//
// It never prints a link, a token or a file's name.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
)

// The exit codes.
const (
	Well    = 0 // all is as it must be, or was done
	Found   = 1 // something is not as it must be
	Unclear = 2 // not all could be looked at or done, or the command was not understood
)

// Tools is what commands work with.
type Tools struct {
	Checker     airlock.Checker
	Queue       airlock.Queue
	DeadLetters airlock.DeadLetters
	Now         func() time.Time
}

// command is one of the commands. Its flags are defined before it runs.
type command struct {
	name, use, does string
	define          func(*flag.FlagSet) run
	offline         bool // it needs no tools
}

// run does the work of a command and returns its exit code. The error is for standard error.
type run func(ctx context.Context, t Tools, args []string, out io.Writer) (code int, err error)

// commands are all commands, in the order of the help.
func commands() []command {
	return []command{
		{"fsck", "fsck [-json] [-repair] [-workspace ID] [-grace DURATION]",
			"check everything that is stored against what must always be true", defineFsck, false},
		{"deadletters", "deadletters list|replay [-queue NAME] [-id MESSAGE] [-all] [-json]",
			"list the messages that were given up on, or send them again", defineDeadLetters, false},
		{"verify-audit", "verify-audit [-json] [-checkpoints FOLDER -key FILE [-some]] FILE...",
			"prove audit trails that were exported as JSON Lines, with nothing but the files", defineVerify, true},
		{"import-azuretre", "import-azuretre [-dry-run] [-json] FILE",
			"take the finished requests of AzureTRE over as history, from its Cosmos DB's JSON", defineImportAzureTRE, false},
	}
}

// Run runs the command that the arguments name and returns the exit code of the process. connect makes the tools; it is
// called once the command line is understood.
func Run(ctx context.Context, args []string, connect func() (Tools, error), out, problems io.Writer) int {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return len(args) > 0 && c.name == args[0] })
	if i < 0 {
		fmt.Fprintln(problems, "handler: without arguments it serves the Functions host; the commands are")
		for _, c := range all {
			fmt.Fprintf(problems, "  handler %s\n        %s\n", c.use, c.does)
		}
		return Unclear
	}
	c := all[i]
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.Usage = func() {
		fmt.Fprintf(problems, "handler %s: %s\n", c.use, c.does)
		flags.PrintDefaults()
	}
	do := c.define(flags)
	verbs, rest := words(args[1:])
	switch err := flags.Parse(rest); {
	case errors.Is(err, flag.ErrHelp):
		return Well
	case err != nil:
		return Unclear // the flag package has said why
	}
	var tools Tools
	var err error
	if !c.offline {
		tools, err = connect()
	}
	code := Unclear
	if err == nil {
		code, err = do(ctx, tools, append(verbs, flags.Args()...), out)
	}
	if err != nil {
		fmt.Fprintf(problems, "handler %s: %s\n", c.name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return code
}

// words splits off what stands before the first flag.
func words(args []string) (words, rest []string) {
	n := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if n < 0 {
		n = len(args)
	}
	return slices.Clone(args[:n]), args[n:]
}

// encode writes a value as JSON on lines of its own.
func encode(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
