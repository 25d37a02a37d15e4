package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"airlock/statemachine"
)

// Service is the airlock's use cases and Reconcile. All fields but the optional ones must be set; none may change
// once it is in use. It is safe for concurrent use.
type Service struct {
	Store     Store
	Zones     Zones
	Queue     Queue
	Announcer Announcer
	Archive   Archive // of checkpoints; nil: none are made
	Signer    Signer  // nil: nothing is signed

	Version string // of this program, for disclosures
	TRE     string // id of the TRE: the suffix of its storage accounts
	Layout  Layout
	Page    func(workspace, request string) string // where people see a request; may be nil

	VerifyUpTo int64     // bytes up to which a released file is read again and compared, where a workspace says nothing; 0: whatever its size
	Retention  Retention // where a workspace has none of its own
	Operators  []string  // addresses of the people who run it; may be empty
	MaxDrafts  int       // that one person may have at a time in one workspace, each with a container; 0: any number

	Now      func() time.Time
	NewID    func() string  // request and review ids: UUIDv7, lower case
	NewTrace func() string  // correlation ids: UUID
	Spread   func() float64 // 0 to 1, to spread retries

	Report  func(context.Context, error)       // errors that did not fail what was asked; may be nil
	Observe func(context.Context, Observation) // what is counted and timed; may be nil
	Probes  []Probe                            // what Health asks beside the ports

	Timing       Timing
	SweepWorkers int  // how many requests a sweep looks at at the same time; 0: a few; 1: one after the other, in the caller's goroutine
	Copies       int  // how many copies of one request are started at a time; 0: one
	ScanTags     bool // the scanner writes its result into the blobs' index tags too, and it has to agree

	settings settingsCache
	newest   newest
}

// Timing is how long things may take. The zero value is of no use; DefaultTiming is.
type Timing struct {
	LinkLifetime  time.Duration // of links that are handed out
	CopyDeadline  time.Duration // for all moves of one step together; then the request fails
	RemindAfter   time.Duration // how long a review may wait before the reviewers are reminded, where the workspace says nothing; 0: for ever
	EscalateAfter time.Duration // and before the owners hear of it as well
	ClaimLifetime time.Duration // of a reviewer's claim on a request
	ScanDeadline  time.Duration // from sealing to the last verdict; then the request fails
	SweepGrace    time.Duration // how long events have to do the work before the sweep does
	RetryFirst    time.Duration // pause after the first transient failure of owed work; doubles
	RetryLongest  time.Duration // longest pause
	SettingsCache time.Duration // how stale a workspace's settings may be
	Relook        time.Duration // how often a request at rest is looked at although nothing is due, since the settings may have changed; 0: never
	CopyPoll      time.Duration // how often a copy on its way is looked at, where no event tells of its end
	HashTime      time.Duration // how long one invocation reads files to compute their digests; it goes on in the next
	HashBytes     int64         // and how many bytes it reads at most
	HashAtOnce    int64         // files that have no more bytes together are read together with the work before, and stored with it
	TaskTime      time.Duration // longest time for one piece of owed work in one invocation
	Checkpoint    time.Duration // how often the heads of all trails are signed and put away
	Invocation    time.Duration // longest time that an invocation can be at work, however late it is
}

// DefaultTiming is for production.
func DefaultTiming() Timing {
	return Timing{
		LinkLifetime: time.Hour, ClaimLifetime: 24 * time.Hour, CopyDeadline: 24 * time.Hour, ScanDeadline: 6 * time.Hour, SweepGrace: 2 * time.Minute,
		RetryFirst: 5 * time.Second, RetryLongest: 15 * time.Minute, SettingsCache: 10 * time.Second,
		HashTime: 20 * time.Second, HashBytes: 16 << 30, HashAtOnce: 16 << 20,
		CopyPoll: 30 * time.Second, TaskTime: 2 * time.Minute, Invocation: 15 * time.Minute, Checkpoint: time.Hour, Relook: 7 * 24 * time.Hour, RemindAfter: 2 * 24 * time.Hour, EscalateAfter: 5 * 24 * time.Hour,
	}
}

// task is how long a piece of owed work may take now. Of what the invocation has left a part is kept for storing what came
// of it: storage that never answers must not keep a request from failing at its deadline.
func (t Timing) task(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(t.TaskTime, time.Until(end)*3/4)
	}
	return t.TaskTime
}

// Identity is who somebody is, as their access token proves it: nothing of it says yet what they may do here.
type Identity struct {
	Person
	Groups        []string // object ids of the groups that the token lists
	GroupsLeftOut bool     // they were too many for the token, so that a role through a group cannot be seen
	ForAPI        bool     // the token's audience is the API's own, not a workspace's
	SourceAddress string
	CorrelationID string
}

// View is a request with what the one who asked may do with it now.
type View struct {
	Request Request
	Actions []statemachine.Action
	Policy  Policy // that the reviews of the present round are under, or will be
	Seats   []Seat // of the policy, in its order
}

// settingsCache keeps settings for a moment, so that a mutation reads one row and not two.
type settingsCache struct {
	mu      sync.Mutex
	entries map[string]cachedSettings
}

type cachedSettings struct {
	settings Settings
	until    time.Time
}

// workspaceSettings reads a workspace's settings, at most Timing.SettingsCache old.
func (s *Service) workspaceSettings(ctx context.Context, workspace string) (Settings, error) {
	s.settings.mu.Lock()
	entry, ok := s.settings.entries[workspace]
	s.settings.mu.Unlock()
	if ok && s.Now().Before(entry.until) {
		return entry.settings, nil
	}
	read, err := s.Store.Settings(ctx, workspace)
	if err != nil {
		return Settings{}, answer(fmt.Errorf("settings of %s: %w", workspace, err), sentenceNoSettings)
	}
	s.rememberSettings(read)
	return read, nil
}

