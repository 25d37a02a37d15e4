package api

import (
	"strings"
	"testing"
)

// TestStrangersCauseNoWork sends what is wrong in every way at once: without a good token, the answer is about the token.
func TestStrangersCauseNoWork(t *testing.T) {
	for _, test := range []struct {
		authorization string
		status        int
		code, detail  string
	}{
		{"", 401, "token_missing", "Could not validate credentials"},
		{"Basic cm9zYTo=", 401, "token_missing", "Could not validate credentials"},
		{"Bearer expired", 401, "token_expired", "Expired token signature"},
		{"Bearer forged", 401, "token_signature", "Invalid token signature"},
		{"Bearer of another audience", 401, "token_invalid", "Invalid token"},
		{"Bearer offline", 503, "issuer_unavailable", "Tokens cannot be checked at the moment. Try again soon."},
	} {
		for _, request := range []struct{ method, target, body string }{
			{"GET", one, ""},
			{"GET", "/api/workspaces/none/requests/none", ""},
			{"GET", requests + "?limit=x&status=none", ""},
			{"POST", requests, "{"},
			{"POST", requests, strings.Repeat(" ", 100<<10)},
			{"POST", one + "/review", `{"approval":"perhaps"}`},
			{"POST", one + "/submit", ""},
			{"PUT", settingsAt, `[]`},
			{"GET", "/api/requests", ""},
			{"POST", one + "/review-user-resource", ""},
		} {
			e := newEdge(t)
			var headers []string
			if test.authorization != "" {
				headers = []string{"Authorization: " + test.authorization}
			}
			w := e.do(request.method, request.target, request.body, headers...)
			p := e.problem(w)
			if p.Status != test.status || p.Code != test.code || p.Detail != test.detail || len(p.Errors) > 0 {
				t.Errorf("%q %+v: %+v", test.authorization, request, p)
			}
			if want := map[int]string{401: "Bearer"}[test.status]; w.Header().Get("WWW-Authenticate") != want {
				t.Errorf("%q: WWW-Authenticate %q", test.authorization, w.Header().Get("WWW-Authenticate"))
			}
			if got := e.calls(); got != "" {
				t.Errorf("%q: called %s", test.authorization, got)
			}
			if strings.Contains(w.Body.String(), "secret-host") || e.log[0].Err == nil || e.log[0].Person != "" {
				t.Errorf("%q: body %s, log %+v", test.authorization, w.Body, e.log[0])
			}
		}
	}
}

