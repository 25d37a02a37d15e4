package api

import (
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// aNewRequest is a request as it is when it was just made: everything that can be empty is.
func aNewRequest() airlock.View {
	r := aRequest()
	r.Status, r.StatusMessage, r.ETag, r.Version = statemachine.Draft, "", "", 1
	r.UpdatedBy, r.History, r.Files, r.Reviews = researcher, nil, nil, nil
	return seated(airlock.View{Request: r, Actions: []statemachine.Action{statemachine.ActionCancel, statemachine.ActionSubmit}})
}

// TestOperations calls every operation once as it should be, and compares the whole answer.
func TestOperations(t *testing.T) {
	review := aView(statemachine.ActionReview, statemachine.ActionCancel)
	at := " " + workspaceID + " " + requestID
	rosa, manu, ada := researcher.ID, manager.ID, admin.ID
	for _, test := range []struct {
		golden, method, target, token, body string
		use                                 string
		value                               any
		status                              int
		call                                string
	}{
		{"create", "POST", requests, "researcher", `{"type":"import","title":"T","businessJustification":"J"}`,
			"Create", aNewRequest(), 201, "Create " + rosa + " " + workspaceID + " {Type:import Title:T Justification:J}"},
		{"request", "GET", one, "researcher", "", "Request", review, 200, "Request " + rosa + at},
		{"list", "GET", requests, "researcher", "", "Requests", airlock.Views{Views: []airlock.View{review, aNewRequest()}}, 200,
			"Requests " + rosa + " " + workspaceID + " {Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}"},
		{"list_empty", "GET", requests, "researcher", "", "Requests", airlock.Views{}, 200,
			"Requests " + rosa + " " + workspaceID + " {Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}"},
		{"mine", "GET", "/api/requests", "manager", "", "Mine", airlock.Views{Views: []airlock.View{review}}, 200,
			"Mine " + manu + " false {Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}"},
		{"mine_empty", "GET", "/api/requests?airlock_manager=true", "manager", "", "Mine", airlock.Views{}, 200,
			"Mine " + manu + " true {Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}"},
		{"link", "GET", one + "/link", "researcher", "", "Link", aLink(), 200, "Link " + rosa + at},
		{"link", "POST", one + "/link", "researcher", "", "Link", aLink(), 200, "Link " + rosa + at},
		{"action", "POST", one + "/submit", "researcher", "", "Submit", review, 200, "Submit " + rosa + at},
		{"action", "POST", one + "/cancel", "researcher", "", "Cancel", review, 200, "Cancel " + rosa + at},
		{"action", "POST", one + "/retry", "manager", "", "Retry", review, 200, "Retry " + manu + at},
		{"action", "POST", one + "/review", "manager", `{"approval":true,"decisionExplanation":"Fine."}`, "Review", review, 200,
			"Review " + manu + at + " {Decision:approved Explanation:Fine. Round:0 Digest: Slot:}"},
		{"action", "POST", one + "/review", "manager", `{"decision":"changes_requested","decisionExplanation":"Why?"}`, "Review", review, 200,
			"Review " + manu + at + " {Decision:changes_requested Explanation:Why? Round:0 Digest: Slot:}"},
		{"action", "POST", one + "/review", "manager", `{"decision":"approved","round":2,"manifestDigest":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","slot":"owner"}`, "Review", review, 200,
			"Review " + manu + at + " {Decision:approved Explanation: Round:2 Digest:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef Slot:owner}"},
		{"action", "POST", one + "/revoke", "manager", `{"reason":"Wrong file"}`, "Revoke", review, 200, "Revoke " + manu + at + " Wrong file"},
		{"action", "POST", one + "/hold", "admin", `{"reason":"Court order"}`, "Hold", review, 200, "Hold " + ada + at + " Court order"},
		{"action", "POST", one + "/lift", "admin", `{"reason":"Withdrawn"}`, "Lift", review, 200, "Lift " + ada + at + " Withdrawn"},
		{"claim", "POST", one + "/claim", "manager", "", "Claim", aClaimedRequest(), 200, "Claim " + manu + at},
		{"action", "POST", one + "/unclaim", "manager", "", "Unclaim", review, 200, "Unclaim " + manu + at},
		{"claim", "POST", one + "/hand-over", "manager", `{"person":"` + strings.ToUpper(workspaceID) + `"}`, "HandOver", aClaimedRequest(), 200, "HandOver " + manu + at + " " + workspaceID},
		{"comment", "POST", one + "/comments", "manager", `{"text":"Cells with n < 10.","visibility":"shared","file":"a b#é.txt"}`, "Comment", aComment(), 201,
			"Comment " + manu + at + " {Text:Cells with n < 10. Visibility:shared File:a b#é.txt}"},
		{"comments", "GET", one + "/comments?limit=2&cursor=7", "manager", "", "Comments", someComments(), 200, "Comments " + manu + at + " 2 7"},
		{"comments_empty", "GET", one + "/comments", "researcher", "", "Comments", airlock.Comments{}, 200, "Comments " + rosa + at + " 0 "},
		{"request_ended", "GET", one, "researcher", "", "Request", anEndedRequest(), 200, "Request " + rosa + at},
		{"audit", "GET", settingsAt + "/audit", "admin", "", "WorkspaceAudit", aTrail(), 200, "WorkspaceAudit " + ada + " " + workspaceID},
		{"files", "GET", one + "/files", "researcher", "", "Files", someFiles(), 200, "Files " + rosa + at + " 0"},
		{"files_changed", "GET", one + "/files?round=3", "manager", "", "Files", changedFiles(), 200, "Files " + manu + at + " 3"},
		{"audit", "GET", one + "/audit", "manager", "", "Audit", aTrail(), 200, "Audit " + manu + at},
		{"record", "GET", one + "/record", "manager", "", "Disclosure", anEnvelope(), 200, "Disclosure " + manu + at + " 0"},
		{"record", "GET", one + "/record?round=2", "manager", "", "Disclosure", anEnvelope(), 200, "Disclosure " + manu + at + " 2"},
		{"settings", "GET", settingsAt, "admin", "", "Settings", someSettings(), 200, "Settings " + ada + " " + workspaceID},
		{"scanner_test", "POST", "/api/health/scanner", "admin", "", "StartScannerTest", aScannerTest(), 202, "StartScannerTest " + ada},
		{"scanner_test", "GET", "/api/health/scanner", "admin", "", "ScannerTest", aScannerTest(), 200, "ScannerTest " + ada},
		{"scanner_test_none", "GET", "/api/health/scanner", "admin", "", "ScannerTest", airlock.ScannerTest{State: airlock.TestNone}, 200, "ScannerTest " + ada},
		{"health", "GET", "/api/health", "", "", "Health", wellChecks(), 200, "Health "},
		{"health_admin", "GET", "/api/health", "admin", "", "Health", wellChecks(), 200, "Health "},
	} {
		t.Run(test.method+strings.TrimPrefix(test.target, "/api")+test.body, func(t *testing.T) {
			e := newEdge(t).expect(test.use, test.value, nil)
			var headers []string
			if test.token != "" {
				headers = append(headers, "Authorization: Bearer "+test.token)
			}
			w := e.do(test.method, test.target, test.body, headers...)
			if w.Code != test.status || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("status %d, content type %q: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			if got := e.calls(); got != test.call {
				t.Errorf("called %q, want %q", got, test.call)
			}
			golden(t, test.golden+".json", indented(t, w.Body.Bytes()))
		})
	}
}

func aScannerTest() airlock.ScannerTest {
	return airlock.ScannerTest{
		State: airlock.TestFailed, Started: time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC), Took: 1500 * time.Millisecond, Event: airlock.Malicious,
		Tag: airlock.NotScanned, Problem: "It is slow.",
	}
}