func (s *Service) rememberSettings(settings Settings) {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	if s.settings.entries == nil {
		s.settings.entries = map[string]cachedSettings{}
	}
	s.settings.entries[settings.WorkspaceID] = cachedSettings{settings, s.Now().Add(s.Timing.SettingsCache)}
}

// enter finds out what somebody is in a workspace: from the token's own roles where it was made for the workspace's
// app registration, from the member list where it was made for the API. It fails unless they hold one of the roles.
func (s *Service) enter(ctx context.Context, who Identity, workspace string, roles ...Role) (Actor, Settings, error) {
	settings, err := s.workspaceSettings(ctx, workspace)
	if err != nil {
		return Actor{}, Settings{}, err
	}
	actor, ok := s.actorIn(settings, who)
	if !ok {
		return Actor{}, Settings{}, problem(Unauthenticated, "wrong_audience", sentenceWrongAudience)
	}
	if !slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(actor.Roles, r) }) {
		return Actor{}, Settings{}, who.explained(missingRole(roles))
	}
	return actor, settings, nil
}

// actorIn is somebody in a workspace. ok is false when their token is for another one.
func (s *Service) actorIn(settings Settings, who Identity) (actor Actor, ok bool) {
	now := s.Now()
	actor = Actor{Person: who.Person, Groups: who.Groups, At: now, SteadOf: settings.steadOf(who.ID, now), SourceAddress: who.SourceAddress, CorrelationID: who.CorrelationID}
	actor.Roles, ok = s.rolesIn(settings, who)
	return actor, ok
}

// rolesIn returns the roles somebody holds in a workspace. ok is false when their token is for another one.
func (s *Service) rolesIn(settings Settings, who Identity) (held []Role, ok bool) {
	switch {
	case who.ForAPI:
		held = settings.RolesOf(append([]string{who.ID}, who.Groups...)...)
		if slices.Contains(who.Roles, RoleAdmin) {
			held = append(held, RoleAdmin)
		}
		return held, true
	case settings.Audience != "" && who.Audience == settings.Audience:
		for _, r := range who.Roles {
			if r == RoleResearcher || r == RoleOwner || r == RoleManager {
				held = append(held, r)
			}
		}
		return held, true
	default:
		return nil, false
	}
}

// explained adds to a refusal for want of a role that one through a group could not be seen, where that is so: whoever
// is refused can do something about it. All other errors stay as they are.
func (i Identity) explained(err error) error {
	var p *Problem
	if !i.ForAPI || !i.GroupsLeftOut || !errors.As(err, &p) || p.Kind != Forbidden {
		return err
	}
	return &Problem{Kind: Forbidden, Code: "groups_overflow", Detail: strings.TrimSuffix(p.Detail, ".") + ". " + sentenceGroups, Err: err}
}

// members is everybody who may look at a workspace's requests.
func members() []Role { return []Role{RoleOwner, RoleResearcher, RoleManager, RoleAdmin} }

func missingRole(roles []Role) error {
	list := ""
	for i, r := range roles {
		if i > 0 {
			list += ", "
		}
		list += "'" + string(r) + "'"
	}
	return problem(Forbidden, "missing_role", "The user is missing a required role: [%s]", list)
}

// facts gathers what the rules look at.
func facts(r Request, settings Settings, actor Actor) statemachine.Facts {
	isRequester := r.ID != "" && r.CreatedBy.ID == actor.ID
	f := statemachine.Facts{
		Status: r.Status, FailedIn: r.FailedIn,
		Parties: partyOf(actor.Roles, isRequester), IsRequester: isRequester,
		DirectionEnabled: !settings.Archived && slices.Contains(settings.Directions, r.Type),
		Purged:           !r.PurgedWhen.IsZero(), OnHold: r.OnHold, Held: held(r, settings),
		Moving: statemachine.Moving(r.Owed), SpokenThisRound: r.ReviewedBy(actor.ID), Rejected: r.said(statemachine.DecisionRejected) > 0,
	}
	f.Claim, f.TooManyChanges = r.claimSeenBy(actor), len(r.History) >= maxChanges
	policy, spoken := r.policy(settings), r.spoken()
	if policy.reviewer(r, actor) {
		f.Parties |= statemachine.Reviewer
	}
	f.SelfReview, f.OneRejectionEnds, f.Blind = policy.SelfReview, policy.OneRejectionEnds, policy.Blind
	f.SlotsOpen = policy.open(spoken)
	_, _, f.SlotProblem = policy.candidacy(r, actor, "")
	return f
}

func view(r Request, settings Settings, actor Actor) View {
	f, policy := facts(r, settings, actor), r.policy(settings)
	v := View{Request: r, Actions: statemachine.AllowedActions(f), Policy: policy, Seats: policy.seats(r.spoken())}
	if !statemachine.ShowsReviews(f) {
		v.blind()
	}
	if f.Claim == statemachine.ClaimNone || !statemachine.ShowsClaim(f) {
		v.Request.claim(Person{}, time.Time{})
	}
	return v
}

// blind takes out what was said in the present round. How many have spoken can still be seen.
func (v *View) blind() {
	v.Request.Reviews = slices.DeleteFunc(slices.Clone(v.Request.Reviews), func(review Review) bool { return review.Round == v.Request.Round })
	for i := range v.Seats {
		v.Seats[i].By = nil
	}
}
