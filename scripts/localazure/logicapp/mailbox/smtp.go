package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"
)

// session is one SMTP connection. RFC 5321: the minimum of 4.5.1 without VRFY, with SIZE and 8BITMIME.
type session struct {
	box  *Mailbox
	conn net.Conn
	in   *bufio.Reader
	mail *Mail // set by MAIL
}

var errLine = errors.New("line too long")

func (b *Mailbox) serve(c net.Conn) {
	s := &session{box: b, conn: c, in: bufio.NewReaderSize(c, maxLine)}
	if !s.reply("220 mailbox ready") {
		return
	}
	for {
		line, err := s.line()
		if errors.Is(err, errLine) {
			s.reply("500 line too long")
			return
		}
		if err != nil || !s.command(line) {
			return
		}
	}
}

// reply reports whether the client is still there.
func (s *session) reply(text string) bool {
	if err := s.conn.SetWriteDeadline(time.Now().Add(idle)); err != nil {
		return false
	}
	_, err := fmt.Fprintf(s.conn, "%s\r\n", text)
	return err == nil
}

func (s *session) line() (string, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
		return "", err
	}
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errLine
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// command answers one command and reports whether the session goes on.
func (s *session) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		s.mail = nil
		return s.reply(fmt.Sprintf("250-mailbox\r\n250-8BITMIME\r\n250 SIZE %d", MaxSize))
	case "HELO":
		s.mail = nil
		return s.reply("250 mailbox")
	case "MAIL":
		return s.from(rest)
	case "RCPT":
		return s.to(rest)
	case "DATA":
		return s.data()
	case "RSET":
		s.mail = nil
		return s.reply("250 forgotten")
	case "NOOP":
		return s.reply("250 nothing done")
	case "QUIT":
		s.reply("221 goodbye")
		return false
	}
	return s.reply("502 a mailbox takes mail and nothing else")
}

func (s *session) from(rest string) bool {
	address, ok := path(rest, "FROM:")
	switch {
	case s.mail != nil:
		return s.reply("503 a mail has begun already")
	case !ok:
		return s.reply("501 MAIL FROM:<address> expected")
	}
	s.mail = &Mail{From: address}
	return s.reply("250 sender noted")
}

func (s *session) to(rest string) bool {
	address, ok := path(rest, "TO:")
	switch {
	case s.mail == nil:
		return s.reply("503 MAIL must come first")
	case !ok || address == "":
		return s.reply("501 RCPT TO:<address> expected")
	case len(s.mail.To) == MaxRecipients:
		return s.reply("452 too many recipients")
	case s.box.options.Refuse != nil && s.box.options.Refuse(address):
		return s.reply("550 no such recipient")
	}
	s.mail.To = append(s.mail.To, address)
	return s.reply("250 recipient noted")
}

// path reads "FROM:<address> parameters". The empty address is for bounces.
func path(rest, keyword string) (string, bool) {
	if len(rest) < len(keyword) || !strings.EqualFold(rest[:len(keyword)], keyword) {
		return "", false
	}
	address, _, ok := strings.Cut(strings.TrimSpace(rest[len(keyword):]), ">")
	if !ok || !strings.HasPrefix(address, "<") {
		return "", false
	}
	address = address[1:]
	if address == "" {
		return "", true
	}
	parsed, err := mail.ParseAddress(address)
	return address, err == nil && parsed.Name == ""
}

func (s *session) data() bool {
	if s.mail == nil || len(s.mail.To) == 0 {
		return s.reply("503 MAIL and RCPT must come first")
	}
	if !s.reply("354 end with a line that holds a dot") {
		return false
	}
	var body bytes.Buffer
	for {
		line, err := s.line()
		if errors.Is(err, errLine) {
			s.reply("500 line too long")
			return false
		}
		if err != nil {
			return false
		}
		if line == "." {
			break
		}
		if body.Len() <= MaxSize {
			body.WriteString(strings.TrimPrefix(line, "."))
			body.WriteString("\r\n")
		}
	}
	m := *s.mail
	s.mail = nil
	if body.Len() > MaxSize {
		return s.reply("552 mail too big")
	}
	if err := m.parse(body.Bytes()); err != nil {
		return s.reply("554 not a mail: " + oneLine(err.Error()))
	}
	s.box.keep(m)
	return s.reply("250 kept")
}

// oneLine keeps a reply on one line, whatever a parser's error quotes.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s[:min(len(s), 200)])
}
