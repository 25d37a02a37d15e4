package busqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"airlock/handlers/internal/airlock"
)

// maxNudge is more than a nudge can have, in bytes.
const maxNudge = 1024

var (
	requestID   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	workspaceID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// Decode reads the body of a message that Nudge has sent. Whatever else there is in the queue is an error, which quotes
// nothing of the body.
func Decode(body []byte) (airlock.Nudge, error) {
	if len(body) > maxNudge {
		return airlock.Nudge{}, fmt.Errorf("a nudge of %d bytes; it has at most %d", len(body), maxNudge)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var n airlock.Nudge
	if err := d.Decode(&n); err != nil {
		return airlock.Nudge{}, errors.New("not the JSON of a nudge")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return airlock.Nudge{}, errors.New("more than the JSON of a nudge")
	}
	switch {
	case !workspaceID.MatchString(n.Workspace):
		return airlock.Nudge{}, errors.New("a nudge without the id of a workspace")
	case !requestID.MatchString(n.Request):
		return airlock.Nudge{}, errors.New("a nudge without the id of a request")
	}
	return n, nil
}
