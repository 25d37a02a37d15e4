// Package localazure is an Azure on one's own machine with the airlock in it: storage with Defender, Service Bus, Event
// Grid, Entra ID, the Functions host that runs the packaged handler, and the Logic App that mails.
//
// It promises that the handler runs unchanged, with nothing but its settings pointing here; that everything listens on
// the loopback interface only, on ports that are free; and that Stop ends all of it. It never touches anything outside
// its folder, and holds no secret that was not made at its start.
package localazure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"airlock/scripts/localazure/defender"
	"airlock/scripts/localazure/entraid"
	"airlock/scripts/localazure/eventgrid"
	"airlock/scripts/localazure/funchost"
	"airlock/scripts/localazure/logicapp"
	"airlock/scripts/localazure/logicapp/mailbox"
	"airlock/scripts/localazure/nodejs"
	"airlock/scripts/localazure/servicebus"
	"airlock/scripts/localazure/storage"
)

// The names of things in the local Azure.
const (
	TREID       = "local"
	APIAudience = "api://airlock"
	StatusQueue = "airlock-status-changed"
	NoticeTopic = "airlock-notifications"
	MailingList = "mail" // the Logic App's subscription
	table       = "airlock"
	tableOwner  = "stairlock" + TREID
)

// Options say what to start. The zero value is useful.
type Options struct {
	DataDir  string            // keeps requests, files and messages from one start to the next; empty: nothing is kept
	Settings map[string]string // settings of the handler, over those that are made here
	Log      io.Writer         // what all parts have to say, as JSON lines; nil: nowhere
	Console  io.Writer         // the handler's own output; nil: to Log
	Mail     bool              // run the Logic App and a mailbox
	Dist     string            // a folder made by scripts/package; empty: it is made now

	// Sweep is how often the sweep runs; 0: as function.json says; negative: never by itself.
	Sweep time.Duration
	// RestartLimit is how many crashes of the handler the host takes; 0: the real host's number.
	RestartLimit int
	// DeletedFor is how long the name of a deleted container is refused. Azure: 30 s and more.
	DeletedFor time.Duration
}

// Azure is a running local Azure.
type Azure struct {
	Entra    *entraid.Server
	Storage  *storage.Storage
	Bus      *servicebus.Broker
	Grid     *eventgrid.Grid
	Defender *defender.Scanner
	Host     *funchost.Host
	Mailbox  *mailbox.Mailbox // nil unless Options.Mail

	Workspaces []Workspace
	PublicKey  string // a file with the key that verifies the airlock's signatures
	signingKey string // a file
	settings   map[string]string
	handler    string // path of the program
	scanner    atomic.Pointer[defender.Scanner]
	temporary  string
	stops      []func()
}

