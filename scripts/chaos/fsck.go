package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"airlock/scripts/localazure"
)

// fsckTime bounds one look at everything.
const fsckTime = 10 * time.Minute

// report is what the handler's own check of its tables and containers found.
type report struct {
	Requests   int         `json:"requests"`
	Violations []violation `json:"violations"`
	Orphans    []violation `json:"orphans"` // containers that belong to no request
	Owed       []owed      `json:"owed"`    // requests for which the system has something to do
	Problems   []string    `json:"problems"`
}

type violation struct {
	Rule    string `json:"rule"`
	Request string `json:"requestId"`
	Detail  string `json:"detail"`
}

type owed struct {
	Request   string    `json:"requestId"`
	Status    string    `json:"status"`
	Due       time.Time `json:"due"`
	Tries     int       `json:"tries"`
	LastError string    `json:"lastError"`
}

// fsck runs the check as operators do. It ends with 1 where it found something and with 2 where it could not look at
// everything: the report tells of both.
func fsck(ctx context.Context, azure *localazure.Azure) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, fsckTime)
	defer cancel()
	command := azure.Command(ctx, "fsck", "-json")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	var ended *exec.ExitError
	if err != nil && !(errors.As(err, &ended) && (ended.ExitCode() == 1 || ended.ExitCode() == 2)) {
		return report{}, fmt.Errorf("fsck: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	var r report
	if err := json.Unmarshal(output, &r); err != nil {
		return report{}, fmt.Errorf("fsck: its output is not JSON: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	return r, nil
}
