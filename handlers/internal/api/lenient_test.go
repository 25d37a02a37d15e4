package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
)

// TestLenientApproval sends an approval in every way that clients of AzureTRE may.
func TestLenientApproval(t *testing.T) {
	asManager := "Authorization: Bearer manager"
	for want, forms := range map[string]string{
		"approved": `true 1 1.0 "true" "True" "TRUE" "t" "T" "yes" "Yes" "y" "Y" "on" "ON" "1"`,
		"rejected": `false 0 0.0 -0 "false" "False" "FALSE" "f" "F" "no" "No" "n" "N" "off" "OFF" "0"`,
	} {
		for _, form := range strings.Fields(forms) {
			e := newEdge(t).expect("Review", aView(), nil)
			w := e.do("POST", one+"/review", `{"decisionExplanation":"E","approval":`+form+`}`, asManager)
			if got := e.calls(); w.Code != 200 || !strings.HasSuffix(got, "{Decision:"+want+" Explanation:E Round:0 Digest: Slot:}") {
				t.Errorf("%s: status %d, called %q: %s", form, w.Code, got, w.Body)
			}
		}
	}
}

// TestBooleansAreOneTable checks that the pattern in the document and the table that decides are the same.
func TestBooleansAreOneTable(t *testing.T) {
	schema := boolText("").Schema(nil)
	schema.PrecomputeMessages()
	accepts := func(s string) bool {
		result := &huma.ValidateResult{}
		huma.Validate(nil, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, s, result)
		return len(result.Errors) == 0
	}
	for word, value := range boolWords {
		for _, s := range []string{word, strings.ToUpper(word), strings.ToUpper(word[:1]) + word[1:]} {
			var l lenient
			if err := json.Unmarshal([]byte(`"`+s+`"`), &l); err != nil || bool(l) != value || boolText(s).or(!value) != value || !accepts(s) {
				t.Errorf("%s: %v %v", s, l, err)
			}
		}
	}
	for _, number := range []string{"2", "-1", "0.5", "1e999", "{}", "[1]"} {
		var l lenient
		if err := json.Unmarshal([]byte(number), &l); err == nil {
			t.Errorf("%s is taken for a boolean", number)
		}
	}
	for _, s := range []string{" true", "true ", "tru", "ye", "of", "2", "01", "nope", "truefalse"} {
		var l lenient
		if err := json.Unmarshal([]byte(`"`+s+`"`), &l); err == nil || accepts(s) {
			t.Errorf("%q is taken for a boolean", s)
		}
	}
}

// TestBodies sends bodies as clients of AzureTRE send them.
func TestBodies(t *testing.T) {
	const defaults = "Title:Airlock Request Justification:Business Justifications}"
	for body, call := range map[string]string{
		`{"type":"import"}`: "{Type:import " + defaults,
		`{"type":"export","title":null,"businessJustification":null}`: "{Type:export " + defaults,
		`{"type":"import","title":"","businessJustification":""}`:     "{Type:import Title: Justification:}",
		`{"type":"import","properties":{"a":[1]},"unknown":1}`:        "{Type:import " + defaults,
		` {"type":"import","title":"` + strings.Repeat("é", 4000) + `"} `: "{Type:import Title:" + strings.Repeat("é", 4000) +
			" Justification:Business Justifications}",
		`{"type":"import","properties":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`: "{Type:import " + defaults,
	} {
		for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "nonsense", ""} {
			e := newEdge(t).expect("Create", aNewRequest(), nil)
			w := e.do("POST", requests, body, asResearcher, "Content-Type: "+contentType)
			if got := e.calls(); w.Code != 201 || got != "Create "+researcher.ID+" "+workspaceID+" "+call {
				t.Errorf("%.80s as %q: status %d, called %.200q", body, contentType, w.Code, got)
			}
			if location := w.Header().Get("Location"); location != one {
				t.Errorf("Location %q", location)
			}
		}
	}
}

// TestActionsTakeAnyBody checks that submit, cancel and retry do not look at a body.
func TestActionsTakeAnyBody(t *testing.T) {
	for action, use := range map[string]string{"submit": "Submit", "cancel": "Cancel", "retry": "Retry"} {
		for _, body := range []string{"", "null", "{}", "{", "text", strings.Repeat("x", 70<<10)} {
			for _, contentType := range []string{"", "application/json", "multipart/form-data"} {
				e := newEdge(t).expect(use, aView(), nil)
				headers := []string{asResearcher, "Etag: "}
				if contentType != "" {
					headers = append(headers, "Content-Type: "+contentType)
				}
				if w := e.do("POST", one+"/"+action, body, headers...); w.Code != 200 {
					t.Errorf("%s with %.10q as %q: %d %s", action, body, contentType, w.Code, w.Body)
				}
			}
		}
	}
}