// TestMembersWithBadInput is the other side: with a good token, the answer is about the input.
func TestMembersWithBadInput(t *testing.T) {
	for _, request := range []struct {
		method, target, body string
		status               int
		code, field          string
	}{
		{"GET", "/api/workspaces/none/requests", "", 422, "invalid", "workspace_id"},
		{"GET", requests + "/none", "", 422, "invalid", "airlock_request_id"},
		{"GET", "/api/workspaces/0c7b9e2a1f4d4c439a516b1c7d0e8f21/requests", "", 422, "invalid", "workspace_id"},
		{"GET", requests + "?status=none", "", 422, "invalid", "status"},
		{"GET", requests + "?type=sideways", "", 422, "invalid", "type"},
		{"GET", requests + "?limit=0", "", 422, "invalid", "limit"},
		{"GET", requests + "?limit=1001", "", 422, "invalid", "limit"},
		{"GET", requests + "?limit=many", "", 422, "invalid", "limit"},
		{"GET", requests + "?order_ascending=maybe", "", 422, "invalid", "order_ascending"},
		{"GET", requests + "?cursor=" + strings.Repeat("x", 2001), "", 422, "invalid", "cursor"},
		{"GET", requests + "?creator_user_id=" + strings.Repeat("x", 101), "", 422, "invalid", "creator_user_id"},
		{"GET", "/api/requests?airlock_manager=maybe", "", 422, "invalid", "airlock_manager"},
		{"GET", one + "/audit?format=xml", "", 422, "invalid", "format"},
		{"POST", requests, "", 422, "malformed", "body"},
		{"POST", requests, "{", 422, "malformed", "body"},
		{"POST", requests, "{} {", 422, "malformed", "body"},
		{"POST", requests, `{"type":"import"} x`, 422, "malformed", "body"},
		{"POST", requests, "{\"type\":\"import\",\"title\":\"\xff\"}", 422, "malformed", "body"},
		{"POST", requests, `{"type":"import","type":"export"}`, 422, "malformed", "body"},
		{"POST", requests, `{"type":"import","TYPE":"export"}`, 422, "malformed", "body"},
		{"POST", requests, `{"type":"import","properties":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, 422, "malformed", "body"},
		{"POST", requests, `null`, 422, "invalid", "body"},
		{"POST", requests, `[]`, 422, "invalid", "body"},
		{"POST", requests, `{}`, 422, "invalid", "body"},
		{"POST", requests, `{"type":"sideways"}`, 422, "invalid", "type"},
		{"POST", requests, `{"type":null}`, 422, "invalid", "type"},
		{"POST", requests, `{"type":"import","title":5}`, 422, "invalid", "title"},
		{"POST", requests, `{"type":"import","title":"` + strings.Repeat("é", 4001) + `"}`, 422, "invalid", "title"},
		{"POST", requests, `{"type":"import","businessJustification":["x"]}`, 422, "invalid", "businessJustification"},
		{"POST", requests, `{"type":"import","title":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too_large", ""},
		{"POST", one + "/review", `{}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"approval":null}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"approval":2}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"approval":"perhaps"}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"approval":[true]}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"approval":true,"decision":"approved"}`, 422, "invalid", "approval"},
		{"POST", one + "/review", `{"decision":"revoked"}`, 422, "invalid", "decision"},
		{"POST", one + "/review", `{"approval":true,"decisionExplanation":7}`, 422, "invalid", "decisionExplanation"},
		{"POST", one + "/revoke", ``, 422, "malformed", "body"},
		{"POST", one + "/revoke", `{}`, 422, "invalid", "body"},
		{"POST", one + "/revoke", `{"reason":null}`, 422, "invalid", "reason"},
		{"PUT", settingsAt, `{"members":{}}`, 422, "invalid", "members"},
		{"PUT", settingsAt, `{"members":[{"id":"x","roles":["TREAdmin"]}]}`, 422, "invalid", "members[0].roles[0]"},
		{"PUT", settingsAt, `{"draftLifetime":"P1M"}`, 422, "invalid", "draftLifetime"},
		{"PUT", settingsAt, `{"draftLifetime":30}`, 422, "invalid", "draftLifetime"},
		{"PUT", settingsAt, `{"maxFiles":99999999999999999999}`, 422, "invalid", "body"},
		{"PUT", settingsAt, `{"maxBytes":1e400}`, 422, "malformed", "body"},
		{"POST", one + "/review", `{"decision":"approved","round":1e30}`, 422, "invalid", "body"},
		{"PUT", settingsAt, `{"description":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", ""},
	} {
		e := newEdge(t)
		p := e.problem(e.do(request.method, request.target, request.body, "Authorization: Bearer admin"))
		field := ""
		if len(p.Errors) > 0 {
			field = p.Errors[0].Field
		}
		if p.Status != request.status || p.Code != request.code || field != request.field || p.Detail == "" || strings.Contains(p.Detail, "schema") || strings.Contains(p.Detail, "Go ") {
			t.Errorf("%s %s %.80s: %+v", request.method, request.target, request.body, p)
		}
		if got := e.calls(); got != "" {
			t.Errorf("%s %s %.80s: called %s", request.method, request.target, request.body, got)
		}
	}
}

// TestNoReviewDesktops checks the one operation of AzureTRE that this program leaves to the TRE.
func TestNoReviewDesktops(t *testing.T) {
	e := newEdge(t)
	for _, body := range []string{"", "{}", "not JSON"} {
		if p := e.problem(e.do("POST", one+"/review-user-resource", body, asResearcher)); p.Status != 501 || p.Code != "no_review_desktops" {
			t.Errorf("body %q: %+v", body, p)
		}
	}
}
