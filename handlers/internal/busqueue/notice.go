package busqueue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"airlock/handlers/internal/airlock"
)

const (
	// maxBody is the largest message, in bytes. Service Bus Standard takes 256 KiB with headers and properties.
	maxBody = 200 << 10

	// The shares of a message, in encoded bytes. What is left is for the files.
	maxText      = 10 << 10 // one text that people write
	maxWord      = 1 << 10  // one name, address or id
	maxAddresses = 12 << 10 // one list of recipients

	subjectSuffix = "/airlockNotification"

	// schemaVersion is that of the schemas in the folder schema, which say what is in a message. It rises when something
	// is taken away or gets another meaning; that something is added changes the schemas' files only.
	schemaVersion = "1.0"

	// maxURL is the longest location that is sent, in bytes. A cut one would be of no use.
	maxURL = 2 << 10
)

// message is a notice on the wire. Its outer part is that of an Event Grid event, which existing subscribers read; the
// fields of data that they know have their names, types and nulls.
type message struct {
	ID              string  `json:"id"`
	EventType       string  `json:"eventType"`
	DataVersion     string  `json:"dataVersion"`
	Subject         string  `json:"subject"`
	EventTime       string  `json:"eventTime"`
	Topic           string  `json:"topic"`
	MetadataVersion string  `json:"metadataVersion"`
	Data            content `json:"data"`
}

type content struct {
	EventType           string              `json:"event_type"`
	SchemaVersion       string              `json:"schema_version"`
	RecipientsByRole    map[string][]string `json:"recipient_emails_by_role"`
	Request             request             `json:"request"`
	Workspace           workspace           `json:"workspace"`
	Audience            string              `json:"audience"`
	Recipients          []string            `json:"recipients"`
	Unaddressed         int                 `json:"recipients_without_address"`
	RecipientsTruncated bool                `json:"recipients_truncated,omitempty"`
	MustAct             mustAct             `json:"must_act"`
	Location            *location           `json:"location"`
}

type mustAct struct {
	Turn   string    `json:"turn"`
	People []contact `json:"people"`
}

type location struct {
	URL       string `json:"container_url"`
	ExpiresAt string `json:"expires_at"`
}

type request struct {
	ID              string  `json:"id"`
	CreatedWhen     float64 `json:"created_when"` // seconds since 1970
	CreatedBy       person  `json:"created_by"`
	UpdatedWhen     float64 `json:"updated_when"`
	UpdatedBy       person  `json:"updated_by"`
	Type            string  `json:"request_type"`
	Files           []file  `json:"files"`
	FilesTruncated  bool    `json:"files_truncated,omitempty"`
	FileCount       int     `json:"file_count"`
	TotalBytes      int64   `json:"total_bytes"`
	Status          string  `json:"status"`
	StatusSince     float64 `json:"status_since"`
	Justification   string  `json:"business_justification"`
	Title           string  `json:"title"`
	StatusMessage   *string `json:"status_message"`
	PreviousStatus  *string `json:"previous_status"`
	Round           int     `json:"round"`
	Decision        *string `json:"decision"`
	Explanation     *string `json:"decision_explanation"`
	ApprovalsGiven  int     `json:"approvals_given"`
	ApprovalsNeeded int     `json:"approvals_needed"`
	Link            *string `json:"link"`
	TextsTruncated  bool    `json:"texts_truncated,omitempty"`
}

type person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// contact is somebody who has to act.
type contact struct {
	ID    string `json:"id,omitempty"` // Entra object id
	Name  string `json:"name"`
	Email string `json:"email"`
}

