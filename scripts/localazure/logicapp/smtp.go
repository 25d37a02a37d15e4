package logicapp

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	smtpProvider = "/serviceProviders/smtp"
	// smtpTimeout bounds the handing over of one mail.
	smtpTimeout = 20 * time.Second
	// maxWord keeps an encoded word under 75 characters (RFC 2047 2).
	maxWord = 45
)

// sendEmail is the operation of that name of the built-in SMTP connector. Azure: its parameters are from, to, cc, subject, body,
// isHTML, bcc, importance, readReceipt, deliveryReceipt and attachment; there is one body, HTML or not; several addresses are
// separated by semicolons. Those from readReceipt on are not supported.
func (a *App) sendEmail(ctx context.Context, p map[string]any) (any, error) {
	m, err := letterOf(p)
	if err != nil {
		return nil, err
	}
	data, err := m.encode(a.options.Now())
	if err != nil {
		return nil, err
	}
	return nil, deliver(ctx, a.options.SMTPAddress, m.from, m.recipients(), data)
}

type letter struct {
	from          *mail.Address
	to, cc, bcc   []*mail.Address
	subject, body string
	html          bool
}

func (m letter) recipients() []*mail.Address { return slices.Concat(m.to, m.cc, m.bcc) }

func letterOf(p map[string]any) (letter, error) {
	for k := range p {
		if !slices.Contains([]string{"from", "to", "cc", "bcc", "subject", "body", "isHTML", "importance"}, k) {
			return letter{}, fmt.Errorf("unknown parameter %q", k)
		}
	}
	var m letter
	var errs []error
	text := func(key string) string {
		s, ok := p[key].(string)
		if !ok && p[key] != nil {
			errs = append(errs, fmt.Errorf("%s is not a string", key))
		}
		return s
	}
	list := func(key string) []*mail.Address {
		all, err := addresses(text(key))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
		return all
	}
	from := list("from")
	m.to, m.cc, m.bcc, m.subject, m.body = list("to"), list("cc"), list("bcc"), text("subject"), text("body")
	m.html, _ = p["isHTML"].(bool)
	if len(from) == 1 {
		m.from = from[0]
	} else if len(errs) == 0 {
		errs = append(errs, errors.New("from must be one address"))
	}
	if len(m.to) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("to is empty"))
	}
	return m, errors.Join(errs...)
}

// addresses reads addresses separated by semicolons. The errors do not quote them.
func addresses(s string) ([]*mail.Address, error) {
	var list []*mail.Address
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		a, err := mail.ParseAddress(part)
		if err != nil {
			return nil, errors.New("an address is malformed")
		}
		list = append(list, a)
	}
	return list, nil
}

// encode writes the mail in the format of RFC 5322. Hidden recipients are not in it.
func (m letter) encode(now time.Time) ([]byte, error) {
	kind := "plain"
	if m.html {
		kind = "html"
	}
	var b bytes.Buffer
	header := func(key, value string) { fmt.Fprintf(&b, "%s: %s\r\n", key, value) }
	header("From", m.from.String())
	header("To", join(m.to))
	if len(m.cc) > 0 {
		header("Cc", join(m.cc))
	}
	header("Subject", encodeSubject(m.subject))
	header("Date", now.Format(time.RFC1123Z))
	header("MIME-Version", "1.0")
	header("Content-Type", "text/"+kind+"; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := q.Write([]byte(m.body)); err != nil {
		return nil, fmt.Errorf("encode mail: %w", err)
	}
	if err := q.Close(); err != nil {
		return nil, fmt.Errorf("encode mail: %w", err)
	}
	return b.Bytes(), nil
}

// encodeSubject makes encoded words (RFC 2047) of everything but short printable ASCII: a line break cannot begin a header, and a
// text that looks like an encoded word shows as it is.
func encodeSubject(s string) string {
	plain := len(s) <= maxWord && !strings.Contains(s, "=?")
	for _, r := range s {
		plain = plain && r >= ' ' && r <= '~'
	}
	if plain {
		return s
	}
	var words []string
	for word := ""; s != ""; {
		_, n := utf8.DecodeRuneInString(s)
		word, s = word+s[:n], s[n:]
		if len(word) > maxWord-utf8.UTFMax || s == "" {
			words = append(words, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(word))+"?=")
			word = ""
		}
	}
	return strings.Join(words, "\r\n ")
}

func join(list []*mail.Address) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ",\r\n ")
}

// deliver hands a mail to the server. A recipient that the server refuses fails the whole mail, before anything is sent.
func deliver(ctx context.Context, server string, from *mail.Address, to []*mail.Address, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return fmt.Errorf("address of the mail server: %w", err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return fmt.Errorf("reach mail server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // breaks what waits for an answer
	defer stop()
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return errors.Join(fmt.Errorf("greet mail server: %w", err), conn.Close())
	}
	// After QUIT the connection is closed already; before it, something else failed and is reported.
	defer func() { _ = c.Close() }()
	if err := c.Mail(from.Address); err != nil {
		return fmt.Errorf("name the sender: %w", err)
	}
	for _, a := range to {
		if err := c.Rcpt(a.Address); err != nil {
			return fmt.Errorf("name a recipient: %w", err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("send the mail: %w", err)
	}
	// The server has the mail: an error from here on must not make the caller send it again.
	_ = c.Quit()
	return nil
}
