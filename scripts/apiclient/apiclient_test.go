package apiclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"airlock/scripts/apiclient"
)

// serve answers as handle says, and returns a client of it for a workspace whose id needs escaping.
func serve(t *testing.T, handle http.HandlerFunc) *apiclient.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return &apiclient.Client{
		HTTP: server.Client(), App: server.URL, Workspace: "heart/study",
		Token: func(who string) (string, error) { return "token of " + who, nil },
	}
}

// TestWhatIsSentAndRead: every method sends the one request that it stands for, and reads the answer to it.
func TestWhatIsSentAndRead(t *testing.T) {
	const one = `{"airlockRequest":{"id":"7","status":"draft","statusMessage":null,"resourceVersion":3,"manifestDigest":"d","reviews":[{"id":"r"}]}}`
	const request = "{7 draft  3 d [{r}]}"
	for _, test := range []struct {
		name, answer, got string
		call              func(context.Context, *apiclient.Client) (any, error)
		want              string
	}{
		{"create", one, `POST /api/workspaces/heart%2Fstudy/requests {"type":"import","title":"A","businessJustification":"B"}`,
			func(ctx context.Context, c *apiclient.Client) (any, error) {
				return c.Create(ctx, "ada", apiclient.NewRequest{Type: "import", Title: "A", Justification: "B"})
			}, request},
		{"review", one, `POST /api/workspaces/heart%2Fstudy/requests/7/review {"decision":"approved","decisionExplanation":"Fine"}`,
			func(ctx context.Context, c *apiclient.Client) (any, error) {
				return c.Act(ctx, "ada", "7", "review", apiclient.Review{Decision: "approved", Explanation: "Fine"})
			}, request},
		{"act without a body", one, `POST /api/workspaces/heart%2Fstudy/requests/7/submit `,
			func(ctx context.Context, c *apiclient.Client) (any, error) {
				return c.Act(ctx, "ada", "7", "submit", nil)
			}, request},
		{"get", one, `GET /api/workspaces/heart%2Fstudy/requests/7 `,
			func(ctx context.Context, c *apiclient.Client) (any, error) { return c.Get(ctx, "ada", "7") }, request},
		{"link", `{"containerUrl":"https://x"}`, `GET /api/workspaces/heart%2Fstudy/requests/7/link `,
			func(ctx context.Context, c *apiclient.Client) (any, error) { return c.Link(ctx, "ada", "7") }, "https://x"},
		{"files", `{"files":[{"name":"a","size":2,"sha256":null}]}`, `GET /api/workspaces/heart%2Fstudy/requests/7/files `,
			func(ctx context.Context, c *apiclient.Client) (any, error) { return c.Files(ctx, "ada", "7") }, "[{a 2 }]"},
		{"trail", `{"records":[{"what":"create","to":"draft","who":"w","trace":"t"}],"intact":true}`, `GET /api/workspaces/heart%2Fstudy/requests/7/audit `,
			func(ctx context.Context, c *apiclient.Client) (any, error) {
				records, intact, err := c.Trail(ctx, "ada", "7")
				return fmt.Sprint(records, intact), err
			}, "[{create  draft w t}] true"},
		{"an answer that nobody wants", "no JSON", `GET /api/workspaces/heart%2Fstudy/airlock `,
			func(ctx context.Context, c *apiclient.Client) (any, error) {
				return nil, c.Call(ctx, "ada", http.MethodGet, "/airlock", nil, nil)
			}, "<nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, header := "", http.Header{}
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // what is missing is seen below
				got += r.Method + " " + r.URL.EscapedPath() + " " + string(body)
				header = r.Header
				fmt.Fprint(w, test.answer)
			})
			answer, err := test.call(t.Context(), c)
			if err != nil || fmt.Sprint(answer) != test.want || got != test.got {
				t.Errorf("sent %s, read %v, %v", got, answer, err)
			}
			if header.Get("Authorization") != "Bearer token of ada" || header.Values("x-ms-client-request-id") != nil {
				t.Errorf("headers %v", header)
			}
			if kind := header.Get("Content-Type"); (kind == "application/json") != strings.HasSuffix(test.got, "}") {
				t.Errorf("content type %q", kind)
			}
		})
	}
}

func TestTraceAndHealth(t *testing.T) {
	var headers []http.Header
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header)
		if r.URL.Path != "/api/health" {
			fmt.Fprint(w, "{}")
		}
	})
	traced := *c
	traced.Trace = "abc"
	if _, err := traced.Get(t.Context(), "ada", "7"); err != nil || headers[0].Get("x-ms-client-request-id") != "abc" {
		t.Errorf("%v, %v", headers, err)
	}
	if err := c.Health(t.Context()); err != nil || headers[1].Get("Authorization") != "" {
		t.Errorf("%v, %v", headers, err)
	}
}

