package localazure

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"airlock/statemachine"
)

// Telling is one notice that somebody has to get: what it tells of, which is a status or another occasion, and whom.
type Telling struct {
	What, Audience string
}

// String writes it as the demo shows it.
func (t Telling) String() string { return t.What + " → " + t.Audience }

// Tellings reads the audit trail of a request and says, by the table of who is told what, which notices it asks for, in
// order.
func (a *Azure) Tellings(ctx context.Context, w Workspace, request string) ([]Telling, error) {
	token, err := a.Token("olga", w)
	if err != nil {
		return nil, err
	}
	status, answer, err := call(ctx, http.MethodGet, a.Host.URL()+"/api/workspaces/"+w.ID+"/requests/"+request+"/audit", token, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, answer)
	}
	var trail struct {
		Records []struct{ What, From, To string }
	}
	if err == nil {
		err = json.Unmarshal([]byte(answer), &trail)
	}
	if err != nil {
		return nil, fmt.Errorf("trail of %s: %w", request, err)
	}
	var due []Telling
	for _, r := range trail.Records {
		what, occasion := r.To, statemachine.StatusChanged
		if r.From == r.To {
			what, occasion = r.What, statemachine.Occasion(r.What)
		}
		for _, audience := range statemachine.Told(statemachine.Status(r.To), occasion) {
			due = append(due, Telling{what, string(audience)})
		}
	}
	return due, nil
}
