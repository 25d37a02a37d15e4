package busqueue_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/busqueue"
	"airlock/statemachine"
)

var update = flag.Bool("update", false, "write the golden files")

// aNotice is a notice with everything in it.
func aNotice() airlock.Notice {
	at := func(ms int) time.Time {
		return time.Date(2026, 2, 3, 4, 5, 6, ms*1e6, time.FixedZone("elsewhere", 3600))
	}
	return airlock.Notice{
		ID: aRequest + "-7-requester", When: at(250), Occasion: statemachine.StatusChanged, Audience: statemachine.AudienceRequester,
		WorkspaceID: "ws-1", WorkspaceName: "Heart & lung", WorkspaceDescription: "A study", RequestID: aRequest,
		Status: statemachine.Approved, PreviousStatus: statemachine.ApprovalInProgress, StatusMessage: "Ready", Type: airlock.Import,
		Title: "Codes <v2>", Justification: "Needed for \"coding\"", Round: 2,
		Files: []airlock.FileSummary{
			{Name: "data/日本語 #1.csv", Size: 5, MD5: "d41d8cd98f00b204e9800998ecf8427e"},
			{Name: "b.txt", Size: 1 << 40, SHA256: strings.Repeat("0f", 32)},
		},
		FileCount: 2, TotalBytes: 1<<40 + 5, StatusSince: at(250), ApprovalsGiven: 1, ApprovalsNeeded: 1, Turn: statemachine.TurnNobody,
		CreatedBy: airlock.Person{ID: "oid-1", Name: "Rosa", Email: "rosa@example.org", Roles: []airlock.Role{airlock.RoleResearcher}},
		UpdatedBy: airlock.Person{ID: "oid-2", Name: "Max", Email: "max@example.org"}, CreatedWhen: at(100), UpdatedWhen: at(250),
		Decision: statemachine.DecisionApproved, Explanation: "Fine.", Page: "https://tre.example.org/workspaces/ws-1/requests/" + aRequest,
		Recipients: []string{"rosa@example.org"}, Unaddressed: 1, MustAct: []airlock.Contact{{ID: "b0683fcc-6167-4dd5-a56b-8e050cf11cc0", Name: "Max", Email: "max@example.org"}},
		Location: airlock.Location{URL: "https://account.blob.core.windows.net/id?sig=x&se=y", ExpiresAt: at(0).Add(time.Hour)},
		RecipientsByRole: map[string][]string{
			"workspace_owner": {"olga@example.org"}, "workspace_researcher": {"rosa@example.org", "ralf@example.org"}, "airlock_manager": {"max@example.org"},
		},
	}
}

func TestNoticeGolden(t *testing.T) {
	least := airlock.Notice{
		ID: aRequest + "-1-reviewers", When: time.Unix(1_770_000_000, 0), Occasion: statemachine.StatusChanged, Audience: statemachine.AudienceReviewers, Turn: statemachine.TurnReviewer, WorkspaceID: "ws-1",
		WorkspaceName: "Heart", RequestID: aRequest, Status: statemachine.InReview, Type: airlock.Export, Round: 1,
		CreatedWhen: time.Unix(1_770_000_000, 0), UpdatedWhen: time.Unix(1_770_000_000, 0),
	}
	for name, n := range map[string]airlock.Notice{"everything": aNotice(), "least": least} {
		body, err := busqueue.EncodeNotice(n)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := json.Indent(&got, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		path := filepath.Join("testdata", "notice-"+name+".json")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s differs from %s (-update writes it):\n%s", name, path, got.Bytes())
		}
		conforms(t, body)
	}
}

// wire is what a subscriber reads.
type wire struct {
	Data struct {
		ByRole    map[string][]string `json:"recipient_emails_by_role"`
		Shortened bool                `json:"recipients_truncated"`
		To        []string            `json:"recipients"`
		Request   struct {
			Files          []airlock.FileSummary `json:"files"`
			FilesTruncated bool                  `json:"files_truncated"`
			TextsTruncated bool                  `json:"texts_truncated"`
			Created        float64               `json:"created_when"`
			Title          string                `json:"title"`
			Justification  string                `json:"business_justification"`
		} `json:"request"`
	} `json:"data"`
}