func aLink() airlock.Link {
	return airlock.Link{URL: "https://stalimextre1.blob.core.windows.net/" + requestID + "?sv=2024&sig=a%2Bb",
		ExpiresAt: time.Date(2024, 3, 1, 14, 0, 0, 0, time.FixedZone("", 3600)), Rights: statemachine.Read}
}

// aClaimedRequest is one that a reviewer looks at.
func aClaimedRequest() airlock.View {
	v := aView(statemachine.ActionReview, statemachine.ActionClaim, statemachine.ActionUnclaim, statemachine.ActionHandOver)
	v.Request.ClaimedBy, v.Request.ClaimedUntil = manager, time.Date(2022, 9, 23, 12, 2, 17, 0, time.UTC)
	return v
}

// anEndedRequest has a legal hold, which came after its data had been deleted.
func anEndedRequest() airlock.View {
	r := aRequest()
	r.Status, r.StatusMessage, r.OnHold, r.PurgedWhen = statemachine.Approved, "", true, time.Date(2024, 3, 1, 12, 0, 0, 500, time.UTC)
	return seated(airlock.View{Request: r, Actions: []statemachine.Action{statemachine.ActionLift}}, r.Reviews...)
}

func aComment() airlock.Comment {
	return airlock.Comment{Seq: 4, ID: "c1", Round: 2, Status: statemachine.InReview, By: manager, As: statemachine.SideReviewer,
		When: time.Date(2024, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600)), Visibility: statemachine.Shared, Text: "Cells with n < 10.", File: "a b#é.txt"}
}

