package zonetest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// terms are those of a link that works now.
func (s *stage) terms(rights statemachine.Rights) airlock.LinkTerms {
	now := s.Now()
	return airlock.LinkTerms{Rights: rights, From: now.Add(-5 * time.Minute), Until: now.Add(time.Hour), CorrelationID: uuid.NewString()}
}

// linkRights tries everything with every set of rights: what a link allows is what was asked for, no more and no less.
func linkRights(s *stage) {
	for rights := statemachine.Rights(1); rights <= allRights; rights++ {
		s.Run(rights.String(), func(t *testing.T) { linkAllows(&stage{T: t, Fixture: s.Fixture, ctx: s.ctx}, rights) })
	}
}

func linkAllows(s *stage, rights statemachine.Rights) {
	p := s.opened(0)
	s.put(p, "read.txt", upload{content: "read"})
	s.put(p, "overwrite.txt", upload{content: "old"})
	s.put(p, "delete.txt", upload{content: "delete"})
	link := s.link(p, rights)
	file := upload{content: "new"}
	for _, try := range []struct {
		what, method, url string
		header            http.Header
		body              string
		needs             statemachine.Rights
		status            int
	}{
		{"read a file", http.MethodGet, blobURL(s, link, "read.txt"), nil, "", statemachine.Read, http.StatusOK},
		{"list", http.MethodGet, listURL(link), nil, "", statemachine.List, http.StatusOK},
		{"write a file", http.MethodPut, blobURL(s, link, "new.txt"), file.header(), file.body(), statemachine.Write, http.StatusCreated},
		{"overwrite a file", http.MethodPut, blobURL(s, link, "overwrite.txt"), file.header(), file.body(), statemachine.Write, http.StatusCreated},
		{"delete a file", http.MethodDelete, blobURL(s, link, "delete.txt"), nil, "", statemachine.Delete, http.StatusAccepted},
		{"delete the container", http.MethodDelete, link + "&restype=container", nil, "", 0, 0},
	} {
		want := http.StatusForbidden
		if rights&try.needs != 0 {
			want = try.status
		}
		if status, _, body := s.send(try.method, try.url, try.header, try.body); status != want {
			s.Errorf("%s with %v: status %d, want %d: %s", try.what, rights, status, want, body)
		}
	}
}

func linkTimes(s *stage) {
	p := s.opened(0)
	s.put(p, "a.txt", upload{content: "a"})
	now := s.Now()
	for _, test := range []struct {
		what        string
		from, until time.Duration
		status      int
	}{
		{"now", -time.Minute, time.Hour, http.StatusOK},
		{"over", -2 * time.Hour, -time.Hour, http.StatusForbidden},
		{"not yet", time.Hour, 2 * time.Hour, http.StatusForbidden},
	} {
		terms := s.terms(statemachine.Read)
		// A clock in another time zone names the same moments.
		zone := time.FixedZone("elsewhere", 5*60*60)
		terms.From, terms.Until = now.Add(test.from).In(zone), now.Add(test.until).In(zone)
		link, err := s.Zones.Link(s.ctx, p, terms)
		if err != nil {
			s.Fatalf("Link: %v", err)
		}
		if status, _, body := s.send(http.MethodGet, blobURL(s, link, "a.txt"), nil, ""); status != test.status {
			s.Errorf("a link that is valid %s: status %d, want %d: %s", test.what, status, test.status, body)
		}
		u, err := url.Parse(link)
		if err != nil {
			s.Fatal("the link is no URL")
		}
		if got, want := u.Query().Get("se"), terms.Until.UTC().Format(time.RFC3339); got != want {
			s.Errorf("the link says that it ends at %s, want %s", got, want)
		}
		if got := u.Query().Get("scid"); got != terms.CorrelationID {
			s.Errorf("the link has the correlation id %q, want %q", got, terms.CorrelationID)
		}
	}
}

func linkOfAnotherContainer(s *stage) {
	mine, same, other := s.opened(0), s.opened(0), s.opened(1)
	link := s.link(mine, allRights)
	s.put(mine, "a.txt", upload{content: "mine"})
	for _, p := range []airlock.Place{same, other} {
		s.put(p, "a.txt", upload{content: "not mine"})
		theirs, _, _ := strings.Cut(s.link(p, statemachine.Read), "?")
		_, query, _ := strings.Cut(link, "?")
		for _, address := range []string{blobURL(s, theirs+"?"+query, "a.txt"), listURL(theirs + "?" + query)} {
			if status, _, body := s.send(http.MethodGet, address, nil, ""); status != http.StatusForbidden {
				s.Errorf("a link to another container: status %d, want %d: %s", status, http.StatusForbidden, body)
			}
		}
	}
}

// linkIsForged: whoever changes a link has none.
func linkIsForged(s *stage) {
	p := s.opened(0)
	s.put(p, "a.txt", upload{content: "a"})
	link := s.link(p, statemachine.List)
	for what, change := range map[string]func(url.Values){
		"more rights":   func(q url.Values) { q.Set("sp", "rl") },
		"a later end":   func(q url.Values) { q.Set("se", s.Now().Add(48*time.Hour).UTC().Format(time.RFC3339)) },
		"another user":  func(q url.Values) { q.Set("scid", uuid.NewString()) },
		"no signature":  func(q url.Values) { q.Del("sig") },
		"another start": func(q url.Values) { q.Del("st") },
	} {
		u, err := url.Parse(link)
		if err != nil {
			s.Fatal("the link is no URL")
		}
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		for _, address := range []string{listURL(u.String()), blobURL(s, u.String(), "a.txt")} {
			status, _, body := s.send(http.MethodGet, address, nil, "")
			if status != http.StatusForbidden && status != http.StatusUnauthorized {
				s.Errorf("a link with %s: status %d: %s", what, status, body)
			}
		}
	}
}

func linkDiesWithItsContainer(s *stage) {
	p := s.opened(0)
	s.put(p, "a.txt", upload{content: "a"})
	link := s.link(p, allRights)
	if err := s.Zones.Erase(s.ctx, p); err != nil {
		s.Fatalf("Erase: %v", err)
	}
	for _, address := range []string{blobURL(s, link, "a.txt"), listURL(link)} {
		if status, _, body := s.send(http.MethodGet, address, nil, ""); status != http.StatusNotFound {
			s.Errorf("a link to an erased container: status %d, want %d: %s", status, http.StatusNotFound, body)
		}
	}
	file := upload{content: "late"}
	if status, _, body := s.send(http.MethodPut, blobURL(s, link, "late.txt"), file.header(), file.body()); status != http.StatusNotFound {
		s.Errorf("an upload into an erased container: status %d, want %d: %s", status, http.StatusNotFound, body)
	}
}
