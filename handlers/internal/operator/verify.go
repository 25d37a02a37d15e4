package operator

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"airlock/handlers/internal/dsse"
	"airlock/handlers/internal/proof"
)

// verify is the command that proves exported trails, with nothing but files.
type verify struct {
	json, some  bool
	checkpoints string
	keys        []crypto.PublicKey
}

// verified is what it has found.
type verified struct {
	Records int           `json:"records"` // that are whole and in order
	Trails  []proof.Trail `json:"trails"`
	Broken  int           `json:"broken"` // trails that do not verify

	Checkpoints *proof.Checkpoints `json:"checkpoints"` // null: they were not asked for

	Problems []string `json:"problems,omitempty"` // what could not be looked at
}

func defineVerify(flags *flag.FlagSet) run {
	v := &verify{}
	flags.BoolVar(&v.json, "json", false, "print one JSON object")
	flags.BoolVar(&v.some, "some", false, "the files are only some of the trails: others, which the checkpoints know, are not missed")
	flags.StringVar(&v.checkpoints, "checkpoints", "", "a `folder` with a copy of the container of checkpoints, to hold the trails against")
	flags.Func("key", "a `file` with a public key in PEM whose signatures on checkpoints count; may be given several times", v.addKey)
	return v.run
}

func (v *verify) addKey(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	key, err := dsse.ParsePublic(text)
	v.keys = append(v.keys, key)
	return err
}

func (v *verify) run(_ context.Context, _ Tools, files []string, out io.Writer) (int, error) {
	if len(files) == 0 {
		return Unclear, errors.New("name the files that were exported as JSON Lines")
	}
	if (v.checkpoints == "") != (len(v.keys) == 0) {
		return Unclear, errors.New("-checkpoints and -key go together: a checkpoint is worth its signature")
	}
	p, result := &proof.Proof{}, verified{}
	for _, name := range files {
		if err := readFile(p, name); err != nil {
			result.Problems = append(result.Problems, err.Error())
		}
	}
	if v.checkpoints != "" {
		held, err := p.Against(os.DirFS(v.checkpoints), v.keys, v.some)
		result.Checkpoints = &held
		if err != nil {
			result.Problems = append(result.Problems, err.Error())
		}
	}
	result.Trails = p.Trails()
	for _, t := range result.Trails {
		result.Records += t.Records
		if t.Broken > 0 {
			result.Broken++
		}
	}
	var err error
	if v.json {
		err = encode(out, result)
	} else {
		err = result.print(out)
	}
	return result.code(), err
}

func readFile(p *proof.Proof, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.Read(name, f)
}

func (v *verified) code() int {
	switch {
	case len(v.Problems) > 0:
		return Unclear
	case v.Broken > 0 || v.Checkpoints != nil && len(v.Checkpoints.Found) > 0:
		return Found
	default:
		return Well
	}
}

// print writes one line for each trail, and the sum at the end.
func (v *verified) print(out io.Writer) error {
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		errs = append(errs, err)
	}
	for _, p := range v.Problems {
		line("not looked at: %s", p)
	}
	for _, t := range v.Trails {
		if t.Broken > 0 {
			line("BROKEN: %s: record %d %s (%s, line %d; the %d before it are whole)", t.Name, t.Broken, t.Why, t.File, t.Line, t.Records)
			continue
		}
		covered := ""
		if v.Checkpoints != nil {
			covered = fmt.Sprintf(" (%d of them under the newest checkpoint)", t.Covered)
		}
		line("ok: %s: %d records%s from %s to %s, which end in %s", t.Name, t.Records, covered, t.Began.Format(time.RFC3339), t.Ended.Format(time.RFC3339), t.Head)
	}
	if c := v.Checkpoints; c != nil {
		for _, f := range c.Found {
			if f.Trail == "" {
				line("FOUND: checkpoint %d: %s", f.Checkpoint, f.Why)
			} else {
				line("FOUND: %s: %s (checkpoint %d)", f.Trail, f.Why, f.Checkpoint)
			}
		}
		line("checkpoints: %d, the newest of %s; %d findings, %d trails deleted in due form, %d not among the files",
			c.Number, c.When.Format(time.RFC3339), len(c.Found), c.Deleted, c.Left)
	}
	line("verify-audit: %d trails, %d of them broken, %d records", len(v.Trails), v.Broken, v.Records)
	return errors.Join(errs...)
}