const limit = 200 << 10

func encoded(t interface {
	Helper()
	Fatalf(string, ...any)
}, n airlock.Notice) wire {
	t.Helper()
	body, err := busqueue.EncodeNotice(n)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if len(body) > limit {
		t.Fatalf("%d bytes, want at most %d", len(body), limit)
	}
	again, err := busqueue.EncodeNotice(n)
	if err != nil || !bytes.Equal(body, again) {
		t.Fatalf("the same notice has two bodies (%v)", err)
	}
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return w
}

// TestNoticeOfManyFiles: as many files as fit are told of, the first ones, and it is said that there are more.
func TestNoticeOfManyFiles(t *testing.T) {
	n := aNotice()
	n.Files = nil
	for i := range 2000 {
		n.Files = append(n.Files, airlock.FileSummary{Name: fmt.Sprintf("%04d %s.csv", i, strings.Repeat("é", 100)), Size: int64(i)})
	}
	w := encoded(t, n)
	got := w.Data.Request.Files
	if len(got) < 500 || len(got) == len(n.Files) || !w.Data.Request.FilesTruncated || w.Data.Request.TextsTruncated || w.Data.Shortened {
		t.Fatalf("%d files, said so %v", len(got), w.Data.Request.FilesTruncated)
	}
	if !slices.Equal(got, n.Files[:len(got)]) {
		t.Error("not the first files, as they are")
	}
	n.Files = n.Files[:len(got)]
	if w := encoded(t, n); len(w.Data.Request.Files) != len(got) || w.Data.Request.FilesTruncated {
		t.Error("files that fit were left out")
	}
}

// TestNoticeOfManyPeople: addresses are left out whole, never cut.
func TestNoticeOfManyPeople(t *testing.T) {
	n := aNotice()
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf("person%04d@example.org", i))
	}
	n.Recipients = many
	for role := range n.RecipientsByRole {
		n.RecipientsByRole[role] = many
	}
	w := encoded(t, n)
	if !w.Data.Shortened || len(w.Data.To) < 400 || len(w.Data.ByRole) != 3 {
		t.Fatalf("%d recipients, said so %v", len(w.Data.To), w.Data.Shortened)
	}
	for _, list := range append(slices.Collect(maps.Values(w.Data.ByRole)), w.Data.To) {
		if !slices.Equal(list, many[:len(list)]) {
			t.Error("not the first addresses, as they are")
		}
	}
	if w.Data.Request.FilesTruncated || len(w.Data.Request.Files) != 2 {
		t.Error("the files had to give way to the people")
	}
}

// TestNoticeOfLongTexts: a text is cut between characters, and it is said.
func TestNoticeOfLongTexts(t *testing.T) {
	for _, piece := range []string{"a", "é", "日", "😀", "\"", "\n", "\x00", "\u2028", "\xff", "<"} {
		n := aNotice()
		n.Justification = strings.Repeat(piece, 50_000)
		w := encoded(t, n)
		got := w.Data.Request.Justification
		if !w.Data.Request.TextsTruncated || len(got) < 1000 || !utf8.ValidString(got) {
			t.Errorf("%q: %d bytes are left, said so %v", piece, len(got), w.Data.Request.TextsTruncated)
		}
		if utf8.ValidString(piece) && !strings.HasPrefix(n.Justification, got) {
			t.Errorf("%q: not the beginning of the text", piece)
		}
		if w.Data.Request.FilesTruncated {
			t.Errorf("%q: the files had to give way to a text", piece)
		}
	}
}

