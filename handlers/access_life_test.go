package main

import (
	"context"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// life brings one request from status to status, through the use cases.
type life struct {
	t       *testing.T
	w       *world
	s       space
	service *airlock.Service
	wait    func(time.Duration)
	id      string
}

// as is somebody whom the member list names.
func (l *life) as(id string) airlock.Identity {
	return airlock.Identity{Person: airlock.Person{ID: id, Name: "N", Email: "n@example.org", Audience: apiAudience}, ForAPI: true}
}

// admin is a TRE admin.
func (l *life) admin() airlock.Identity {
	who := l.as(keeperID)
	who.Roles = []airlock.Role{airlock.RoleAdmin}
	return who
}

// crew are the members while the requests come to their statuses.
func crew() []airlock.Member {
	return []airlock.Member{{ID: requesterID, Roles: []airlock.Role{airlock.RoleResearcher}}, {ID: keeperID, Roles: []airlock.Role{airlock.RoleManager}}}
}

func (l *life) must(_ airlock.View, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) create() {
	l.t.Helper()
	v, err := l.service.Create(context.Background(), l.as(requesterID), l.s.id, airlock.NewRequest{Type: airlock.Import, Title: l.s.title(), Justification: "J"})
	l.must(v, err)
	l.id = v.Request.ID
	l.comment(requesterID, "r", statemachine.Shared)
	l.reconcile()
	if _, err := l.w.zones.Put(l.place("stalimextre"), l.s.file(), memzone.File{Content: []byte("a,b\n")}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) place(account string) airlock.Place {
	return airlock.Place{Account: account, Container: l.id}
}

// reconcile does what a nudge would. What cannot be done now stays owed.
func (l *life) reconcile() {
	l.t.Helper()
	if err := l.service.Reconcile(context.Background(), l.s.id, l.id); err != nil && !l.w.effects.noCopy {
		l.t.Fatal(err)
	}
}

func (l *life) submit() {
	l.t.Helper()
	l.must(l.service.Submit(context.Background(), l.as(requesterID), l.s.id, l.id))
	l.reconcile()
}

// tag plays the scanner.
func (l *life) tag(result airlock.ScanResult) {
	l.t.Helper()
	if err := l.w.zones.Tag(l.place("stalimiptre"), l.s.file(), result); err != nil {
		l.t.Fatal(err)
	}
	l.reconcile()
}

func (l *life) scan()   { l.t.Helper(); l.tag(airlock.Clean) }
func (l *life) infect() { l.t.Helper(); l.tag(airlock.Malicious); l.w.effects.noCopy = false }

// stick lets nothing be moved.
func (l *life) stick() { l.w.effects.noCopy = true }

// comment says something that tells by its letter who said it.
func (l *life) comment(who, letter string, v statemachine.Visibility) {
	l.t.Helper()
	_, err := l.service.Comment(context.Background(), l.as(who), l.s.id, l.id, airlock.NewComment{Text: l.s.said(letter), Visibility: v})
	l.must(airlock.View{}, err)
}

// talk lets a reviewer say what the requester is shown when the round is over, and what they are never shown.
func (l *life) talk() {
	l.t.Helper()
	l.comment(keeperID, "s", statemachine.Shared)
	l.comment(keeperID, "p", statemachine.Private)
}

func (l *life) approve() { l.t.Helper(); l.review(statemachine.DecisionApproved) }
func (l *life) reject()  { l.t.Helper(); l.review(statemachine.DecisionRejected) }

func (l *life) review(d statemachine.Decision) {
	l.t.Helper()
	l.must(l.service.Review(context.Background(), l.as(keeperID), l.s.id, l.id, airlock.NewReview{Decision: d}))
}

func (l *life) cancel() {
	l.t.Helper()
	l.must(l.service.Cancel(context.Background(), l.as(requesterID), l.s.id, l.id))
}

func (l *life) revoke() {
	l.t.Helper()
	l.must(l.service.Revoke(context.Background(), l.as(keeperID), l.s.id, l.id, "why"))
}

// outlast waits until the scanner has been silent for too long.
func (l *life) outlast() {
	l.t.Helper()
	l.wait(l.service.Timing.ScanDeadline + time.Minute)
	l.reconcile()
}