// TestReviewExplanations shows which explanation is stored where none was sent.
func TestReviewExplanations(t *testing.T) {
	for body, want := range map[string]string{
		`{"approval":true}`:                                       "{Decision:approved Explanation:Decision Explanation Round:0 Digest: Slot:}",
		`{"approval":false,"decisionExplanation":""}`:             "{Decision:rejected Explanation: Round:0 Digest: Slot:}",
		`{"decision":"changes_requested"}`:                        "{Decision:changes_requested Explanation: Round:0 Digest: Slot:}",
		`{"approval":null,"decision":"rejected","extra":{"a":1}}`: "{Decision:rejected Explanation: Round:0 Digest: Slot:}",
	} {
		e := newEdge(t).expect("Review", aView(), nil)
		w := e.do("POST", one+"/review", body, "Authorization: Bearer manager")
		if got := e.calls(); w.Code != 200 || !strings.HasSuffix(got, want) {
			t.Errorf("%s: status %d, called %q", body, w.Code, got)
		}
	}
}

// TestIDs checks that ids come in any case and any version, and arrive in lower case.
func TestIDs(t *testing.T) {
	for _, id := range []string{requestID, strings.ToUpper(requestID), "00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-1fff-0fff-ffffffffffff"} {
		e := newEdge(t).expect("Request", aView(), nil)
		w := e.do("GET", "/api/workspaces/"+strings.ToUpper(workspaceID)+"/requests/"+id, "", asResearcher)
		if got := e.calls(); w.Code != 200 || got != "Request "+researcher.ID+" "+workspaceID+" "+strings.ToLower(id) {
			t.Errorf("%s: status %d, called %q", id, w.Code, got)
		}
	}
}

// TestListQueries shows how queries arrive, and what the next page's query is.
func TestListQueries(t *testing.T) {
	for query, want := range map[string]string{
		"": "{Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}",
		"?type=&status=&order_by=updatedWhen&order_ascending=false": "{Status: Type: Creator: OrderBy:updatedWhen Ascending:false Limit:0 Cursor:}",
		"?order_by=createdTime": "{Status: Type: Creator: OrderBy:createdWhen Ascending:true Limit:0 Cursor:}",
		"?order_by=createdWhen": "{Status: Type: Creator: OrderBy:createdWhen Ascending:true Limit:0 Cursor:}",
		"?order_by=type":        "{Status: Type: Creator: OrderBy:type Ascending:true Limit:0 Cursor:}",
		"?order_by=status":      "{Status: Type: Creator: OrderBy:status Ascending:true Limit:0 Cursor:}",
		"?order_by=title":       "{Status: Type: Creator: OrderBy:title Ascending:true Limit:0 Cursor:}",
		"?order_by=id%20ASC--":  "{Status: Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}",
		"?status=blocked":       "{Status:blocked_by_scan Type: Creator: OrderBy: Ascending:true Limit:0 Cursor:}",
		"?status=in_review&type=export&creator_user_id=u&limit=1000&cursor=a%2Fb": "{Status:in_review Type:export Creator:u OrderBy: Ascending:true Limit:1000 Cursor:a/b}",
		"?order_ascending=OFF&unknown=1":                                          "{Status: Type: Creator: OrderBy: Ascending:false Limit:0 Cursor:}",
	} {
		e := newEdge(t).expect("Requests", airlock.Views{Next: "c/d~"}, nil).expect("Mine", airlock.Views{Next: "c/d~"}, nil)
		for path, call := range map[string]string{requests: "Requests " + researcher.ID + " " + workspaceID + " " + want, "/api/requests": "Mine " + researcher.ID + " false " + strings.Replace(want, "Creator:u", "Creator:", 1)} {
			w := e.do("GET", path+query, "", asResearcher)
			if got := e.calls(); w.Code != 200 || got != call {
				t.Errorf("%s%s: status %d, called %q, want %q", path, query, w.Code, got, call)
			}
			link, ok := strings.CutSuffix(strings.TrimPrefix(w.Header().Get("Link"), "<"), `>; rel="next"`)
			next, err := url.Parse(link)
			if !ok || err != nil || next.Path != path || next.Query().Get("cursor") != "c/d~" {
				t.Fatalf("%s%s: Link %q", path, query, w.Header().Get("Link"))
			}
			if w := e.do("GET", link, "", asResearcher); w.Code != 200 {
				t.Errorf("%s: %d", link, w.Code)
			}
			asked, _ := url.ParseQuery(strings.TrimPrefix(query, "?"))
			asked.Set("cursor", "c/d~")
			for name, values := range asked {
				known := name != "unknown" && values[0] != "" && (name != "creator_user_id" || path == requests)
				if got := next.Query().Get(name); known && got != values[0] {
					t.Errorf("%s%s: the next page has %s=%q", path, query, name, got)
				}
			}
			e.calls()
		}
	}
}