// TestNoticeOfTheWorst: what takes most room in JSON, everywhere at once.
func TestNoticeOfTheWorst(t *testing.T) {
	for _, piece := range []string{"\x00", "\u2028", "\xff", "\"", "😀"} {
		worst := strings.Repeat(piece, 50_000)
		people := slices.Repeat([]string{strings.Repeat(piece, 100)}, 1000)
		n := airlock.Notice{
			ID: "id", RequestID: worst, WorkspaceID: worst, WorkspaceName: worst, WorkspaceDescription: worst, Title: worst, Justification: worst,
			StatusMessage: worst, Explanation: worst, Page: worst, CreatedBy: airlock.Person{Name: worst, Email: worst},
			UpdatedBy: airlock.Person{Name: worst, Email: worst}, Status: statemachine.Status(worst), PreviousStatus: statemachine.Status(worst),
			Type: airlock.Direction(worst), Audience: statemachine.Audience(worst), Decision: statemachine.Decision(worst), Recipients: people,
			RecipientsByRole: map[string][]string{"workspace_owner": people, "workspace_researcher": people, "airlock_manager": people},
			Files:            []airlock.FileSummary{{Name: worst, Size: 1}, {Name: "small", Size: 2}},
			Turn:             statemachine.Turn(worst), Occasion: statemachine.Occasion(worst), Location: airlock.Location{URL: worst},
			MustAct: slices.Repeat([]airlock.Contact{{ID: worst[:100], Name: worst[:200], Email: worst[:200]}}, 1000),
		}
		if w := encoded(t, n); !w.Data.Request.TextsTruncated || !w.Data.Shortened || len(w.Data.To) == 0 {
			t.Errorf("%q: %+v", piece, w.Data)
		}
	}
}

// TestNoticeAlwaysFits: whatever a notice holds, its message can be sent, and says whether something is left out.
func TestNoticeAlwaysFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			return strings.Repeat(rapid.String().Draw(t, name), rapid.SampledFrom([]int{0, 1, 1, 30, 3_000}).Draw(t, name+" times"))
		}
		list := func(name string) []string {
			return slices.Repeat([]string{text(name)}, rapid.SampledFrom([]int{0, 1, 50}).Draw(t, name+" count"))
		}
		n := aNotice()
		n.RequestID, n.WorkspaceID = text("request"), text("workspace")
		n.Title, n.Justification, n.StatusMessage, n.Explanation = text("title"), text("justification"), text("message"), text("explanation")
		n.WorkspaceName, n.WorkspaceDescription, n.Page = text("name"), text("description"), text("page")
		n.CreatedBy.Name, n.CreatedBy.Email, n.UpdatedBy.Name, n.UpdatedBy.Email = text("n1"), text("e1"), text("n2"), text("e2")
		n.Status, n.Type, n.Audience = statemachine.Status(text("status")), airlock.Direction(text("type")), statemachine.Audience(text("audience"))
		n.Recipients = list("recipient")
		n.RecipientsByRole = map[string][]string{"workspace_owner": list("owner"), "airlock_manager": list("manager"), text("role"): list("other")}
		n.Files = slices.Repeat([]airlock.FileSummary{{Name: text("file"), Size: rapid.Int64().Draw(t, "size")}},
			rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "files"))
		n.FileCount = len(n.Files)
		n.MustAct = slices.Repeat([]airlock.Contact{{ID: text("id"), Name: text("who"), Email: text("where")}}, rapid.SampledFrom([]int{0, 1, 200}).Draw(t, "people"))
		n.Turn, n.Occasion = statemachine.Turn(text("turn")), statemachine.Occasion(text("occasion"))
		n.Location.URL = text("location")
		w := encoded(t, n)
		if (len(w.Data.Request.Files) < len(n.Files)) != w.Data.Request.FilesTruncated {
			t.Fatalf("%d of %d files, said so %v", len(w.Data.Request.Files), len(n.Files), w.Data.Request.FilesTruncated)
		}
		if len(w.Data.To) < len(n.Recipients) && !w.Data.Shortened {
			t.Fatalf("%d of %d recipients, not said", len(w.Data.To), len(n.Recipients))
		}
	})
}

// TestNoticeTimes: existing clients have seconds as a number with a fraction.
func TestNoticeTimes(t *testing.T) {
	for want, when := range map[string]time.Time{
		"1663848137.1":      time.Unix(1663848137, 100_000_000),
		"1663848137":        time.Unix(1663848137, 0),
		"1663848137.000001": time.Unix(1663848137, 1_999),
		"0":                 {},
	} {
		n := aNotice()
		n.CreatedWhen = when
		body, err := busqueue.EncodeNotice(n)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, []byte(`"created_when":`+want+`,`)) {
			t.Errorf("%v is not written as %s", when, want)
		}
	}
}
