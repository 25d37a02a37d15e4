package mailbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// maxDepth bounds multiparts within multiparts.
const maxDepth = 5

// parse reads subject and texts of a mail in the format of RFC 5322 and MIME.
func (m *Mail) parse(data []byte) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	return m.part(msg.Header.Get, msg.Body, 0)
}

func (m *Mail) part(header func(string) string, body io.Reader, depth int) error {
	if depth > maxDepth {
		return errors.New("too many parts within parts")
	}
	contentType := header("Content-Type")
	if contentType == "" {
		contentType = "text/plain"
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit", "8bit":
	default:
		return errors.New("unknown transfer encoding")
	}
	if strings.HasPrefix(kind, "multipart/") {
		return m.parts(multipart.NewReader(body, params["boundary"]), depth)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch {
	case kind == "text/plain" && m.Text == "":
		m.Text = unixLines(text)
	case kind == "text/html" && m.HTML == "":
		m.HTML = unixLines(text)
	}
	return nil
}

func (m *Mail) parts(r *multipart.Reader, depth int) error {
	for {
		// NextRawPart leaves the transfer encoding to part.
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.part(p.Header.Get, p, depth+1); err != nil {
			return err
		}
	}
}

func unixLines(b []byte) string {
	return strings.TrimSuffix(strings.ReplaceAll(strings.ToValidUTF8(string(b), "�"), "\r\n", "\n"), "\n")
}
