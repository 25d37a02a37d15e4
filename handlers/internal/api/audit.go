package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
)

type filesInput struct {
	OfRequest
	Round int `query:"round" minimum:"1" doc:"An earlier round's files, as they were submitted. Default: the present round."`
}

type filesOutput struct {
	Body struct {
		Files    []file     `json:"files" nullable:"false"`
		Round    int        `json:"round" doc:"Counts submissions, from 1."`
		Sealed   bool       `json:"sealed" doc:"False: a draft's files as they are now, which can still change."`
		Compared *int       `json:"comparedWithRound" doc:"The last round before that people reviewed; null where there is none."`
		Gone     []goneFile `json:"gone" nullable:"false" doc:"Files of that round that are not in this one."`
	} `nameHint:"Files"`
}

type goneFile struct {
	Name string `json:"name"`
	Size int64  `json:"size" doc:"Bytes."`
}

type file struct {
	Name    string  `json:"name"`
	Size    int64   `json:"size" doc:"Bytes."`
	MD5     *string `json:"md5" doc:"Content-MD5 in base64; null where storage knows none."`
	SHA256  *string `json:"sha256" doc:"Of the sealed bytes, in hex; null until all of them were read."`
	ETag    string  `json:"etag" doc:"Of the sealed file; before it is sealed, of the submitted one."`
	Verdict verdict `json:"verdict" doc:"What the malware scanner said of the sealed file."`
	Change  *string `json:"change" enum:"new,changed,same,unknown" doc:"Since the round that it is compared with, in a file of the same name; unknown where nothing tells, null where there is no such round."`
	By      *string `json:"comparedBy" enum:"sha256,md5,size" doc:"What tells. sha256 is of the sealed bytes; md5 is what storage keeps and an uploader can set, so that it tells of honest mistakes only."`
}

type verdict struct {
	Result  *string  `json:"result" doc:"No threats found, Malicious or Not Scanned; null while there is none."`
	Reason  *string  `json:"reason" doc:"Why the scanner has not scanned."`
	Malware []string `json:"malware" nullable:"false" doc:"Names of what was found."`
	SHA256  *string  `json:"sha256" doc:"In hex, as the scanner computed it."`
	At      *string  `json:"at" doc:"The scanner's own time stamp."`
}

type auditInput struct {
	OfRequest
	Format string `query:"format" enum:"json,jsonl,csv" doc:"Default: what the Accept header names first, or json."`
	Accept string `header:"Accept" hidden:"true"`
}

type workspaceAuditInput struct {
	OfWorkspace
	Format string `query:"format" enum:"json,jsonl,csv" doc:"Default: what the Accept header names first, or json."`
	Accept string `header:"Accept" hidden:"true"`
}

type auditOutput struct {
	ContentType string `header:"Content-Type"`
	Intact      string `header:"x-airlock-audit-intact" enum:"true,false" doc:"The chain of records holds."`
	Body        []byte
}

type trail struct {
	Records []airlock.Record `json:"records" nullable:"false"`
	Intact  bool             `json:"intact" doc:"The chain of records holds: none is missing, changed or out of order."`
	Problem *string          `json:"problem" doc:"What is wrong with the chain."`
	Held    int              `json:"heldBack,omitempty" doc:"How many of the last records are not shown: reviews are blind, and the round goes on."`
}

const (
	linesType = "application/x-ndjson"
	csvType   = "text/csv"
)

// addAudit adds what people check a request by.
func (s *server) addAudit() {
	add(s, operation{
		id: "getFiles", method: http.MethodGet, path: requestPath + "/files", tag: "Evidence", summary: "List a request's files with their verdicts",
		about: "For everybody with a role in the workspace. The audit trail tells of it. Once people have reviewed an earlier round, it says of each file " +
			"whether it is new, changed or the same since, and which are gone.",
	}, s.files)
	registry := s.api.OpenAPI().Components.Schemas
	add(s, operation{
		id: "getAudit", method: http.MethodGet, path: requestPath + "/audit", tag: "Evidence", summary: "Read a request's audit trail",
		about: "For the requester, workspace owners, airlock managers and TRE admins. That it was exported is a record of its own. Records form a chain: each holds the SHA-256 of the one before and of itself. " +
			"As JSON Lines each line is just what was hashed, but for its own hash, which was empty then: `handler verify-audit` proves such a file without anything else. In CSV, cells that a spreadsheet would take for a formula begin with an apostrophe.",
		content: trailContent(registry),
	}, s.audit)
	add(s, operation{
		id: "getWorkspaceAudit", method: http.MethodGet, path: "/api/workspaces/{workspace_id}/airlock/audit", tag: "Evidence", summary: "Read a workspace's audit trail",
		about:   "For workspace owners and TRE admins. How the settings changed, and which requests were deleted at the end of their lifetime. The records are as those of a request's trail.",
		content: trailContent(registry),
	}, func(ctx context.Context, who airlock.Identity, in *workspaceAuditInput) (*auditOutput, error) {
		t, err := s.Service.WorkspaceAudit(ctx, who, in.Workspace.lower())
		if err != nil {
			return nil, err
		}
		return trailAnswer(t, in.Workspace.lower(), auditFormat(in.Format, in.Accept))
	})
}

