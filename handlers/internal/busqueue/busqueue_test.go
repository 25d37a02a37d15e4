package busqueue_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/busqueue"
	"airlock/scripts/localazure/servicebus"
)

var (
	_ airlock.Queue     = (*busqueue.Bus)(nil)
	_ airlock.Announcer = (*busqueue.Bus)(nil)
)

const (
	queueName = "airlock-status-changed"
	topicName = "airlock-notifications"
	mails     = "mails"
)

// patience is how long a test waits for a message.
const patience = 30 * time.Second

// bus is a broker of the test's own, and a Bus on it.
type bus struct {
	*busqueue.Bus
	broker *servicebus.Broker
	client *azservicebus.Client // of whoever receives
}

func start(t *testing.T) *bus {
	t.Helper()
	broker, err := servicebus.Start(t.Context(), servicebus.Options{
		Queues:   []servicebus.Queue{{Name: queueName, DuplicateDetectionWindow: 10 * time.Minute}},
		Topics:   []servicebus.Topic{{Name: topicName, DuplicateDetectionWindow: 10 * time.Minute, Subscriptions: []servicebus.Subscription{{Name: mails}}}},
		DataFile: filepath.Join(t.TempDir(), "messages"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := &bus{broker: broker}
	if b.Bus, err = busqueue.New(busqueue.Options{ConnectionString: broker.ConnectionString(), Queue: queueName, Topic: topicName}); err != nil {
		t.Fatal(err)
	}
	if b.client, err = azservicebus.NewClientFromConnectionString(broker.ConnectionString(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(b.Close(ctx), b.client.Close(ctx)); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// receive takes the next message of the queue, or of the subscription.
func (b *bus) receive(t *testing.T, fromTopic bool) *azservicebus.ReceivedMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options := &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete}
	r, err := b.client.NewReceiverForQueue(queueName, options)
	if fromTopic {
		r, err = b.client.NewReceiverForSubscription(topicName, mails, options)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(ctx)
	messages, err := r.ReceiveMessages(ctx, 1, nil)
	if err != nil || len(messages) != 1 {
		t.Fatalf("received %d messages, %v", len(messages), err)
	}
	return messages[0]
}

func (b *bus) stats(t *testing.T, entity string) servicebus.EntityStats {
	t.Helper()
	stats, err := b.broker.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats[entity]
}

var aNudge = airlock.Nudge{Workspace: "ws-1", Request: aRequest, Key: aRequest + "-7"}

func TestNudge(t *testing.T) {
	b := start(t)
	if err := b.Nudge(t.Context(), aNudge, 0); err != nil {
		t.Fatal(err)
	}
	m := b.receive(t, false)
	if want := `{"workspaceId":"ws-1","requestId":"` + aRequest + `"}`; string(m.Body) != want {
		t.Errorf("body %s, want %s", m.Body, want)
	}
	if m.MessageID != aNudge.Key || m.ContentType == nil || *m.ContentType != "application/json" {
		t.Errorf("message id %q, content type %v", m.MessageID, m.ContentType)
	}
	if n, err := busqueue.Decode(m.Body); err != nil || n.Workspace != "ws-1" || n.Request != aRequest {
		t.Errorf("decoded as %+v, %v", n, err)
	}
}

func TestNudgeLater(t *testing.T) {
	b := start(t)
	const after = 1500 * time.Millisecond
	sent := time.Now()
	if err := b.Nudge(t.Context(), aNudge, after); err != nil {
		t.Fatal(err)
	}
	if s := b.stats(t, queueName); s.Scheduled != 1 || s.Active != 0 {
		t.Errorf("just sent: %+v, want one that is scheduled", s)
	}
	b.receive(t, false)
	if waited := time.Since(sent); waited < after {
		t.Errorf("delivered after %v, want no earlier than %v", waited, after)
	}
}

// TestNudgeKeys: two nudges with one key are one; without a key each is its own.
func TestNudgeKeys(t *testing.T) {
	b := start(t)
	keyless := aNudge
	keyless.Key = ""
	for _, n := range []airlock.Nudge{aNudge, aNudge, keyless, keyless} {
		if err := b.Nudge(t.Context(), n, 0); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.stats(t, queueName); s.Active != 3 || s.Duplicates != 1 {
		t.Errorf("%+v, want 3 messages and 1 duplicate", s)
	}
}

func TestAnnounce(t *testing.T) {
	b := start(t)
	n := aNotice()
	for range 2 {
		if err := b.Announce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.stats(t, topicName); s.Duplicates != 1 {
		t.Errorf("%+v, want the second to be a duplicate", s)
	}
	m := b.receive(t, true)
	want, err := busqueue.EncodeNotice(n)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Body) != string(want) || m.MessageID != n.ID || m.ContentType == nil || *m.ContentType != "application/json" {
		t.Errorf("id %q, content type %v, body %s", m.MessageID, m.ContentType, m.Body)
	}
	for key, want := range map[string]string{"status": "approved", "type": "import", "workspaceId": "ws-1", "audience": "requester"} {
		if got := m.ApplicationProperties[key]; got != want {
			t.Errorf("property %s is %v, want %s", key, got, want)
		}
	}
}

func TestAnnounceTheLargest(t *testing.T) {
	b := start(t)
	n := aNotice()
	n.Files = nil
	for i := range 3000 {
		n.Files = append(n.Files, airlock.FileSummary{Name: fmt.Sprintf("%d-%s", i, strings.Repeat("x", 100))})
	}
	if err := b.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if size := len(b.receive(t, true).Body); size > limit || size < limit-1000 {
		t.Errorf("%d bytes, want nearly %d", size, limit)
	}
}

func TestPing(t *testing.T) {
	b := start(t)
	for range 2 {
		if err := errors.Join(b.Ping(t.Context()), b.PingTopic(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.stats(t, queueName); s.Active+s.Scheduled+s.Sent != 0 {
		t.Errorf("a ping left something: %+v", s)
	}
	b.broker.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := b.Ping(ctx)
	if !errors.Is(err, airlock.ErrTransient) {
		t.Errorf("ping of a dead namespace: %v", err)
	}
	noSecret(t, err)
}

// TestReconnects: a Bus outlives its namespace. While it is away, calls end in their time and say that another try can help.
func TestReconnects(t *testing.T) {
	b := start(t)
	if err := errors.Join(b.Nudge(t.Context(), aNudge, 0), b.Announce(t.Context(), aNotice())); err != nil {
		t.Fatal(err)
	}
	b.broker.Kill()
	for what, call := range map[string]func(context.Context) error{
		"nudge":    func(ctx context.Context) error { return b.Nudge(ctx, aNudge, 0) },
		"announce": func(ctx context.Context) error { return b.Announce(ctx, aNotice()) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		began := time.Now()
		err := call(ctx)
		cancel()
		if !errors.Is(err, airlock.ErrTransient) || time.Since(began) > 10*time.Second {
			t.Errorf("%s while the broker is away: %v after %v", what, err, time.Since(began))
		}
		noSecret(t, err)
	}
	if err := b.broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := aNudge
	second.Key = ""
	deadline := time.Now().Add(patience)
	for err := b.Nudge(t.Context(), second, 0); err != nil; err = b.Nudge(t.Context(), second, 0) {
		if !errors.Is(err, airlock.ErrTransient) || time.Now().After(deadline) {
			t.Fatalf("after the restart: %v", err)
		}
	}
	if err := errors.Join(b.Announce(t.Context(), aNotice()), b.Ping(t.Context())); err != nil {
		t.Error(err)
	}
	if s := b.stats(t, queueName); s.Active < 2 {
		t.Errorf("%+v, want the messages from before and after the restart", s)
	}
}

// TestSilence: a namespace that takes the connection and says nothing costs no more than the timeout.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := busqueue.New(busqueue.Options{
		ConnectionString: "Endpoint=sb://" + l.Addr().String() + ";SharedAccessKeyName=n;SharedAccessKey=TOPSECRET;UseDevelopmentEmulator=true",
		Queue:            queueName, Topic: topicName, Timeout: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"nudge":    func() error { return b.Nudge(t.Context(), aNudge, 0) },
		"announce": func() error { return b.Announce(t.Context(), aNotice()) },
		"ping":     func() error { return b.Ping(t.Context()) },
	} {
		began := time.Now()
		err := call()
		if !errors.Is(err, airlock.ErrTransient) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(began))
		}
		noSecret(t, err)
	}
}

func TestCancelled(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Nudge(ctx, aNudge, 0); !errors.Is(err, airlock.ErrTransient) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

// TestNoSuchEntity: what another try cannot cure is not said to be transient.
func TestNoSuchEntity(t *testing.T) {
	b := start(t)
	wrong, err := busqueue.New(busqueue.Options{ConnectionString: b.broker.ConnectionString(), Queue: "nothing", Topic: topicName})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close(t.Context())
	for what, err := range map[string]error{"nudge": wrong.Nudge(t.Context(), aNudge, 0), "ping": wrong.Ping(t.Context())} {
		if err == nil || errors.Is(err, airlock.ErrTransient) {
			t.Errorf("%s: %v, want an error that is not transient", what, err)
		}
		noSecret(t, err)
	}
}

// TestPlain: of what others say, no address, key or token is repeated.
func TestPlain(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5671}, Err: errors.New("connection refused")}
	for text, want := range map[error]string{
		dial:                         "connection refused",
		fmt.Errorf("amqp: %w", dial): "connection refused",
		errors.New("GET http://127.0.0.1:1/msi/token?secret=TOPSECRET said no"):  "GET (address) said no",
		errors.New("bad Endpoint=sb://127.0.0.1;SharedAccessKey=TOPSECRET here"): "bad (address) here",
		errors.New("query ?sig=TOPSECRET&se=1 refused"):                          "query (address) refused",
		errors.New(strings.Repeat("x", 1000)):                                    strings.Repeat("x", 300),
	} {
		got := busqueue.Plain(text)
		if got != want {
			t.Errorf("%v: %q, want %q", text, got, want)
		}
		noSecret(t, errors.New(got))
	}
}

// TestMistakes: what could not be read again, or has no id, is never sent.
func TestMistakes(t *testing.T) {
	b := start(t)
	for what, err := range map[string]error{
		"a nudge for nothing":       b.Nudge(t.Context(), airlock.Nudge{}, 0),
		"a nudge with a long key":   b.Nudge(t.Context(), airlock.Nudge{Workspace: "ws-1", Request: aRequest, Key: strings.Repeat("k", 129)}, 0),
		"a nudge for a path":        b.Nudge(t.Context(), airlock.Nudge{Workspace: "../x", Request: aRequest}, 0),
		"a notice without an id":    b.Announce(t.Context(), airlock.Notice{}),
		"a notice with a long id":   b.Announce(t.Context(), airlock.Notice{ID: strings.Repeat("n", 129)}),
		"a nudge for a short id":    b.Nudge(t.Context(), airlock.Nudge{Workspace: "ws-1", Request: "1"}, 0),
		"a nudge with no workspace": b.Nudge(t.Context(), airlock.Nudge{Request: aRequest}, 0),
	} {
		if err == nil || errors.Is(err, airlock.ErrTransient) {
			t.Errorf("%s: %v, want an error that is not transient", what, err)
		}
	}
	if s := b.stats(t, queueName); s.Sent != 0 {
		t.Errorf("sent all the same: %+v", s)
	}
}

// identity is one that is never asked for a token.
type identity struct{}

func (identity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("asked for a token")
}

func TestOptions(t *testing.T) {
	const local = "Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=n;SharedAccessKey=TOPSECRET;UseDevelopmentEmulator=true"
	for name, test := range map[string]struct {
		options busqueue.Options
		ok      bool
	}{
		"a namespace":            {busqueue.Options{Namespace: "x.servicebus.windows.net", Credential: identity{}}, true},
		"an emulator":            {busqueue.Options{ConnectionString: local}, true},
		"an emulator by name":    {busqueue.Options{ConnectionString: strings.Replace(local, "127.0.0.1", "localhost", 1)}, true},
		"neither":                {busqueue.Options{}, false},
		"both":                   {busqueue.Options{Namespace: "x.servicebus.windows.net", ConnectionString: local}, false},
		"no credential":          {busqueue.Options{Namespace: "x.servicebus.windows.net"}, false},
		"a URL for a namespace":  {busqueue.Options{Namespace: "sb://x.servicebus.windows.net/", Credential: identity{}}, false},
		"a key of Azure":         {busqueue.Options{ConnectionString: strings.Replace(local, ";UseDevelopmentEmulator=true", "", 1)}, false},
		"a key switched off":     {busqueue.Options{ConnectionString: strings.Replace(local, "true", "false", 1)}, false},
		"an emulator elsewhere":  {busqueue.Options{ConnectionString: strings.Replace(local, "127.0.0.1", "bus.example.org", 1)}, false},
		"a string without a key": {busqueue.Options{ConnectionString: "Endpoint=sb://127.0.0.1;UseDevelopmentEmulator=true"}, false},
		"no string":              {busqueue.Options{ConnectionString: "TOPSECRET"}, false},
	} {
		test.options.Queue, test.options.Topic = queueName, topicName
		_, err := busqueue.New(test.options)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		noSecret(t, err)
	}
	for _, o := range []busqueue.Options{{ConnectionString: local, Queue: queueName}, {ConnectionString: local, Topic: topicName}} {
		if _, err := busqueue.New(o); err == nil {
			t.Errorf("queue %q and topic %q: no error", o.Queue, o.Topic)
		}
	}
}

// noSecret checks that an error holds no key, no address and no token.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{"TOPSECRET", "SharedAccess", "SAS_KEY_VALUE", "://", "127.0.0.1"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
}
