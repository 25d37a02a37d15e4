package localazure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
	"airlock/scripts/localazure/entraid"
	"airlock/scripts/localazure/eventgrid"
	"airlock/scripts/localazure/storage"
)

// azure is one local Azure for all tests of this package; the handler in it is the real one, packaged once into dist.
var (
	azure *localazure.Azure
	dist  string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dist)
	defer azure.Stop()
	return m.Run()
}

func start(ctx context.Context) (err error) {
	if dist, err = os.MkdirTemp("", "airlock-dist-"); err != nil {
		return err
	}
	if err = localazure.Package(ctx, filepath.Join("..", ".."), dist); err != nil {
		return err
	}
	azure, err = localazure.Start(ctx, localazure.Options{Sweep: -1, Dist: dist})
	return err
}

// client is somebody who calls the API.
type client struct {
	t     *testing.T
	azure *localazure.Azure
	token string
	w     localazure.Workspace
}

func as(t *testing.T, a *localazure.Azure, login string, w localazure.Workspace) client {
	t.Helper()
	token, err := a.Token(login, w)
	if err != nil {
		t.Fatal(err)
	}
	return client{t, a, token, w}
}

// call sends a request below the workspace's requests and returns the status and the body.
func (c client) call(method, path, body string) (int, string) {
	c.t.Helper()
	return c.url(method, c.azure.Host.URL()+"/api/workspaces/"+c.w.ID+"/requests"+path, body)
}

func (c client) url(method, address, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// request makes a request and returns its id.
func (c client) request(direction string) string {
	c.t.Helper()
	status, body := c.call(http.MethodPost, "", `{"type":"`+direction+`","businessJustification":"test"}`)
	var answer struct {
		Request struct{ ID, Status string } `json:"airlockRequest"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusCreated {
		c.t.Fatalf("create: %d %s", status, body)
	}
	return answer.Request.ID
}

func (c client) status(id string) string {
	c.t.Helper()
	_, body := c.call(http.MethodGet, "/"+id, "")
	var answer struct {
		Request struct{ Status string } `json:"airlockRequest"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		c.t.Fatal(err, body)
	}
	return answer.Request.Status
}

func (c client) link(id string) string {
	c.t.Helper()
	status, body := c.call(http.MethodGet, "/"+id+"/link", "")
	var answer struct{ ContainerURL string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		c.t.Fatalf("link: %d %s", status, body)
	}
	return answer.ContainerURL
}

func (c client) upload(id, name, content string) {
	c.t.Helper()
	folder, err := container.NewClientWithNoCredential(c.link(id), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := folder.NewBlockBlobClient(name).UploadBuffer(c.t.Context(), []byte(content), nil); err != nil {
		c.t.Fatal(err)
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it never came to be: %s", what)
		case <-tick.C:
		}
	}
}

func TestBadInputIsAClear4xx(t *testing.T) {
	ada := as(t, azure, "ada", azure.Workspaces[0])
	id := ada.request("import")
	elsewhere := as(t, azure, "ada", azure.Workspaces[1]).request("import")
	for _, test := range []struct {
		name, method, path, body string
		want                     int
		says                     string
	}{
		{"no files", http.MethodPost, "/" + id + "/submit", "", 409, "no files"},
		{"an unknown id", http.MethodGet, "/00000000-0000-7000-8000-000000000000", "", 404, "Airlock request does not exist"},
		{"an id of another workspace", http.MethodGet, "/" + elsewhere, "", 404, "Airlock request does not exist"},
		{"an id that is none", http.MethodGet, "/not-an-id", "", 422, ""},
		{"a way around", http.MethodGet, "/..%2f" + id, "", 404, ""},
		{"malformed JSON", http.MethodPost, "", `{"type":`, 422, ""},
		{"a wrong type", http.MethodPost, "", `{"type":7}`, 422, ""},
		{"an unknown direction", http.MethodPost, "", `{"type":"sideways"}`, 422, ""},
		{"an oversized body", http.MethodPost, "", `{"type":"import","title":"` + strings.Repeat("x", 100<<10) + `"}`, 413, ""},
		{"a review of a draft", http.MethodPost, "/" + id + "/review", `{"approval":true}`, 400, "illegal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := ada.call(test.method, test.path, test.body)
			if status != test.want || !strings.Contains(body, test.says) {
				t.Errorf("got %d %s, want %d with %q", status, body, test.want, test.says)
			}
		})
	}
	if got := ada.status(id); got != "draft" {
		t.Errorf("the request is %s", got)
	}
}