func someComments() airlock.Comments {
	other := aComment()
	other.Seq, other.ID, other.File, other.Visibility, other.Text = 9, "c2", "", statemachine.Private, "Two\n\n* lines"
	return airlock.Comments{Comments: []airlock.Comment{aComment(), other}, Next: "9",
		Sayable: []statemachine.Visibility{statemachine.Private, statemachine.Shared}}
}

func someFiles() airlock.Listed {
	return airlock.Listed{Round: 1, Sealed: true, Files: []airlock.File{
		{Name: "a b#é.txt", Size: 5, MD5: []byte{1, 2, 3}, SubmittedETag: "0x1", SealedETag: "0x2",
			Verdict: airlock.Verdict{Result: airlock.Malicious, Malware: []string{"EICAR"}, SHA256: "ab", At: "2024-03-01T12:00:00Z"}},
		{Name: "big", Size: 5 << 40, SubmittedETag: "0x3"},
	}}
}

// changedFiles is a round after one that people reviewed.
func changedFiles() airlock.Listed {
	listed := someFiles()
	listed.Round, listed.Since = 3, airlock.Comparison{
		Round: 1, Altered: []airlock.Altered{{Change: airlock.FileChanged, By: airlock.BySHA256}, {Change: airlock.FileNew}}, Gone: []airlock.File{{Name: "old.csv", Size: 7}},
	}
	return listed
}

func aTrail() airlock.Trail {
	at := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	first := airlock.Record{Chain: airlock.Chain(workspaceID, requestID), When: at, Who: researcher.ID, Name: `=cmd|' /C calc'!A0`, What: "create", To: "draft", Text: "<T> & more\nlines", Source: "192.0.2.1", Trace: traceID}.Seal(0, "")
	second := airlock.Record{Chain: first.Chain, Policy: 3, When: at.Add(time.Second), Who: "system", What: "clear", From: "submitted", To: "in_review", Round: 1}.Seal(first.Seq, first.Hash)
	return airlock.Trail{Records: []airlock.Record{first, second}, Intact: true}
}

func someSettings() airlock.Settings {
	s := airlock.DefaultSettings(workspaceID)
	s.Name, s.Audience, s.Version, s.ChangedBy, s.ETag = "Heart study", "workspace-app", 2, admin.ID, `W/"datetime'2024'"`
	s.ChangedAt = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	s.Members = []airlock.Member{{ID: manager.ID, Name: manager.Name, Email: manager.Email, Roles: manager.Roles}}
	s.NameDenied = []string{"*.exe"}
	s.Deputies = []airlock.Deputy{{Owner: admin.ID, Deputy: manager.ID, From: s.ChangedAt, Until: s.ChangedAt.Add(36 * time.Hour)}}
	s.RemindAfter, s.EscalateAfter, s.IncludeLocation = 24*time.Hour, 36*time.Hour, true
	s.Retention, s.LegalHold = airlock.Retention{Released: 90 * 24 * time.Hour, Records: 36 * time.Hour}, true
	s.Layout = map[string]airlock.Locate{"import/intake": {Account: "in{tre}", Container: "{id}{round}"}}
	return s
}

func wellChecks() []airlock.Check {
	return []airlock.Check{{Name: "store", Took: 12 * time.Millisecond}, {Name: "zones", Took: time.Second}}
}

func anEnvelope() []byte {
	return []byte(`{"payloadType":"application/vnd.airlock.disclosure.v1+json","payload":"eyJyb3VuZCI6Mn0=","signatures":[{"keyid":"ed25519:aa","sig":"AAAA"}]}`)
}
