package api

import (
	"context"
	"net/http"

	"airlock/handlers/internal/airlock"
)

type scannerTest struct {
	State   string   `json:"state" enum:"none,running,passed,failed"`
	Started *decimal `json:"startedWhen,omitempty" doc:"POSIX seconds; not there where there was no test."`
	Seconds *decimal `json:"seconds,omitempty" doc:"From then until the scanner's event came; not there while it has not."`
	Event   *string  `json:"event" doc:"What the scanner's event said of the test file."`
	Tag     *string  `json:"tag" doc:"What the scanner wrote into its index tags."`
	Problem *string  `json:"problem" doc:"Why the test has failed."`
}

type scannerTestOutput struct {
	Body scannerTest `nameHint:"ScannerTest"`
}

// addScannerTest adds the self-test of the malware scanner.
func (s *server) addScannerTest() {
	const path = "/api/health/scanner"
	add(s, operation{
		id: "startScannerTest", method: http.MethodPost, path: path, tag: "Operation", success: http.StatusAccepted,
		summary: "Put a harmless test file before the malware scanner", fails: []int{http.StatusForbidden, http.StatusConflict},
		about: "For TRE admins. The file, which every scanner takes for malware, goes into the holding zone in a container of its own: it belongs to no request, " +
			"and nobody is told of it. One test runs at a time; asking again while it does shows it. It is deleted after an hour.",
	}, func(ctx context.Context, who airlock.Identity, _ *struct{}) (*scannerTestOutput, error) {
		return shownTest(s.Service.StartScannerTest(ctx, who))
	})
	add(s, operation{
		id: "getScannerTest", method: http.MethodGet, path: path, tag: "Operation", summary: "See how the test of the malware scanner went",
		fails: []int{http.StatusForbidden, http.StatusConflict},
		about: "For TRE admins. It has passed once the scanner has called the file malware, in an event that arrived here and, where index tags are required, in a " +
			"tag; it has failed when that has not happened within a quarter of an hour.",
	}, func(ctx context.Context, who airlock.Identity, _ *struct{}) (*scannerTestOutput, error) {
		return shownTest(s.Service.ScannerTest(ctx, who))
	})
}

func shownTest(t airlock.ScannerTest, err error) (*scannerTestOutput, error) {
	if err != nil {
		return nil, err
	}
	w := scannerTest{State: string(t.State), Event: orNull(string(t.Event)), Tag: orNull(string(t.Tag)), Problem: orNull(t.Problem)}
	if !t.Started.IsZero() {
		at := posix(t.Started)
		w.Started = &at
	}
	if t.Event != "" {
		took := decimal(t.Took.Seconds())
		w.Seconds = &took
	}
	return &scannerTestOutput{w}, nil
}
