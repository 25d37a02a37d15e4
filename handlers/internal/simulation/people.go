package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

func token(id string, roles ...airlock.Role) airlock.Identity {
	return airlock.Identity{Person: airlock.Person{ID: id, Name: id, Email: id + "@example.org", Roles: roles}, ForAPI: true}
}

// own is a token of a workspace's own app registration, which carries the roles.
func own(id, workspace string, roles ...airlock.Role) airlock.Identity {
	i := token(id, roles...)
	i.ForAPI, i.Audience = false, "api://"+workspace
	return i
}

// people is everybody. What the members of the list may do stands in the settings of the workspaces.
func people() []airlock.Identity {
	return []airlock.Identity{
		own("ada", north, airlock.RoleResearcher), token("ben"), token("olga"), token("mia"), token("max"), token("rob"), token("una"), token("eve"),
		own("sam", south, airlock.RoleResearcher, airlock.RoleManager), token("tara", airlock.RoleAdmin), token("zed"),
	}
}

// members are those of a workspace at the beginning.
func members(workspace string) []airlock.Member {
	member := func(id string, roles ...airlock.Role) airlock.Member {
		return airlock.Member{ID: id, Email: id + "@example.org", Roles: roles}
	}
	if workspace == south {
		return []airlock.Member{member("eve", airlock.RoleResearcher), member("mia", airlock.RoleManager), member("olga", airlock.RoleResearcher),
			member("max", airlock.RoleManager), member("una", airlock.RoleManager)}
	}
	return []airlock.Member{
		member("ben", airlock.RoleResearcher), member("olga", airlock.RoleOwner), member("mia", airlock.RoleManager), member("max", airlock.RoleManager),
		member("rob", airlock.RoleResearcher, airlock.RoleManager), member("una", airlock.RoleOwner, airlock.RoleManager),
	}
}

// attempt is something that somebody tried.
type attempt struct {
	key       string
	who       airlock.Identity
	workspace string
	id        string
	action    string
	explained bool
	started   time.Time
	answer    answer
	recorded  int // records that name it
}

// answer is what somebody was told.
type answer string

const (
	unknown answer = "" // nothing, or that it is not known
	done    answer = "done"
	refused answer = "refused"
)

func answerOf(err error) answer {
	var p *airlock.Problem
	switch {
	case err == nil:
		return done
	case errors.As(err, &p) && p.Kind != airlock.Unavailable:
		return refused
	default:
		return unknown
	}
}

// act lets somebody try something, mostly something that makes sense.
func (w *world) act() {
	if w.chance(w.mood.meddles) {
		w.upload()
		return
	}
	if len(w.known) == 0 || len(w.known) < w.mood.requests && w.chance(0.15) {
		w.attempt(w.somebody("ada", "ben", "rob", "una", "eve"), pick(w, north, north, north, south), "", "create")
		return
	}
	id := pick(w, w.known...)
	r, ok := w.request(id)
	if !ok { // it was never stored
		w.known = slices.DeleteFunc(w.known, func(other string) bool { return other == id })
		return
	}
	who, action := w.sensible(r)
	workspace := r.WorkspaceID
	if w.chance(w.mood.wild) {
		who = pick(w, w.people...)
	}
	if w.chance(w.mood.wild * 0.5) {
		action = pick(w, "submit", "approve", "approve", "reject", "return", "revoke", "retry", "link", "note", "share", "read", "files", "audit", "cancel", "hold", "lift", "claim", "unclaim", "hand_over")
	}
	if w.chance(w.mood.wild * 0.1) {
		workspace = pick(w, north, south)
	}
	w.attempt(who, workspace, r.ID, action)
}

// somebody returns one of the people; now and then any.
func (w *world) somebody(ids ...string) airlock.Identity {
	id := pick(w, ids...)
	for _, p := range w.people {
		if p.ID == id {
			return p
		}
	}
	panic("simulation: there is nobody called " + id)
}

// sensible is what somebody would do with a request as it is.
func (w *world) sensible(r airlock.Request) (airlock.Identity, string) {
	requester := w.somebody(r.CreatedBy.ID)
	often := func(usual string, others ...string) string {
		if w.chance(0.75) {
			return usual
		}
		return pick(w, others...)
	}
	if w.chance(w.mood.holds) {
		return w.somebody("tara"), map[bool]string{false: "hold", true: "lift"}[r.OnHold]
	}
	switch r.Status {
	case statemachine.Draft:
		blobs, _ := w.zones.Blobs(w.place(r, statemachine.Intake))
		if len(blobs) == 0 {
			return requester, often("link", "link", "read", "submit", "cancel")
		}
		return requester, often("submit", "submit", "link", "files", "share", "cancel")
	case statemachine.InReview:
		if w.chance(0.05) {
			return requester, "cancel"
		}
		if r.ClaimedBy.ID != "" && w.chance(0.4) {
			return w.somebody(r.ClaimedBy.ID), pick(w, "unclaim", "hand_over")
		}
		return w.somebody("mia", "max", "rob", "una", "sam"), often("approve", "reject", "return", "return", "link", "note", "share", "read", "claim", "claim")
	case statemachine.Approved:
		return w.somebody("mia", "tara", r.CreatedBy.ID), pick(w, "revoke", "link", "audit", "read")
	case statemachine.Failed:
		return w.somebody("mia", "tara", "olga"), often("retry", "retry", "cancel", "read")
	case statemachine.Submitted:
		return requester, pick(w, "link", "read", "files")
	default:
		return requester, pick(w, "read", "read", "read", "read", "audit", "files")
	}
}

