package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"airlock/scripts/docs/section"
)

// row is one figure of the table.
type row struct {
	Figure string  `json:"figure"`
	Unit   string  `json:"unit"` // of median, p95 and floor
	Median float64 `json:"median"`
	P95    float64 `json:"p95,omitempty"`
	Runs   int     `json:"runs"`
	Floor  float64 `json:"floor,omitempty"` // median of what it is compared with, measured in the same run
	Ratio  float64 `json:"ratio,omitempty"` // median to floor
	Budget string  `json:"budget,omitempty"`
	Holds  *bool   `json:"holds,omitempty"` // nil: there is no budget
	Note   string  `json:"note,omitempty"`
}

// table is all figures of a run.
type table struct {
	Machine string `json:"machine"`
	Quick   bool   `json:"quick,omitempty"` // fewer runs and smaller sizes
	Rows    []row  `json:"rows"`
}

// limit is a budget: nothing above it holds. The zero value is no limit.
type limit struct {
	median, ratio float64
	none          bool // it must be 0
}

// add adds a figure from its samples, and from those of its floor if there is one.
func (t *table) add(figure, unit string, samples, floor []float64, l limit, note string) {
	r := row{Figure: figure, Unit: unit, Median: quantile(samples, 0.5), Runs: len(samples), Note: note}
	if len(samples) > 1 {
		r.P95 = quantile(samples, 0.95)
	}
	if r.Floor = quantile(floor, 0.5); r.Floor > 0 {
		r.Ratio = r.Median / r.Floor
	}
	holds := true
	var budget []string
	if l.ratio > 0 {
		budget, holds = append(budget, fmt.Sprintf("≤ %s ×", number(l.ratio))), holds && r.Ratio <= l.ratio
	}
	if l.median > 0 {
		budget, holds = append(budget, fmt.Sprintf("≤ %s", with(l.median, unit))), holds && r.Median <= l.median
	}
	if l.none {
		budget, holds = append(budget, "none"), holds && r.Median == 0
	}
	if len(budget) > 0 {
		r.Budget, r.Holds = strings.Join(budget, ", "), &holds
	}
	t.Rows = append(t.Rows, r)
}

// with writes a figure with its unit.
func with(v float64, unit string) string { return strings.TrimSpace(number(v) + " " + unit) }

// number writes a figure with three digits that count.
func number(v float64) string {
	switch {
	case v == math.Trunc(v) && v < 1e6, v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// markdown is the table for people.
func (t *table) markdown() string {
	return rows(t.Rows) + "\nMeasured on " + t.Machine + t.how() + ".\n"
}

// how tells a run that is not to be relied on.
func (t *table) how() string {
	if t.Quick {
		return ", in a quick run: few repetitions, and smaller sizes"
	}
	return ""
}

// codeMark begins the figures of the parts that reach no storage. They are many, and few want to see them.
const codeMark = "code: "

// publish puts the table into README.md.
func (t *table) publish() error {
	dir, err := repository()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "README.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := section.Replace(string(old), "figures", t.readme())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// readme is the table as README.md shows it.
func (t *table) readme() string {
	var whole, code []row
	for _, r := range t.Rows {
		if name, isCode := strings.CutPrefix(r.Figure, codeMark); isCode {
			r.Figure = name
			code = append(code, r)
		} else {
			whole = append(whole, r)
		}
	}
	return "Measured on " + t.Machine + t.how() + ".\n\n" + rows(whole) +
		"\n<details><summary>The parts that reach no storage</summary>\n\n" + rows(code) + "\n</details>\n"
}

// rows writes a table in Markdown.
func rows(all []row) string {
	var b strings.Builder
	b.WriteString("| figure | median | p95 | floor | ratio | budget | holds | |\n|---|---:|---:|---:|---:|---|---|---|\n")
	for _, r := range all {
		p95, floor, ratio, holds := "", "", "", ""
		if r.P95 != 0 {
			p95 = number(r.P95)
		}
		if r.Ratio != 0 {
			floor, ratio = number(r.Floor), number(r.Ratio)+" ×"
		}
		if r.Holds != nil {
			holds = map[bool]string{true: "yes", false: "**no**"}[*r.Holds]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.Figure, with(r.Median, r.Unit), p95, floor, ratio, r.Budget, holds, r.Note)
	}
	return b.String()
}

// json writes the table for programs.
func (t *table) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(t)
}