// Start starts everything, in the order in which the parts need each other. The context bounds only the start.
func Start(ctx context.Context, o Options) (_ *Azure, err error) {
	a := &Azure{Workspaces: demoWorkspaces()}
	defer func() {
		if err != nil {
			a.Stop()
		}
	}()
	log := zerolog.Nop()
	if o.Log != nil {
		log = zerolog.New(o.Log).With().Timestamp().Logger()
	}
	root, err := nodejs.Modules(ctx)
	if err != nil {
		return nil, err
	}
	if a.temporary, err = os.MkdirTemp("", "airlock-local-"); err != nil {
		return nil, err
	}
	for _, start := range []func() error{
		func() error { return a.startEntra(ctx, o) },
		func() error { return a.startEvents(log) },
		func() error { return a.startStorage(ctx, o, log) },
		func() error { return a.startBus(ctx, o, log) },
		func() error { return a.makeTable(ctx) },
		func() error { return a.makeArchive(ctx) },
		func() error { return a.makeKey(o) },
		func() error { return a.startHost(ctx, o, log, filepath.Dir(filepath.Dir(root))) },
		func() error { return a.subscribe(ctx) },
		func() error { return a.startMail(ctx, o, log, filepath.Dir(filepath.Dir(root))) },
		func() error { return a.configure(ctx) },
	} {
		if err := start(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Stop ends everything, the last started first.
func (a *Azure) Stop() {
	for i := len(a.stops) - 1; i >= 0; i-- {
		a.stops[i]()
	}
	a.stops = nil
	if a.temporary != "" {
		os.RemoveAll(a.temporary)
	}
}

func (a *Azure) onStop(stop func()) { a.stops = append(a.stops, stop) }

// kept returns a path below the data folder, or empty where nothing is kept.
func (o Options) kept(name string) (string, error) {
	if o.DataDir == "" {
		return "", nil
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return "", err
	}
	return filepath.Join(o.DataDir, name), nil
}

func (a *Azure) startEntra(ctx context.Context, o Options) error {
	dir, err := o.kept("entra")
	if err != nil {
		return err
	}
	a.Entra, err = entraid.Start(ctx, entraid.Options{DataDir: dir, Audience: APIAudience, Users: users(a.Workspaces)})
	if err != nil {
		return fmt.Errorf("entra: %w", err)
	}
	a.onStop(func() { _ = a.Entra.Stop() })
	return nil
}

func (a *Azure) startEvents(log zerolog.Logger) (err error) {
	a.Grid, err = eventgrid.New(eventgrid.Options{RetryScale: 0.05, Log: log.With().Str("part", "eventgrid").Logger()})
	if err != nil {
		return fmt.Errorf("event grid: %w", err)
	}
	a.onStop(a.Grid.Close)
	return nil
}

func (a *Azure) startStorage(ctx context.Context, o Options, log zerolog.Logger) error {
	dir, err := o.kept("storage")
	if err != nil {
		return err
	}
	a.Storage, err = storage.Start(ctx, storage.Options{
		Accounts: accounts(a.Workspaces), DataDir: dir, DeletedFor: o.DeletedFor, Events: a.written,
		Log: func(line string) { log.Debug().Str("part", "storage").Msg(line) },
	})
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	a.onStop(func() { _ = a.Storage.Stop() })
	a.Defender, err = defender.New(defender.Options{
		Blobs: a.Storage, Watch: func(b defender.Blob) bool { return scannedAccount(b.Account) },
		Publish: func(_ context.Context, event json.RawMessage) error { return a.publish(event) },
		Log:     log.With().Str("part", "defender").Logger(),
	})
	if err != nil {
		return fmt.Errorf("defender: %w", err)
	}
	a.onStop(a.Defender.Close)
	a.scanner.Store(a.Defender)
	return nil
}

// written passes an event of storage on to Event Grid and to the scanner. What either cannot take is in its own log.
func (a *Azure) written(e storage.Event) {
	event, err := json.Marshal(e)
	if err != nil {
		return // the type is ours and always encodes
	}
	_ = a.publish(event)
	if scanner := a.scanner.Load(); scanner != nil {
		_ = scanner.Handle(event)
	}
}

func (a *Azure) publish(event json.RawMessage) error {
	var e eventgrid.Event
	if err := json.Unmarshal(event, &e); err != nil {
		return err
	}
	return a.Grid.Publish(e)
}

func (a *Azure) startBus(ctx context.Context, o Options, log zerolog.Logger) error {
	file, err := o.kept("bus.journal")
	if err != nil {
		return err
	}
	window := 10 * time.Minute
	a.Bus, err = servicebus.Start(ctx, servicebus.Options{
		DataFile: file,
		Queues:   []servicebus.Queue{{Name: StatusQueue, MaxDeliveryCount: 10, DuplicateDetectionWindow: window}},
		Topics: []servicebus.Topic{{Name: NoticeTopic, DuplicateDetectionWindow: window, Subscriptions: []servicebus.Subscription{
			{Name: MailingList, MaxDeliveryCount: 1000}, {Name: WatchList, MaxDeliveryCount: 10},
			{Name: ReviewDesk, MaxDeliveryCount: 10, Filter: &servicebus.CorrelationFilter{Properties: map[string]string{"audience": "reviewers"}}},
		}}},
		Output: func(line string) { log.Debug().Str("part", "servicebus").Msg(line) },
	})
	if err != nil {
		return fmt.Errorf("service bus: %w", err)
	}
	a.onStop(func() { _ = a.Bus.Stop() })
	return nil
}

// startHost packages the handler, unless that was done, and lets the Functions host run it.
func (a *Azure) startHost(ctx context.Context, o Options, log zerolog.Logger, repository string) error {
	dist := o.Dist
	if dist == "" {
		dist = filepath.Join(a.temporary, "dist")
		if err := Package(ctx, repository, dist); err != nil {
			return err
		}
	}
	a.settings, a.handler = a.handlerSettings(o), filepath.Join(dist, "handler")
	timers := map[string]time.Duration{}
	if o.Sweep != 0 {
		timers["Sweep"] = o.Sweep
	}
	var err error
	a.Host, err = funchost.Start(ctx, funchost.Options{
		ScriptRoot: dist, Env: a.environment(), Timers: timers, RestartLimit: o.RestartLimit, Console: o.Console,
		Log: log.With().Str("part", "funchost").Logger(),
	})
	if err != nil {
		return fmt.Errorf("functions host: %w", err)
	}
	a.onStop(a.Host.Stop)
	return nil
}

// environment is the app settings as a process gets them.
func (a *Azure) environment() []string {
	env := make([]string, 0, len(a.settings))
	for name, value := range a.settings {
		env = append(env, name+"="+value)
	}
	return env
}

// Command is the handler's program with the app's settings and nothing else of an environment, to be run beside the app
// as operators run its commands.
func (a *Azure) Command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, a.handler, arguments...)
	command.Env = a.environment()
	return command
}

// Package runs scripts/package for the machine that it runs on.
func Package(ctx context.Context, repository, dist string) error {
	script, err := filepath.Abs(filepath.Join(repository, "scripts", "package"))
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, script, dist)
	command.Dir = repository
	command.Env = append(os.Environ(), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("package: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// handlerSettings are the app settings that make the handler use this Azure.
func (a *Azure) handlerSettings(o Options) map[string]string {
	settings := map[string]string{
		"AIRLOCK_TRE_ID": TREID, "AIRLOCK_TENANT_ID": a.Entra.TenantID(), "AIRLOCK_ISSUER": a.Entra.Issuer(),
		"AIRLOCK_API_AUDIENCE":   APIAudience,
		"AIRLOCK_STORAGE_SUFFIX": a.Storage.Suffix(), "AIRLOCK_STORAGE_DIAL": a.Storage.Dial(), "AIRLOCK_STORAGE_CA_FILE": a.Storage.CAFile(),
		"AIRLOCK_LINK_BASE":     a.Storage.PlainURL("{account}"),
		"AIRLOCK_TABLE_ACCOUNT": tableOwner, "AIRLOCK_TABLE_NAME": table,
		"AIRLOCK_STATUS_QUEUE": StatusQueue, "AIRLOCK_NOTIFICATION_TOPIC": NoticeTopic,
		"ServiceBus":        a.Bus.ConnectionString(),
		"IDENTITY_ENDPOINT": a.Entra.IdentityEndpoint(), "IDENTITY_HEADER": a.Entra.IdentityHeader(),
		"AIRLOCK_OPERATOR_EMAILS":  Operators,
		"AIRLOCK_SIGNING_KEY_FILE": a.signingKey, "AIRLOCK_CHECKPOINT_CONTAINER": checkpoints, "AIRLOCK_CHECKPOINT_EVERY": "1m",
		"AIRLOCK_PAGE_URL":       "https://tre.example.org/workspaces/{workspace}/requests/{request}",
		"AIRLOCK_SETTINGS_CACHE": "0s", // a change of settings counts at once: people look at the screen
	}
	for name, value := range o.Settings {
		settings[name] = value
	}
	return settings
}

// subscribe routes the events that the deployment routes: what arrives in a zone behind the intake, and verdicts.
func (a *Azure) subscribe(ctx context.Context) error {
	err := errors.Join(
		a.Grid.Subscribe(ctx, eventgrid.Subscription{
			Name: "blob-created", Endpoint: a.Host.EventGridURL("BlobCreated"), EventTypes: []string{storage.BlobCreated},
			Filter: func(e eventgrid.Event) bool { return watchedAccount(strings.TrimPrefix(e.Topic, storage.TopicPrefix)) },
		}),
		a.Grid.Subscribe(ctx, eventgrid.Subscription{
			Name: "scan-result", Endpoint: a.Host.EventGridURL("ScanResult"), EventTypes: []string{defender.ResultEvent},
		}))
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func (a *Azure) startMail(ctx context.Context, o Options, log zerolog.Logger, repository string) (err error) {
	if !o.Mail {
		return nil
	}
	if a.Mailbox, err = mailbox.Start(ctx, mailbox.Options{}); err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	a.onStop(func() { _ = a.Mailbox.Close() })
	app, err := logicapp.Start(ctx, logicapp.Options{
		Dir: filepath.Join(repository, "infra", "notifier"), Workflow: "AirlockNotifier",
		Settings: map[string]string{
			"NOTIFIER_SENDER": "airlock@tre.example.org", "NOTIFIER_LANGUAGE": "en", "NOTIFIER_TIME_ZONE": "UTC",
			"NOTIFIER_TIME_ZONE_LABEL": "UTC", "NOTIFIER_MAIL_CONNECTOR": "smtp",
			"office365_apiId": "/managedApis/office365", "office365_connectionId": "", "office365_connectionRuntimeUrl": "",
		},
		ConnectionString: a.Bus.ConnectionString(), SMTPAddress: a.Mailbox.SMTPAddress(),
		Log: log.With().Str("part", "logicapp").Logger(),
	})
	if err != nil {
		return fmt.Errorf("logic app: %w", err)
	}
	a.onStop(func() { _ = app.Stop() })
	return nil
}
