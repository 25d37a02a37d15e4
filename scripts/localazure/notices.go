package localazure

import (
	"context"
	"fmt"

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
	trail, _, err := a.Client(w).Trail(ctx, "olga", request)
	if err != nil {
		return nil, fmt.Errorf("trail of %s: %w", request, err)
	}
	var due []Telling
	for _, r := range trail {
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