type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	MD5    string `json:"md5,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

type workspace struct {
	ID          string `json:"id"`
	Name        string `json:"display_name"`
	Description string `json:"description"`
}

// roleKeys are the roles that subscribers expect. Each is always there: some join the list without a look.
func roleKeys() []string {
	return []string{"workspace_owner", "workspace_researcher", "airlock_manager"}
}

// encodeNotice makes the body of a message of at most maxBody bytes, the same for the same notice each time. What does
// not fit is left out, and the message says so.
func encodeNotice(n airlock.Notice) ([]byte, error) {
	var texts, lists cutter
	id := texts.text(n.RequestID, maxWord)
	m := message{
		ID: n.ID, EventType: "airlockNotification", DataVersion: "4.0", Subject: id + subjectSuffix,
		EventTime: n.When.UTC().Format(time.RFC3339), Topic: "airlock-notifications", MetadataVersion: "1",
		Data: content{
			EventType: texts.text(string(n.Occasion), maxWord), SchemaVersion: schemaVersion, RecipientsByRole: map[string][]string{},
			Request: request{
				ID: id, CreatedWhen: seconds(n.CreatedWhen), CreatedBy: texts.person(n.CreatedBy),
				UpdatedWhen: seconds(n.UpdatedWhen), UpdatedBy: texts.person(n.UpdatedBy), Type: texts.text(string(n.Type), maxWord),
				Files: []file{}, FileCount: n.FileCount, TotalBytes: n.TotalBytes,
				Status: texts.text(string(n.Status), maxWord), StatusSince: seconds(n.StatusSince), Justification: texts.text(n.Justification, maxText),
				Title: texts.text(n.Title, maxText), StatusMessage: orNull(texts.text(n.StatusMessage, maxText)),
				PreviousStatus: orNull(texts.text(string(n.PreviousStatus), maxWord)), Round: n.Round, Decision: orNull(texts.text(string(n.Decision), maxWord)),
				Explanation: orNull(texts.text(n.Explanation, maxText)), ApprovalsGiven: n.ApprovalsGiven, ApprovalsNeeded: n.ApprovalsNeeded,
				Link: orNull(texts.text(n.Page, maxWord)),
			},
			Workspace: workspace{
				ID: texts.text(n.WorkspaceID, maxWord), Name: texts.text(n.WorkspaceName, maxWord),
				Description: texts.text(n.WorkspaceDescription, maxText),
			},
			Audience: texts.text(string(n.Audience), maxWord), Recipients: lists.addresses(n.Recipients), Unaddressed: n.Unaddressed,
			MustAct:  mustAct{Turn: texts.text(string(n.Turn), maxWord), People: lists.people(n.MustAct)},
			Location: locationOf(n.Location),
		},
	}
	for _, key := range roleKeys() {
		m.Data.RecipientsByRole[key] = lists.addresses(n.RecipientsByRole[key])
	}
	m.Data.Request.TextsTruncated, m.Data.RecipientsTruncated = texts.cut, lists.cut || n.Shortened
	return m.withFiles(n.Files)
}

// withFiles encodes the message with as many of the files as fit.
func (m message) withFiles(files []airlock.FileSummary) ([]byte, error) {
	// The flag takes room only where it is needed, but then it must have it.
	m.Data.Request.FilesTruncated = true
	body, err := encode(m)
	if err != nil {
		return nil, err
	}
	size := len(body)
	if size > maxBody {
		return nil, fmt.Errorf("a notice of %d bytes without its files; it has at most %d", size, maxBody)
	}
	for _, f := range files {
		told := file(f)
		one, err := encode(told)
		if err != nil {
			return nil, err
		}
		if size += len(one) + len(","); size > maxBody {
			break
		}
		m.Data.Request.Files = append(m.Data.Request.Files, told)
	}
	m.Data.Request.FilesTruncated = len(m.Data.Request.Files) < max(len(files), m.Data.Request.FileCount)
	return encode(m)
}

// encode writes JSON in which <, > and & stand as they are: it is no part of a web page.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// cutter shortens, and remembers that it did.
type cutter struct{ cut bool }

// text returns the beginning of a text that takes at most so many bytes in JSON.
func (c *cutter) text(s string, longest int) string {
	size := 0
	for i, r := range s {
		size += encodedSize(r)
		if size > longest {
			c.cut = true
			return s[:i]
		}
	}
	return s
}

// encodedSize is at least what a character takes in JSON, in bytes.
func encodedSize(r rune) int {
	switch {
	case r < ' ' || r == utf8.RuneError || r == '\u2028' || r == '\u2029':
		return len(`\u0000`)
	case r == '"' || r == '\\':
		return 2
	default:
		return utf8.RuneLen(r)
	}
}

func (c *cutter) person(p airlock.Person) person {
	return person{Name: c.text(p.Name, maxWord), Email: c.text(p.Email, maxWord)}
}

// addresses returns the first of the addresses, as many as fit. None is shortened: half an address is somebody else's.
func (c *cutter) addresses(all []string) []string {
	fitting := []string{}
	size := 0
	for _, a := range all {
		for _, r := range a {
			size += encodedSize(r)
		}
		size += len(`"",`)
		if size > maxAddresses {
			c.cut = true
			break
		}
		fitting = append(fitting, a)
	}
	return fitting
}

// people returns the first of the people, as many as fit, with their names and addresses whole.
func (c *cutter) people(all []airlock.Contact) []contact {
	fitting := []contact{}
	size := 0
	for _, p := range all {
		for _, r := range p.ID + p.Name + p.Email {
			size += encodedSize(r)
		}
		if size += len(`{"id":"","name":"","email":""},`); size > maxAddresses {
			c.cut = true
			break
		}
		fitting = append(fitting, contact(p))
	}
	return fitting
}

func locationOf(l airlock.Location) *location {
	if l.URL == "" || len(l.URL) > maxURL {
		return nil
	}
	return &location{l.URL, l.ExpiresAt.UTC().Format(time.RFC3339)}
}

// seconds is a time as existing clients have it: seconds since 1970 with a fraction, exact to the microsecond.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
