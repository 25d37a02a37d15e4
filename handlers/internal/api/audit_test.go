package api

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
)

// TestAuditLinesVerify does what an auditor does with nothing but the lines: empty the hash, hash the line, compare.
func TestAuditLinesVerify(t *testing.T) {
	e := newEdge(t).expect("Audit", aTrail(), nil)
	for _, headers := range [][]string{{"Accept: application/x-ndjson"}, {"Accept: application/json"}} {
		target := one + "/audit"
		if headers[0] == "Accept: application/json" {
			target += "?format=jsonl"
		}
		w := e.do("GET", target, "", append(headers, asResearcher)...)
		if w.Code != 200 || w.Header().Get("Content-Type") != linesType || w.Header().Get("x-airlock-audit-intact") != "true" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines: %s", len(lines), w.Body)
		}
		hash, before := regexp.MustCompile(`"hash":"([0-9a-f]{64})"\}$`), ""
		for _, line := range lines {
			stated := hash.FindStringSubmatch(line)[1]
			sum := sha256.Sum256([]byte(strings.TrimSuffix(line, stated+`"}`) + `"}`))
			if hex.EncodeToString(sum[:]) != stated || before != "" && !strings.Contains(line, `"previous":"`+before+`"`) {
				t.Errorf("does not verify: %s", line)
			}
			before = stated
		}
	}
}

// TestAuditCSV checks that a spreadsheet shows what was written, and runs nothing.
func TestAuditCSV(t *testing.T) {
	trail := aTrail()
	for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "plain", "", `"quoted", and, commas`, "two\nlines", "é=1"} {
		trail.Records = append(trail.Records, airlock.Record{Text: cell})
	}
	trail.Intact, trail.Problem = false, "record 3: expected number 3"
	e := newEdge(t).expect("Audit", trail, nil)
	w := e.do("GET", one+"/audit", "", "Accept: text/csv", asResearcher)
	if w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || w.Header().Get("x-airlock-audit-intact") != "false" {
		t.Errorf("%v", w.Header())
	}
	reader := csv.NewReader(strings.NewReader(w.Body.String()))
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(trail.Records)+1 || len(rows[0]) != 18 || rows[1][17] != trail.Records[0].Hash || rows[1][2] != "2024-03-01T12:00:00Z" {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	for i, row := range rows[1:] {
		for column, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") || strings.HasPrefix(cell, "＝") {
				t.Errorf("row %d column %d begins a formula: %q", i, column, cell)
			}
		}
		want := strings.ReplaceAll(trail.Records[i].Text, "\r\n", "\n")
		if got := strings.TrimPrefix(row[12], "'"); got != want {
			t.Errorf("row %d: %q, want %q", i, got, want)
		}
	}
	golden(t, "audit.csv", auditCSV(aTrail().Records))

	w = e.do("GET", one+"/audit", "", asResearcher)
	if !strings.Contains(w.Body.String(), `"intact":false,"problem":"record 3: expected number 3"`) {
		t.Errorf("%s", w.Body)
	}
}