// trailContent describes a trail in every format.
func trailContent(registry huma.Registry) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{
		"application/json": {Schema: registry.Schema(reflect.TypeFor[trail](), true, "")},
		linesType:          {Schema: &huma.Schema{Type: huma.TypeString, Description: "One record per line."}},
		csvType:            {Schema: &huma.Schema{Type: huma.TypeString, Description: "One record per row, after a row of names."}},
	}
}

func (s *server) files(ctx context.Context, who airlock.Identity, in *filesInput) (*filesOutput, error) {
	listed, err := s.Service.Files(ctx, who, in.Workspace.lower(), in.Request.lower(), in.Round)
	if err != nil {
		return nil, err
	}
	out := &filesOutput{}
	out.Body.Files = make([]file, len(listed.Files))
	out.Body.Round, out.Body.Sealed, out.Body.Gone = listed.Round, listed.Sealed, []goneFile{}
	for i, f := range listed.Files {
		v := f.Verdict
		out.Body.Files[i] = file{
			Name: f.Name, Size: f.Size, MD5: orNull(base64.StdEncoding.EncodeToString(f.MD5)), SHA256: orNull(f.SHA256), ETag: f.SealedETag,
			Verdict: verdict{orNull(string(v.Result)), orNull(v.Reason), append([]string{}, v.Malware...), orNull(v.SHA256), orNull(v.At)},
		}
		if f.SealedETag == "" {
			out.Body.Files[i].ETag = f.SubmittedETag
		}
	}
	if listed.Since.Round > 0 {
		out.Body.Compared = &listed.Since.Round
		for i, a := range listed.Since.Altered {
			out.Body.Files[i].Change, out.Body.Files[i].By = orNull(string(a.Change)), orNull(string(a.By))
		}
		for _, f := range listed.Since.Gone {
			out.Body.Gone = append(out.Body.Gone, goneFile{f.Name, f.Size})
		}
	}
	return out, nil
}

func (s *server) audit(ctx context.Context, who airlock.Identity, in *auditInput) (*auditOutput, error) {
	t, err := s.Service.Audit(ctx, who, in.Workspace.lower(), in.Request.lower())
	if err != nil {
		return nil, err
	}
	return trailAnswer(t, in.Request.lower(), auditFormat(in.Format, in.Accept))
}

// trailAnswer writes the trail of whatever has the id.
func trailAnswer(t airlock.Trail, id, format string) (out *auditOutput, err error) {
	out = &auditOutput{Intact: strconv.FormatBool(t.Intact)}
	switch format {
	case "csv":
		out.ContentType, out.Body = csvType+"; charset=utf-8", auditCSV(t.Records)
	case "jsonl":
		out.ContentType = linesType
		out.Body, err = auditLines(t.Records)
	default:
		out.ContentType = "application/json"
		out.Body, err = json.Marshal(trail{append([]airlock.Record{}, t.Records...), t.Intact, orNull(t.Problem), t.HeldBack})
	}
	if err != nil {
		return nil, fmt.Errorf("encode the audit trail of %s: %w", id, err)
	}
	return out, nil
}

// auditFormat is the one that the query names, else the one that the client would rather have.
func auditFormat(query, accept string) string {
	best, weight := "json", 0.0
	if query != "" {
		return query
	}
	for _, a := range parseAccept([]string{accept}) {
		name, known := map[string]string{"application/json": "json", linesType: "jsonl", "application/jsonl": "jsonl", csvType: "csv"}[a.name]
		if known && a.weight > weight {
			best, weight = name, a.weight
		}
	}
	return best
}

// auditLines writes every record as it is hashed.
func auditLines(records []airlock.Record) ([]byte, error) {
	var b bytes.Buffer
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}

// auditCSV writes the records for a spreadsheet (RFC 4180, but with line feeds: csv's other choice would change the line
// ends inside of texts too).
func auditCSV(records []airlock.Record) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b) // writing into memory cannot fail
	w.Write([]string{"seq", "chain", "when", "who", "name", "what", "subject", "last", "from", "to", "round", "policy", "text", "digest", "source", "trace", "previous", "hash"})
	for _, r := range records {
		row := []string{strconv.Itoa(r.Seq), r.Chain, r.When.Format(time.RFC3339Nano), r.Who, r.Name, r.What, r.Subject, strconv.Itoa(r.Last), r.From, r.To,
			strconv.Itoa(r.Round), strconv.Itoa(r.Policy), r.Text, r.Digest, r.Source, r.Trace, r.Previous, r.Hash}
		for i := range row {
			row[i] = harmless(row[i])
		}
		w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

// harmless keeps a spreadsheet from running what somebody wrote as a formula (OWASP, "CSV Injection").
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
