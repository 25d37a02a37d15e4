package zonetest

import (
	"context"
	"errors"
	"io"
	"strings"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

func openIsIdempotent(s *stage) {
	p := s.opened(0)
	etag := s.put(p, "kept.txt", upload{content: "kept"})
	if made, err := s.Zones.Open(s.ctx, p); err != nil || made {
		s.Fatalf("second Open: made it %v, %v", made, err)
	}
	if b := s.blob(p, "kept.txt"); b.ETag != etag {
		s.Errorf("after a second Open the ETag is %s, want %s", b.ETag, etag)
	}
}

func openAfterErase(s *stage) {
	p := s.opened(0)
	s.put(p, "old.txt", upload{content: "old"})
	if err := s.Zones.Erase(s.ctx, p); err != nil {
		s.Fatalf("Erase: %v", err)
	}
	made, err := s.Zones.Open(s.ctx, p)
	if s.Busy {
		s.wantError("Open of a name that is still being deleted", err, airlock.ErrTransient)
	}
	s.eventually("the name can be used again", func() bool {
		if err == nil {
			return true
		}
		s.wantError("Open after Erase", err, airlock.ErrTransient)
		s.Pass()
		made, err = s.Zones.Open(s.ctx, p)
		return err == nil
	})
	if !made {
		s.Error("the container was erased, and is not said to be made")
	}
	if blobs := s.list(p); len(blobs) != 0 {
		s.Errorf("the new container has %d blobs of the old one", len(blobs))
	}
}

func eraseTakesAll(s *stage) {
	p, other := s.opened(0), s.opened(0)
	s.put(p, "a.txt", upload{content: "a"})
	s.put(other, "a.txt", upload{content: "a"})
	for range 2 {
		if err := s.Zones.Erase(s.ctx, p); err != nil {
			s.Fatalf("Erase: %v", err)
		}
	}
	for _, err := range s.Zones.List(s.ctx, p) {
		s.wantError("List of an erased container", err, airlock.ErrNotFound)
	}
	if len(s.list(other)) != 1 {
		s.Error("Erase touched another container")
	}
	if err := s.Zones.Erase(s.ctx, s.place(1)); err != nil {
		s.Errorf("Erase of a container that never was: %v", err)
	}
}

func removeIsIdempotent(s *stage) {
	p := s.opened(0)
	s.put(p, "a.txt", upload{content: "a"})
	s.put(p, "b.txt", upload{content: "b"})
	for range 2 {
		if err := s.Zones.Remove(s.ctx, p, "a.txt"); err != nil {
			s.Fatalf("Remove: %v", err)
		}
	}
	if blobs := s.list(p); len(blobs) != 1 || blobs[0].Name != "b.txt" {
		s.Errorf("after Remove: %v, want b.txt alone", blobs)
	}
	if err := s.Zones.Remove(s.ctx, s.place(0), "a.txt"); err != nil {
		s.Errorf("Remove from a container that never was: %v", err)
	}
}

func pingAnswers(s *stage) {
	if err := s.Zones.Ping(s.ctx); err != nil {
		s.Errorf("Ping: %v", err)
	}
}

// contextCancelled: whoever gives up gets the context's error, and knows that trying again can help.
func contextCancelled(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "a"})
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for what, call := range map[string]func() error{
		"Open": func() error { _, err := s.Zones.Open(ctx, from); return err },
		"Copy": func() error {
			return s.Zones.Copy(ctx, airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note})
		},
		"Remove": func() error { return s.Zones.Remove(ctx, from, "a.txt") },
		"Read": func() error {
			return s.Zones.Read(ctx, airlock.Part{Place: from, Name: "a.txt", ETag: etag, Length: 1}, io.Discard)
		},
		"Erase": func() error { return s.Zones.Erase(ctx, from) },
		"Ping":  func() error { return s.Zones.Ping(ctx) },
		"List": func() error {
			for _, err := range s.Zones.List(ctx, from) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		err := call()
		s.wantError(what, err, airlock.ErrTransient)
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: error %v, want the context's", what, err)
		}
	}
	if _, ok := s.find(from, "a.txt"); !ok {
		s.Error("a cancelled call did its work")
	}
	if len(s.list(to)) != 0 {
		s.Error("a cancelled copy was started")
	}
}