// TestWhatFails: only an answer of the API is a refusal. After anything else nobody knows whether it was done.
func TestWhatFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle http.HandlerFunc
		status int // of the refusal; 0: it is none
		says   string
	}{
		{"a rule", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintln(w, `{"code":"not_the_requester"}`)
		}, 409, `POST /api/workspaces/heart/study/requests/7/submit as ada: status 409: {"code":"not_the_requester"}`},
		{"a host in between", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 502, "status 502"},
		{"an answer that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "{}")
		}, 0, "unexpected EOF"},
		{"a refusal that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(http.StatusConflict)
		}, 0, "unexpected EOF"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, 0, "the answer: invalid character"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := serve(t, test.handle).Act(t.Context(), "ada", "7", "submit", nil)
			var r *apiclient.Refusal
			if errors.As(err, &r) != (test.status != 0) || r != nil && r.Status != test.status {
				t.Errorf("%v", err)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "token") {
				t.Errorf("it says %v", err)
			}
		})
	}
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it calls without a token") })
	c.Token = func(string) (string, error) { return "", errors.New("nobody") }
	if _, err := c.Get(t.Context(), "ada", "7"); err == nil || err.Error() != "nobody" {
		t.Error(err)
	}
}

// TestConfigure: settings are changed only as they were read, and what nobody changes stays.
func TestConfigure(t *testing.T) {
	etag := "1"
	var put map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", "1")
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"a":1,"b":2}`)
		} else if r.Header.Get("If-Match") != etag {
			w.WriteHeader(http.StatusPreconditionFailed)
		} else if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
			t.Error(err)
		}
	})
	change := func(settings map[string]any) { settings["b"] = 3 }
	if err := c.Configure(t.Context(), "tara", change); err != nil || fmt.Sprint(put) != "map[a:1 b:3]" {
		t.Errorf("%v, %v", put, err)
	}
	etag = "2"
	var r *apiclient.Refusal
	if err := c.Configure(t.Context(), "tara", change); !errors.As(err, &r) || r.Status != http.StatusPreconditionFailed {
		t.Error(err)
	}
}

// TestAwait: it waits as long as it is the system's turn, and no longer.
func TestAwait(t *testing.T) {
	for _, test := range []struct {
		statuses string // one after the other; the last one stays
		want     string // status; empty: an error
		longest  time.Duration
		says     string
	}{
		{"in_review", "in_review", 0, ""},
		{"submitted submitted in_review", "in_review", time.Minute, ""},
		{"submitted failed", "failed", time.Minute, ""},
		{"submitted failed", "in_review", time.Minute, "request 7 became failed, not in_review: told"},
		{"submitted blocking_in_progress blocked_by_scan", "in_review", time.Minute, "became blocked_by_scan"},
		{"approval_in_progress approved", "rejected", time.Minute, "became approved"},
		{"strange", "in_review", time.Minute, "became strange"},
		{"submitted", "in_review", 5 * time.Millisecond, "request 7 is still submitted after 5ms, not in_review: told"},
		{"500", "in_review", time.Minute, "status 500"},
	} {
		t.Run(test.statuses+" for "+test.want, func(t *testing.T) {
			left := strings.Fields(test.statuses)
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if left[0] == "500" {
					w.WriteHeader(http.StatusInternalServerError)
				}
				fmt.Fprintf(w, `{"airlockRequest":{"status":%q,"statusMessage":"told"}}`, left[0])
				left = left[min(1, len(left)-1):]
			})
			r, err := c.Await(t.Context(), "ada", "7", test.want, time.Millisecond, test.longest)
			if test.says == "" && (err != nil || r.Status != test.want) {
				t.Errorf("%v, %v", r, err)
			}
			if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"airlockRequest":{"status":"submitted"}}`)
	})
	tries := 0
	err := apiclient.Eventually(ctx, time.Hour, time.Hour, func() error {
		tries++
		if _, err := c.Get(ctx, "ada", "7"); err != nil {
			t.Error(err)
		}
		cancel(why)
		return errors.New("not yet")
	})
	if err == nil || err.Error() != "not yet" || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"airlockRequest":{"status":"submitted"}}`)
		time.AfterFunc(20*time.Millisecond, func() { cancel(why) }) // while it waits for its next look
	})
	if _, err := c.Await(ctx, "ada", "7", "in_review", time.Hour, time.Hour); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEventually(t *testing.T) {
	left := 3
	try := func() error {
		if left--; left > 0 {
			return fmt.Errorf("%d left", left)
		}
		return nil
	}
	if err := apiclient.Eventually(t.Context(), time.Microsecond, time.Minute, try); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
	left = 1 << 30
	if err := apiclient.Eventually(t.Context(), time.Millisecond, 5*time.Millisecond, try); err == nil || !strings.Contains(err.Error(), "left") {
		t.Error(err)
	}
}