func (w *world) place(r airlock.Request, zone statemachine.Zone) airlock.Place {
	p, err := w.layout.Place(r.Type, tre, suffix(r.WorkspaceID), r.ID, statemachine.Spot{Zone: zone, Round: r.Round})
	if err != nil {
		panic("simulation: " + err.Error())
	}
	return p
}

func suffix(workspace string) string { return airlock.DefaultSettings(workspace).Suffix }

// attemptKey names the next attempt.
func (w *world) attemptKey() string {
	w.serial++
	return "attempt-" + strconv.Itoa(w.serial)
}

// attempt starts an invocation in which somebody tries something.
func (w *world) attempt(who airlock.Identity, workspace, id, action string) {
	a := &attempt{
		key: w.attemptKey(), who: who, workspace: workspace, id: id, action: action, explained: !w.chance(0.1), started: w.now,
	}
	a.who.SourceAddress = a.key
	w.attempts[a.key] = a
	p := pick(w, w.processes[:]...)
	var err error
	name := func() string { return fmt.Sprintf("%s: %s tries to %s %s", a.key, who.ID, action, id) }
	w.start(p, name, func() { err = w.perform(p, a) }, func(died bool) {
		if died {
			return
		}
		a.answer = answerOf(err)
		w.trace("%s is told: %s %v", a.key, a.answer, err)
		if a.answer == refused {
			w.count(Illegal)
		}
	})
}

// perform calls the use case.
func (w *world) perform(p *process, a *attempt) error {
	ctx := context.Background()
	reason := ""
	if a.explained {
		reason = "because"
	}
	review := func(d statemachine.Decision) error {
		_, err := p.Review(ctx, a.who, a.workspace, a.id, airlock.NewReview{Decision: d, Explanation: reason})
		return err
	}
	var err error
	switch a.action {
	case "create":
		_, err = p.Create(ctx, a.who, a.workspace, airlock.NewRequest{Type: pick(w, airlock.Directions()...), Title: a.key})
	case "submit":
		_, err = p.Submit(ctx, a.who, a.workspace, a.id)
	case "cancel":
		_, err = p.Cancel(ctx, a.who, a.workspace, a.id)
	case "approve":
		err = review(statemachine.DecisionApproved)
	case "reject":
		err = review(statemachine.DecisionRejected)
	case "return":
		err = review(statemachine.DecisionChangesRequested)
	case "revoke":
		_, err = p.Revoke(ctx, a.who, a.workspace, a.id, reason)
	case "retry":
		_, err = p.Retry(ctx, a.who, a.workspace, a.id)
	case "hold":
		_, err = p.Hold(ctx, a.who, a.workspace, a.id, reason)
	case "lift":
		_, err = p.Lift(ctx, a.who, a.workspace, a.id, reason)
	case "claim":
		_, err = p.Claim(ctx, a.who, a.workspace, a.id)
	case "unclaim":
		_, err = p.Unclaim(ctx, a.who, a.workspace, a.id)
	case "hand_over":
		_, err = p.HandOver(ctx, a.who, a.workspace, a.id, pick(w, "mia", "max", "rob", "una"))
	case "note":
		_, err = p.Comment(ctx, a.who, a.workspace, a.id, airlock.NewComment{Text: a.key, Visibility: statemachine.Private})
	case "share":
		_, err = p.Comment(ctx, a.who, a.workspace, a.id, airlock.NewComment{Text: a.key, Visibility: statemachine.Shared})
	case "link":
		err = w.getLink(ctx, p, a)
	default:
		err = w.look(ctx, p, a)
	}
	return err
}

func (w *world) getLink(ctx context.Context, p *process, a *attempt) error {
	link, err := p.Link(ctx, a.who, a.workspace, a.id)
	if err != nil {
		return err
	}
	at, err := url.Parse(link.URL)
	if err != nil {
		return err
	}
	account, _, _ := strings.Cut(at.Host, ".")
	g := grant{airlock.Place{Account: account, Container: strings.TrimPrefix(at.Path, "/")}, a.id, link.Rights, link.ExpiresAt}
	w.links = append(w.links, g)
	for g.rights&statemachine.Write != 0 && w.chance(0.7) {
		w.putFile(g)
	}
	return nil
}

// look reads something. What is shown to somebody must be theirs to see, and what is offered theirs to do.
func (w *world) look(ctx context.Context, p *process, a *attempt) error {
	switch a.action {
	case "read":
		v, err := p.Request(ctx, a.who, a.workspace, a.id)
		if err != nil {
			return err
		}
		for _, action := range v.Actions {
			if !w.offered(a, v.Request, string(action)) {
				w.wrong("%s is offered %s of %s, which is %s", a.who.ID, action, a.id, v.Request.Status)
			}
		}
	case "files":
		if _, err := p.Files(ctx, a.who, a.workspace, a.id, 0); err != nil {
			return err
		}
	case "audit":
		if _, err := p.Audit(ctx, a.who, a.workspace, a.id); err != nil {
			return err
		}
	}
	if !w.mayRead(a) {
		w.wrong("%s could %s %s in %s", a.who.ID, a.action, a.id, a.workspace)
	}
	return nil
}