// mistakesAreRefused: what no correct caller asks for is refused before it reaches storage, and is none of the errors
// that callers branch on. Names of accounts and containers become parts of addresses, so they must be just names.
func mistakesAreRefused(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "a"})
	good := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note}
	refused := func(what string, err error) {
		s.Helper()
		if err == nil {
			s.Errorf("%s was not refused", what)
			return
		}
		s.wantError(what, err, nil)
	}
	for _, p := range []airlock.Place{
		{}, {Account: from.Account}, {Container: from.Container},
		{Account: "example.com/x", Container: from.Container},
		{Account: "evil.example.com#", Container: from.Container},
		{Account: "user@host", Container: from.Container},
		{Account: from.Account, Container: "../" + from.Container},
		{Account: from.Account, Container: "UPPER"},
		{Account: from.Account, Container: from.Container + "/a.txt"},
		{Account: from.Account, Container: from.Container + "?restype=account"},
		{Account: from.Account, Container: "a--b"},
		{Account: from.Account, Container: strings.Repeat("a-", 31) + "bb"},
		{Account: from.Account, Container: "ab"},
		{Account: strings.Repeat("a", 25), Container: from.Container},
		{Account: from.Account, Container: "$web"},
	} {
		_, err := s.Zones.Open(s.ctx, p)
		refused("Open of "+p.Account+"/"+p.Container, err)
		refused("Erase of "+p.Account+"/"+p.Container, s.Zones.Erase(s.ctx, p))
		refused("Remove from "+p.Account+"/"+p.Container, s.Zones.Remove(s.ctx, p, "a.txt"))
		for _, err := range s.Zones.List(s.ctx, p) {
			refused("List of "+p.Account+"/"+p.Container, err)
		}
		_, err = s.Zones.Link(s.ctx, p, s.terms(statemachine.Read))
		refused("Link to "+p.Account+"/"+p.Container, err)
	}
	refused("Remove without a name", s.Zones.Remove(s.ctx, from, ""))
	for what, change := range map[string]func(*airlock.Copy){
		"without a name":               func(c *airlock.Copy) { c.Name = "" },
		"without an ETag":              func(c *airlock.Copy) { c.IfMatch = "" },
		"of any ETag":                  func(c *airlock.Copy) { c.IfMatch = "*" },
		"without metadata":             func(c *airlock.Copy) { c.Metadata = nil },
		"with a key of two words":      func(c *airlock.Copy) { c.Metadata = map[string]string{"two words": "x"} },
		"with a key in upper case":     func(c *airlock.Copy) { c.Metadata = map[string]string{"Upper": "x"} },
		"with a value of two lines":    func(c *airlock.Copy) { c.Metadata = map[string]string{"a": "x\r\ny"} },
		"with a value not in ASCII":    func(c *airlock.Copy) { c.Metadata = map[string]string{"a": "é"} },
		"onto itself":                  func(c *airlock.Copy) { c.To = c.From },
		"from something not a place":   func(c *airlock.Copy) { c.From.Account = "example.com" },
		"into something not a place":   func(c *airlock.Copy) { c.To.Container = "a/b" },
		"with a value padded by space": func(c *airlock.Copy) { c.Metadata = map[string]string{"a": " x"} },
	} {
		c := good
		change(&c)
		refused("Copy "+what, s.Zones.Copy(s.ctx, c))
	}
	for what, change := range map[string]func(*airlock.Part){
		"without a name":             func(p *airlock.Part) { p.Name = "" },
		"without an ETag":            func(p *airlock.Part) { p.ETag = "" },
		"of any ETag":                func(p *airlock.Part) { p.ETag = "*" },
		"of nothing":                 func(p *airlock.Part) { p.Length = 0 },
		"before the first byte":      func(p *airlock.Part) { p.Offset = -1 },
		"of less than nothing":       func(p *airlock.Part) { p.Length = -1 },
		"from something not a place": func(p *airlock.Part) { p.Place.Account = "example.com" },
	} {
		part := airlock.Part{Place: from, Name: "a.txt", ETag: etag, Length: 1}
		change(&part)
		refused("Read "+what, s.Zones.Read(s.ctx, part, io.Discard))
	}
	for what, change := range map[string]func(*airlock.Upload){
		"without a name":             func(u *airlock.Upload) { u.Name = "" },
		"of nothing":                 func(u *airlock.Upload) { u.Content = nil },
		"of something large":         func(u *airlock.Upload) { u.Content = make([]byte, 64<<10+1) },
		"with a key of two words":    func(u *airlock.Upload) { u.Metadata = map[string]string{"two words": "x"} },
		"into something not a place": func(u *airlock.Upload) { u.Place.Account = "example.com" },
	} {
		u := airlock.Upload{Place: from, Name: "new.txt", Content: []byte("x")}
		change(&u)
		refused("Write "+what, s.Zones.Write(s.ctx, u))
	}
	for what, change := range map[string]func(*airlock.LinkTerms){
		"without rights":           func(l *airlock.LinkTerms) { l.Rights = 0 },
		"with unknown rights":      func(l *airlock.LinkTerms) { l.Rights = 1 << 7 },
		"without an end":           func(l *airlock.LinkTerms) { l.Until = l.From.AddDate(-1, 0, 0) },
		"without a correlation id": func(l *airlock.LinkTerms) { l.CorrelationID = "" },
		"with text for an id":      func(l *airlock.LinkTerms) { l.CorrelationID = "x&sp=rwdl" },
	} {
		terms := s.terms(statemachine.Read)
		change(&terms)
		_, err := s.Zones.Link(s.ctx, from, terms)
		refused("Link "+what, err)
	}
	if len(s.list(to)) != 0 {
		s.Error("a refused copy was started")
	}
}
