package localazure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/jsonschema"
	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
	"airlock/scripts/watch"
)

// ear hears the notices of one subscription, and holds each against the schema of its type.
type ear struct {
	t       *testing.T
	schemas jsonschema.Folder
	mu      sync.Mutex
	notices []watch.Notice
}

// listen starts a subscriber that ends with the test.
func listen(t *testing.T, a *localazure.Azure, subscription string) *ear {
	t.Helper()
	schemas, err := jsonschema.Load(os.DirFS(filepath.Join("..", "..", "handlers", "internal", "busqueue", "schema", "v1")))
	if err != nil {
		t.Fatal(err)
	}
	client, err := azservicebus.NewClientFromConnectionString(a.Bus.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{t: t, schemas: schemas}
	s := &watch.Subscriber{Client: client, Topic: localazure.NoticeTopic, Subscription: subscription, Heard: e.hear,
		Problem: func(err error) { t.Log(err) }}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.Close(closing); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *ear) hear(_ context.Context, n watch.Notice) error {
	s := e.schemas[n.Data.EventType+".json"]
	if s == nil {
		e.t.Errorf("notice %s is of the type %q", n.ID, n.Data.EventType)
		return nil
	}
	undescribed, err := s.Undescribed(n.Body)
	if err := errors.Join(err, s.Validate(n.Body)); err != nil || len(undescribed) > 0 {
		e.t.Errorf("notice %s does not fit its schema: %v, %v", n.ID, err, undescribed)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notices = append(e.notices, n)
	return nil
}

// of returns what was heard of a request, in order.
func (e *ear) of(request string) (told []localazure.Telling) {
	for _, n := range e.all() {
		if n.Data.Request.ID == request {
			told = append(told, localazure.Telling{What: n.What(), Audience: n.Data.Audience})
		}
	}
	return told
}

func (e *ear) all() []watch.Notice {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.notices)
}

// life brings a request to an end, all by events.
type life struct {
	name string
	play func(t *testing.T, a *localazure.Azure, w localazure.Workspace) (id string)
}

func submitted(t *testing.T, a *localazure.Azure, w localazure.Workspace, content, want string) string {
	t.Helper()
	ada := as(t, a, "ada", w)
	id := ada.request("import")
	ada.upload(id, "a.txt", content)
	must(t, ada, id, "submit", "")
	eventually(t, "it is "+want, func() bool { return ada.status(id) == want })
	return id
}

func must(t *testing.T, c client, id, action, body string) {
	t.Helper()
	if status, answer := c.call(http.MethodPost, "/"+id+"/"+action, body); status != http.StatusOK {
		t.Fatalf("%s: %d %s", action, status, answer)
	}
}

func reviewed(decision, end string) func(*testing.T, *localazure.Azure, localazure.Workspace) string {
	return func(t *testing.T, a *localazure.Azure, w localazure.Workspace) string {
		id := submitted(t, a, w, "1", "in_review")
		mia := as(t, a, "mia", w)
		must(t, mia, id, "review", `{"decision":"`+decision+`","decisionExplanation":"because"}`)
		eventually(t, "it is "+end, func() bool { return mia.status(id) == end })
		return id
	}
}

var lives = []life{
	{"approved", reviewed("approved", "approved")},
	{"rejected", reviewed("rejected", "rejected")},
	{"returned", reviewed("changes_requested", "draft")},
	{"blocked", func(t *testing.T, a *localazure.Azure, w localazure.Workspace) string {
		return submitted(t, a, w, string(defender.EICAR()), "blocked_by_scan")
	}},
	{"cancelled", func(t *testing.T, a *localazure.Azure, w localazure.Workspace) string {
		ada := as(t, a, "ada", w)
		id := ada.request("export")
		must(t, ada, id, "cancel", "")
		return id
	}},
	{"left lying", func(t *testing.T, a *localazure.Azure, w localazure.Workspace) string {
		return submitted(t, a, w, "1", "in_review")
	}},
}

// TestNoticesOfARunWithATopicThatIsDown plays every life twice, the second time while the topic takes nothing. Requests go
// on all the same, and in the end nothing is missing and nothing doubled: neither for a subscriber, nor for the readers of
// mails. A review that nobody gives is reminded of, and then escalated.
func TestNoticesOfARunWithATopicThatIsDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	a, err := localazure.Start(ctx, localazure.Options{Mail: true, Dist: dist, Sweep: time.Second, Settings: map[string]string{
		"AIRLOCK_REMIND_AFTER": "2s", "AIRLOCK_ESCALATE_AFTER": "4s", "AIRLOCK_SWEEP_GRACE": "1s", "AIRLOCK_RETRY_LONGEST": "1s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	everything, desk := listen(t, a, localazure.WatchList), listen(t, a, localazure.ReviewDesk)
	w := a.Workspaces[0]
	var ids []string
	for _, l := range lives {
		ids = append(ids, l.play(t, a, w))
	}
	heardBefore := func() int { return len(everything.all()) }
	eventually(t, "something is heard", func() bool { return heardBefore() > 0 })
	if err := a.Bus.SetSendDisabled(ctx, localazure.NoticeTopic, true); err != nil {
		t.Fatal(err)
	}
	down := len(ids)
	for _, l := range lives {
		ids = append(ids, l.play(t, a, w))
	}
	for _, id := range ids[down:] {
		if told := everything.of(id); len(told) > 0 {
			t.Fatalf("the topic is down, and yet %v was heard", told)
		}
	}
	if err := a.Bus.SetSendDisabled(ctx, localazure.NoticeTopic, false); err != nil {
		t.Fatal(err)
	}

	for i, id := range ids {
		name := lives[i%len(lives)].name
		var due []localazure.Telling
		eventually(t, fmt.Sprintf("all of %q is told", name), func() bool {
			if due, err = a.Tellings(ctx, w, id); err != nil {
				t.Fatal(err)
			}
			lies := name == "left lying" && !slices.Contains(due, localazure.Telling{What: "review_escalation", Audience: "owners"})
			return !lies && len(everything.of(id)) >= len(due)
		})
		if told := everything.of(id); !slices.Equal(told, due) {
			t.Errorf("%s: told\n  %v\nits trail asks for\n  %v", name, told, due)
		}
	}
	mailsMatch(t, a, everything)
	var reviewers []string
	for _, n := range everything.all() {
		if n.Data.Audience == "reviewers" {
			reviewers = append(reviewers, n.ID)
		}
	}
	eventually(t, "the review desk has heard all of its own", func() bool { return len(desk.all()) >= len(reviewers) })
	for _, n := range desk.all() {
		if !slices.Contains(reviewers, n.ID) {
			t.Errorf("the filter of the review desk let %s pass", n.ID)
		}
	}
}

// mailsMatch: each recipient of each notice has one mail.
func mailsMatch(t *testing.T, a *localazure.Azure, heard *ear) {
	t.Helper()
	want := map[string]int{}
	total := 0
	for _, n := range heard.all() {
		for _, to := range n.Data.Recipients {
			want[to]++
			total++
		}
	}
	eventually(t, "every mail is there", func() bool { return len(a.Mailbox.Mails()) >= total })
	stats, err := a.Bus.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := stats[localazure.NoticeTopic+"/Subscriptions/"+localazure.MailingList]; s.DeadLettered > 0 {
		t.Errorf("%d notices could not be mailed", s.DeadLettered)
	}
	got := map[string]int{}
	for _, m := range a.Mailbox.Mails() {
		if len(m.To) != 1 {
			t.Errorf("%q went to %v at once", m.Subject, m.To)
		}
		got[m.To[0]]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || total == 0 {
		t.Errorf("mails by recipient: %v, want %v", got, want)
	}
}

// TestLocationInTheNotice asks for locations in a workspace: the link works, and stands in the audit trail.
func TestLocationInTheNotice(t *testing.T) {
	w := azure.Workspaces[1]
	settings := func(include bool) {
		err := azure.Client(w).Configure(context.Background(), "tara", func(settings map[string]any) { settings["includeLocationInNotice"] = include })
		if err != nil {
			t.Fatal(err)
		}
	}
	settings(true)
	t.Cleanup(func() { settings(false) })
	e := listen(t, azure, localazure.WatchList)
	id := reviewed("approved", "approved")(t, azure, w)
	last := localazure.Telling{What: "approved", Audience: "requester"}
	eventually(t, "the approval is told", func() bool { return slices.Contains(e.of(id), last) })
	located := 0
	for _, n := range e.all() {
		var m struct {
			Data struct {
				Location *struct {
					URL string `json:"container_url"`
				}
			}
		}
		if err := json.Unmarshal(n.Body, &m); err != nil {
			t.Fatal(err)
		}
		if n.Data.Request.ID != id || m.Data.Location == nil {
			continue
		}
		located++
		if n.What() != last.What {
			t.Errorf("a location in the notice of %s", n.What())
		}
		folder, err := container.NewClientWithNoCredential(m.Data.Location.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		page, err := folder.NewListBlobsFlatPager(nil).NextPage(t.Context())
		if err != nil || len(page.Segment.BlobItems) != 1 || *page.Segment.BlobItems[0].Name != "a.txt" {
			t.Errorf("the location holds %+v, %v", page.Segment, err)
		}
	}
	if located != 1 {
		t.Errorf("%d notices with a location", located)
	}
	_, trail := as(t, azure, "olga", w).call(http.MethodGet, "/"+id+"/audit", "")
	if !strings.Contains(trail, "in the notice to") || strings.Contains(trail, "sig=") {
		t.Errorf("the trail is %s", trail)
	}
}
