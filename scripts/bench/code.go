package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// benchmarked are the packages whose Go benchmarks are a part of the table.
var benchmarked = []string{"./statemachine", "./handlers/internal/airlock", "./handlers/internal/tablestore", "./handlers/internal/api"}

// code runs the Go benchmarks of the parts that reach no storage. Those of scale have their floor among them: the same with ten.
func (b *bench) code(ctx context.Context) error {
	dir, err := repository()
	if err != nil {
		return err
	}
	count, time := "10", "100ms"
	if b.quick {
		count, time = "3", "10ms"
	}
	args := []string{"test"}
	if b.quick {
		args = append(args, "-short")
	}
	args = append(args, "-run", "^$", "-bench", ".", "-benchmem", "-count", count, "-benchtime", time, "-timeout", "30m", "-p", "1")
	args = append(args, benchmarked...)
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	return b.benchmarks(string(out))
}

// result is what a benchmark printed, over all its runs.
type result struct {
	name               string
	times, bytes, objs []float64
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op(?:.*?\s([\d.]+) B/op\s+([\d.]+) allocs/op)?`)

// benchmarks adds what "go test -bench" printed to the table.
func (b *bench) benchmarks(out string) error {
	var results []*result
	byName := map[string]*result{}
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		m := benchmarkLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		r := byName[m[1]]
		if r == nil {
			r = &result{name: m[1]}
			byName[m[1]] = r
			results = append(results, r)
		}
		for i, into := range []*[]float64{&r.times, &r.bytes, &r.objs} {
			if v, err := strconv.ParseFloat(m[i+2], 64); err == nil {
				*into = append(*into, v)
			}
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no benchmark ran: %s", out)
	}
	for _, r := range results {
		b.addBenchmark(r, byName)
	}
	return nil
}

// micros is nanoseconds as microseconds.
func micros(nanos []float64) (out []float64) {
	for _, v := range nanos {
		out = append(out, v/1000)
	}
	return out
}

// addBenchmark adds one. One of scale is named Scale/CALL/requests=N.
func (b *bench) addBenchmark(r *result, all map[string]*result) {
	note := fmt.Sprintf("%s B, %s allocations", number(quantile(r.bytes, 0.5)), number(quantile(r.objs, 0.5)))
	if strings.HasPrefix(r.name, "Sweep/") {
		b.table.add(codeMark+r.name, "µs", micros(r.times), nil, limit{median: 1e6}, note)
		return
	}
	prefix, n, scaled := strings.Cut(r.name, "=")
	ten := all[prefix+"=10"]
	if n == "airlock" { // beside a program that does the same
		b.table.add(codeMark+r.name, "µs", micros(r.times), micros(all[prefix+"=sha256sum"].times), limit{ratio: 1.2}, note)
		return
	}
	if !scaled || ten == nil || n == "10" {
		b.table.add(codeMark+r.name, "µs", micros(r.times), nil, limit{}, note)
		return
	}
	b.table.add(codeMark+r.name, "µs", micros(r.times), micros(ten.times), limit{ratio: 1.3}, note)
}