func TestTokensOfOthersOpenNothing(t *testing.T) {
	w := azure.Workspaces[0]
	id := as(t, azure, "ada", w).request("import")
	for _, fault := range entraid.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			token, err := azure.Entra.Token("ada", entraid.TokenOptions{Audience: w.Audience(), Fault: fault})
			if err != nil {
				t.Fatal(err)
			}
			if status, body := (client{t, azure, token, w}).call(http.MethodGet, "/"+id, ""); status != http.StatusUnauthorized {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	other, err := azure.Token("ada", azure.Workspaces[1])
	if err != nil {
		t.Fatal(err)
	}
	if status, body := (client{t, azure, other, w}).call(http.MethodGet, "/"+id, ""); status != http.StatusUnauthorized {
		t.Errorf("a token of another workspace: %d %s", status, body)
	}
}

// TestTriggersCannotBeReachedFromOutside sends what the host sends, with every trick about the path, to the public
// address. Nothing of it may run a trigger.
func TestTriggersCannotBeReachedFromOutside(t *testing.T) {
	host, err := url.Parse(azure.Host.URL())
	if err != nil {
		t.Fatal(err)
	}
	invocations := func() int {
		n := 0
		for _, name := range []string{"StatusChanged", "BlobCreated", "ScanResult", "Sweep"} {
			n += azure.Host.Stats()[name].Invocations
		}
		return n
	}
	eventually(t, "the requests of other tests are at rest", func() bool {
		before := invocations()
		return azure.Grid.Idle(t.Context()) == nil && before == invocations()
	})
	before := invocations()
	for _, target := range []string{
		"/StatusChanged", "/Sweep", "/api/../StatusChanged", "/api/%2e%2e/StatusChanged", "/api/%252e%252e/StatusChanged", "/api/..%2fSweep",
		"//StatusChanged", "/./StatusChanged", "/api/./../Sweep", "/api//../Sweep", `/api/..\Sweep`, "/%53weep", "/api/..;/Sweep", "/Sweep/", "/Sweep?x=1",
		"http://" + host.Host + "/Sweep", "/API/../Sweep", "/api/\u2025/Sweep",
	} {
		for _, method := range []string{"POST", "post", "GET", "OPTIONS", "TRACE", "SWEEP"} {
			status := raw(t, host.Host, method+" "+target+" HTTP/1.1\r\nHost: "+host.Host+
				"\r\nUser-Agent: Azure-Functions-Host/4.0\r\nX-Azure-Functions-InvocationId: x\r\nContent-Type: application/json\r\n"+
				"Connection: close\r\nContent-Length: 38\r\n\r\n"+`{"Data":{"timer":{"IsPastDue":false}}}`)
			if status >= 300 && status < 400 || status < 200 {
				t.Errorf("%s %s: %d", method, target, status)
			}
		}
	}
	if after := invocations(); after != before {
		t.Errorf("%d triggers ran", after-before)
	}
}

// raw sends bytes as they are and returns the status of the answer.
func raw(t *testing.T, address, request string) int {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var major, minor, status int
	if _, err := fmt.Fscanf(conn, "HTTP/%d.%d %d", &major, &minor, &status); err != nil {
		t.Fatalf("%q: %v", request[:strings.Index(request, "\r")], err)
	}
	return status
}

func TestUndecodableMessagesAreDeadLettered(t *testing.T) {
	bus, err := azservicebus.NewClientFromConnectionString(azure.Bus.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close(context.Background())
	sender, err := bus.NewSender(localazure.StatusQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := azure.Bus.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bodies := []string{"", "not JSON", `{"workspaceId":7}`, `{"requestId":"../../x","workspaceId":"y"}`, "[]"}
	for _, body := range bodies {
		if err := sender.SendMessage(t.Context(), &azservicebus.Message{Body: []byte(body)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are in the dead-letter queue", func() bool {
		now, err := azure.Bus.Stats(t.Context())
		return err == nil && now[localazure.StatusQueue].DeadLettered == before[localazure.StatusQueue].DeadLettered+len(bodies)
	})
	ada := as(t, azure, "ada", azure.Workspaces[1])
	id := ada.request("import")
	ada.upload(id, "a", "1")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatal(status, body)
	}
	eventually(t, "the queue goes on", func() bool { return ada.status(id) == "in_review" })
}

// TestForgedScanResultChangesNothing plays somebody who can post to the topic of scan results, but not write tags.
func TestForgedScanResultChangesNothing(t *testing.T) {
	ada := as(t, azure, "ada", azure.Workspaces[0])
	restore := azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == "forged" }, defender.Behavior{Silent: true})
	defer restore()
	id := ada.request("import")
	ada.upload(id, "forged", "1")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatal(status, body)
	}
	etag := ""
	eventually(t, "the file is sealed", func() bool {
		reader, tag, err := azure.Storage.Open(t.Context(), "stalimip"+localazure.TREID, id, "forged")
		if err != nil {
			return false
		}
		reader.Close()
		etag = strings.Trim(string(tag), `"`)
		return true
	})
	before := azure.Host.Stats()["ScanResult"].Invocations
	for i, result := range []string{"No threats found", "Malicious"} {
		data, err := json.Marshal(map[string]any{
			"blobUri": "https://stalimip" + localazure.TREID + ".blob." + azure.Storage.Suffix() + "/" + id + "/forged", "eTag": etag,
			"scanResultType": result, "scanFinishedTimeUtc": "2026-01-01T00:00:00Z",
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := azure.Grid.Publish(eventgrid.Event{
			ID: fmt.Sprint("forged-", i), Topic: storage.TopicPrefix + "x", Subject: "s", EventType: "Microsoft.Security.MalwareScanningResult",
			EventTime: time.Now(), Data: data,
		}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are heard", func() bool { return azure.Host.Stats()["ScanResult"].Invocations >= before+2 })
	if err := azure.Grid.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ada.status(id); got != "submitted" {
		t.Errorf("the request is %s", got)
	}
	if status, body := ada.call(http.MethodGet, "/"+id+"/link", ""); status != http.StatusBadRequest {
		t.Errorf("a link while it is sealed: %d %s", status, body)
	}
}

// TestEverythingSurvivesARestart starts an Azure on a folder, stops it in the middle of a request, and goes on.
func TestEverythingSurvivesARestart(t *testing.T) {
	o := localazure.Options{DataDir: filepath.Join(t.TempDir(), "data"), Sweep: -1, Dist: dist}
	start := func() *localazure.Azure {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		a, err := localazure.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := start()
	ada := as(t, first, "ada", first.Workspaces[1])
	id := ada.request("export")
	ada.upload(id, "kept.txt", "kept")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatal(status, body)
	}
	first.Stop()
	again := start()
	defer again.Stop()
	mia := as(t, again, "mia", again.Workspaces[1])
	eventually(t, "the request went on where it was", func() bool { return mia.status(id) == "in_review" })
	if status, body := mia.call(http.MethodPost, "/"+id+"/review", `{"approval":"True"}`); status != http.StatusOK {
		t.Fatal(status, body)
	}
	eventually(t, "it is approved", func() bool { return mia.status(id) == "approved" })
	reader, _, err := again.Storage.Open(t.Context(), "stalexapp"+localazure.TREID, id, "kept.txt")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err := errors.Join(err, reader.Close()); err != nil || string(content) != "kept" {
		t.Errorf("got %q, %v", content, err)
	}
}
