package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
)

// console reads what the handler prints, and counts. It passes everything on.
type console struct {
	next io.Writer // may be nil

	mu   sync.Mutex
	rest []byte // of a line that is not complete
	seen printed
}

// printed is what the handler's output comes to.
type printed struct {
	sweeps   int
	useful   int // sweeps that found something due
	problems int // errors that did not fail what was asked
	failures int // invocations that failed
	crashes  []string
}

// tally is what was printed so far. The handler may go on printing.
func (c *console) tally() printed {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	seen.crashes = slices.Clone(seen.crashes)
	return seen
}

// Write takes output in pieces of any size.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		if _, err := c.next.Write(p); err != nil {
			return 0, err
		}
	}
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.read(line)
		c.rest = bytes.Clone(rest)
	}
}

func (c *console) read(line []byte) {
	var said struct {
		Message  string   `json:"message"`
		Function string   `json:"function"`
		Became   []string `json:"became"`
		Error    string   `json:"error"`
	}
	if json.Unmarshal(line, &said) != nil {
		if text := string(line); strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:") || strings.HasPrefix(text, "handler:") {
			c.seen.crashes = append(c.seen.crashes, text)
		}
		return
	}
	switch {
	case said.Message == "problem":
		c.seen.problems++
	case said.Message == "invocation" && said.Error != "":
		c.seen.failures++
	}
	if strings.HasPrefix(said.Error, "panic:") {
		c.seen.crashes = append(c.seen.crashes, said.Error)
	}
	if said.Message == "invocation" && said.Function == "Sweep" {
		c.seen.sweeps++
		if found := strings.Join(said.Became, " "); found != "" && !strings.Contains(found, "due 0,") {
			c.seen.useful++
		}
	}
}
