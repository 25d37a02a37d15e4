package airlock

import (
	"context"
	"slices"
	"time"

	"airlock/statemachine"
)

// A worker can come late: it has read a request, is held up, and goes on when others have finished with it. What it then
// does is refused wherever it depends on a version. Making a container depends on none: one that was deleted meanwhile
// would be there again, under the name that old links open. Therefore every container is deleted twice: at once, and again
// when no worker of that time can be at work any more.

// gone notes that a container was deleted, and has to be once more.
func (l *look) gone(s statemachine.Spot) {
	if !slices.Contains(l.after.Gone, s) {
		l.after.Gone = append(slices.Clip(l.after.Gone), s)
	}
	l.after.GoneAgain = l.s.Now().Add(l.s.Timing.Invocation)
}

// eraseAgain deletes for the second time what was deleted long enough ago.
func (l *look) eraseAgain(ctx context.Context) error {
	if len(l.after.Gone) == 0 || l.s.Now().Before(l.after.GoneAgain) {
		return nil
	}
	for _, spot := range l.after.Gone {
		if _, err := l.container(ctx, spot, l.s.Zones.Erase); err != nil {
			return err
		}
	}
	l.after.Gone, l.after.GoneAgain = nil, time.Time{}
	return nil
}
