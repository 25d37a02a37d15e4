// Package config reads the settings of the program.
//
// It promises one documented struct, read through an injected lookup, with every problem reported at once and every
// dangerous combination refused. It never reads the process environment itself and never prints a value: an error names
// the setting only.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is every setting of the program. In Azure these are app settings of the function app.
type Config struct {
	// Port is where the Functions host expects the handler on 127.0.0.1. The host sets it; commands have none.
	Port string `env:"FUNCTIONS_CUSTOMHANDLER_PORT"`

	// TREID names the TRE; it is the suffix of its storage accounts, without hyphens.
	TREID string `env:"AIRLOCK_TRE_ID,required"`

	// TenantID is the Entra tenant whose tokens are taken.
	TenantID string `env:"AIRLOCK_TENANT_ID,required"`
	// Issuer is the exact issuer of tokens: https://login.microsoftonline.com/{tenant}/v2.0, or the v1 form
	// https://sts.windows.net/{tenant}/ . Plain http is taken for loopback hosts only.
	Issuer string `env:"AIRLOCK_ISSUER,required"`
	// APIAudiences are the audiences of tokens for the API itself; every other audience has to be a workspace's.
	APIAudiences []string `env:"AIRLOCK_API_AUDIENCE,required"`

	// StorageSuffix follows ".blob." and ".table." in the names of storage hosts.
	StorageSuffix string `env:"AIRLOCK_STORAGE_SUFFIX" envDefault:"core.windows.net"`
	// StorageDial is where every connection to storage goes instead of to the address of its host: host:port.
	StorageDial string `env:"AIRLOCK_STORAGE_DIAL"`
	// StorageCAFile holds certificates in PEM to trust for storage, beside the system's.
	StorageCAFile string `env:"AIRLOCK_STORAGE_CA_FILE"`
	// LinkBase is the start of links that are handed out; {account} stands for the account.
	// Empty means https://{account}.blob. and the suffix.
	LinkBase string `env:"AIRLOCK_LINK_BASE"`
	// TableAccount and TableName say where requests are stored.
	TableAccount string `env:"AIRLOCK_TABLE_ACCOUNT,required"`
	TableName    string `env:"AIRLOCK_TABLE_NAME" envDefault:"airlock"`

	// BusNamespace is the Service Bus namespace, reached with the managed identity. The Functions host reads the same.
	BusNamespace string `env:"ServiceBus__fullyQualifiedNamespace"`
	// BusConnection is the connection string of a development emulator, instead of BusNamespace.
	BusConnection string `env:"ServiceBus"`
	// StatusQueue and NotificationTopic are entities of the namespace.
	StatusQueue       string `env:"AIRLOCK_STATUS_QUEUE" envDefault:"airlock-status-changed"`
	NotificationTopic string `env:"AIRLOCK_NOTIFICATION_TOPIC" envDefault:"airlock-notifications"`

	// SigningKeyURL is the EC key on P-256 in Key Vault that signs checkpoints: https://{vault}/keys/{name}, or with a version.
	SigningKeyURL string `env:"AIRLOCK_SIGNING_KEY_URL"`
	// SigningKeyFile holds a private key in PEM (PKCS #8; Ed25519, or EC on P-256) instead, where there is no vault.
	SigningKeyFile string `env:"AIRLOCK_SIGNING_KEY_FILE"`
	// CheckpointContainer is where checkpoints are put away, in the account of the table: a container whose blobs nobody can
	// change. CheckpointEvery is how often.
	CheckpointContainer string        `env:"AIRLOCK_CHECKPOINT_CONTAINER" envDefault:"checkpoints"`
	CheckpointEvery     time.Duration `env:"AIRLOCK_CHECKPOINT_EVERY" envDefault:"1h"`

	// IdentityClientID picks a user-assigned managed identity; empty means the system-assigned one.
	IdentityClientID string `env:"AZURE_CLIENT_ID"`

	// PageURL is where people see a request; {workspace} and {request} stand for the ids. Empty: notices have no link.
	PageURL string `env:"AIRLOCK_PAGE_URL"`
	// OperatorEmails are the addresses of the people who run it, comma separated: they are told of requests that failed.
	OperatorEmails []string `env:"AIRLOCK_OPERATOR_EMAILS"`
	// RemindAfter is how long a review may wait before the reviewers are reminded, EscalateAfter how long before the owners
	// of the workspace hear of it as well. A workspace may have its own times. 0: never.
	RemindAfter   time.Duration `env:"AIRLOCK_REMIND_AFTER" envDefault:"48h"`
	EscalateAfter time.Duration `env:"AIRLOCK_ESCALATE_AFTER" envDefault:"120h"`
	// AllowedOrigins are origins whose web pages may call the API, comma separated.
	AllowedOrigins []string `env:"AIRLOCK_ALLOWED_ORIGINS"`
	// PlainTextErrors makes errors plain text unless the client asks for JSON, as AzureTRE's clients expect.
	PlainTextErrors bool `env:"AIRLOCK_PLAIN_TEXT_ERRORS"`
	// CompactLayout keeps all zones in one account of the TRE and one of each workspace.
	CompactLayout bool `env:"AIRLOCK_COMPACT_LAYOUT"`
	// ScanTags requires that the blob index tag agrees before a file counts as clean. Turn it off only where the
	// scanner cannot write index tags.
	ScanTags bool `env:"AIRLOCK_SCAN_TAGS" envDefault:"true"`

	// LinkLifetime is how long a link works.
	LinkLifetime time.Duration `env:"AIRLOCK_LINK_LIFETIME" envDefault:"1h"`
	// ClaimLifetime is how long a claim tells other reviewers that somebody looks at a request.
	ClaimLifetime time.Duration `env:"AIRLOCK_CLAIM_LIFETIME" envDefault:"24h"`
	// CopyDeadline is how long a move may take before the request fails, and can be retried.
	CopyDeadline time.Duration `env:"AIRLOCK_COPY_DEADLINE" envDefault:"24h"`
	// ScanDeadline is how long the scanner may stay silent before the request fails, and can be retried.
	ScanDeadline time.Duration `env:"AIRLOCK_SCAN_DEADLINE" envDefault:"6h"`
	// SweepGrace is how long events and messages have to do the work before the sweep does, RetryLongest the longest pause
	// between two tries of work that fails.
	SweepGrace   time.Duration `env:"AIRLOCK_SWEEP_GRACE" envDefault:"2m"`
	RetryLongest time.Duration `env:"AIRLOCK_RETRY_LONGEST" envDefault:"15m"`
	// RetainReleased is how long released files are kept after the approval, RetainRefused those of rejected and revoked
	// requests, RetainQuarantine those with malware, and RetainRecords a request that has ended and has no files any more.
	// A workspace may have its own times. 0: for ever.
	RetainReleased   time.Duration `env:"AIRLOCK_RETAIN_RELEASED" envDefault:"0"`
	RetainRefused    time.Duration `env:"AIRLOCK_RETAIN_REFUSED" envDefault:"0"`
	RetainQuarantine time.Duration `env:"AIRLOCK_RETAIN_QUARANTINE" envDefault:"0"`
	RetainRecords    time.Duration `env:"AIRLOCK_RETAIN_RECORDS" envDefault:"0"`
	// VerifyUpTo is the size in bytes up to which a released file is read again, and its SHA-256 compared with that of what was
	// sealed, before the request is approved; of larger ones storage's own word has to do. A workspace may have its own. 0:
	// whatever its size.
	VerifyUpTo int64 `env:"AIRLOCK_VERIFY_UP_TO" envDefault:"0"`
	// MaxDrafts is how many drafts one person may have at a time in one workspace, each with a container in storage; 0 is any
	// number.
	MaxDrafts int `env:"AIRLOCK_MAX_DRAFTS" envDefault:"100"`
	// SettingsCache is how long a change of a workspace's settings may go unnoticed by other instances.
	SettingsCache time.Duration `env:"AIRLOCK_SETTINGS_CACHE" envDefault:"10s"`
	// InvocationTimeout ends one invocation. It must be shorter than host.json's functionTimeout of ten minutes, because the
	// host ends every other invocation of the process with the one that reaches it.
	InvocationTimeout time.Duration `env:"AIRLOCK_INVOCATION_TIMEOUT" envDefault:"4m"`

	// LogLevel is debug, info, warn or error. File names appear at debug only.
	LogLevel string `env:"AIRLOCK_LOG_LEVEL" envDefault:"info"`
}

// DeadLetterQueues names where messages of a deployment can be given up on, a subscription as topic/subscription: the queue of
// nudges, the queues of events where they come through queues, and the notices to be mailed, where there is a notifier.
func (c Config) DeadLetterQueues() []string {
	return []string{c.StatusQueue, "airlock-blob-created", "airlock-scan-result", c.NotificationTopic + "/mail"}
}

// longestRetention is as long as a time in the table can be ahead.
const longestRetention = 100 * 365 * 24 * time.Hour

// hostTimeout is host.json's functionTimeout.
const hostTimeout = 10 * time.Minute

// Read reads every setting through lookup, which is os.LookupEnv in the program. The error names every setting that is
// missing or wrong, without its value.
func Read(lookup func(string) (string, bool)) (Config, error) { return read(lookup, true) }

// ReadForCommand is Read for a command that an operator runs: no host has given it a port.
func ReadForCommand(lookup func(string) (string, bool)) (Config, error) { return read(lookup, false) }

func read(lookup func(string) (string, bool), hosted bool) (Config, error) {
	var c Config
	params, err := env.GetFieldParams(&c)
	if err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	values := map[string]string{}
	for _, p := range params {
		if v, ok := lookup(p.Key); ok && strings.TrimSpace(v) != "" {
			values[p.Key] = strings.TrimSpace(v)
		}
	}
	errs := problems(env.ParseWithOptions(&c, env.Options{Environment: values}))
	if hosted && c.Port == "" {
		errs = append(errs, errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is missing"))
	}
	if len(errs) == 0 {
		if c.LinkBase == "" {
			c.LinkBase = "https://{account}.blob." + c.StorageSuffix
		}
		errs = c.check()
	}
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("settings: %w", errors.Join(errs...))
	}
	return c, nil
}

// problems names the settings that could not be read. The library's own errors can quote a value.
func problems(err error) []error {
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []error{errors.New("they cannot be read")}
	}
	var errs []error
	for _, e := range all.Errors {
		var missing env.VarIsNotSetError
		var parse env.ParseError
		switch {
		case errors.As(e, &missing):
			errs = append(errs, fmt.Errorf("%s is missing", missing.Key))
		case errors.As(e, &parse):
			errs = append(errs, fmt.Errorf("the value of %s is not a %s", settingOf(parse.Name), parse.Type))
		default:
			errs = append(errs, errors.New("one cannot be read"))
		}
	}
	return errs
}

// settingOf returns the name of the setting that a field is read from.
func settingOf(field string) string {
	f, _ := reflect.TypeFor[Config]().FieldByName(field)
	name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
	return name
}

var (
	treePattern      = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,11}$`)
	accountPattern   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9]|-[a-z0-9]){2,62}$`)
	tablePattern     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,62}$`)
	emailPattern     = regexp.MustCompile(`^[^\s<>,;@]+@[^\s<>,;@]+$`)
	hostPattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

// check refuses what cannot work and what would be dangerous.
func (c Config) check() []error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(treePattern.MatchString(c.TREID), "AIRLOCK_TRE_ID must be 1 to 11 letters, digits, hyphens and underscores (Azure: 24 for the name of a storage account, of which stalimblocked takes 13)")
	require(securely(c.Issuer), "AIRLOCK_ISSUER must be an https URL (http only for a loopback host)")
	require(!slices.Contains(c.APIAudiences, ""), "AIRLOCK_API_AUDIENCE has an empty entry")
	require(hostPattern.MatchString(c.StorageSuffix), "AIRLOCK_STORAGE_SUFFIX must be a host name")
	require(securely(strings.ReplaceAll(c.LinkBase, "{account}", "a")), "AIRLOCK_LINK_BASE must be an https URL (http only for a loopback host)")
	require(strings.Contains(c.LinkBase, "{account}"), "AIRLOCK_LINK_BASE must hold {account}")
	require(accountPattern.MatchString(c.TableAccount), "AIRLOCK_TABLE_ACCOUNT must be the name of a storage account")
	require(tablePattern.MatchString(c.TableName), "AIRLOCK_TABLE_NAME must be the name of a table")
	require((c.BusNamespace == "") != (c.BusConnection == ""), "exactly one of ServiceBus__fullyQualifiedNamespace and ServiceBus must be set")
	require(c.BusConnection == "" || strings.Contains(c.BusConnection, "UseDevelopmentEmulator=true"),
		"ServiceBus may only be the connection string of a development emulator: in Azure use ServiceBus__fullyQualifiedNamespace and the managed identity")
	require((c.SigningKeyURL == "") != (c.SigningKeyFile == ""), "exactly one of AIRLOCK_SIGNING_KEY_URL and AIRLOCK_SIGNING_KEY_FILE must be set")
	require(c.SigningKeyURL == "" || securely(c.SigningKeyURL) && strings.Contains(c.SigningKeyURL, "/keys/"), "AIRLOCK_SIGNING_KEY_URL must be the https URL of a key in Key Vault")
	require(containerPattern.MatchString(c.CheckpointContainer), "AIRLOCK_CHECKPOINT_CONTAINER must be the name of a container")
	require(c.CheckpointEvery >= time.Minute && c.CheckpointEvery <= 7*24*time.Hour, "AIRLOCK_CHECKPOINT_EVERY must be from a minute to a week")
	require(c.LinkLifetime >= time.Minute && c.LinkLifetime <= 7*24*time.Hour, "AIRLOCK_LINK_LIFETIME must be from a minute to 7 days (Azure: the longest life of a user delegation key)")
	require(c.ClaimLifetime >= time.Minute && c.ClaimLifetime <= 30*24*time.Hour, "AIRLOCK_CLAIM_LIFETIME must be from a minute to 30 days")
	require(c.CopyDeadline >= time.Second && c.ScanDeadline >= time.Second, "AIRLOCK_COPY_DEADLINE and AIRLOCK_SCAN_DEADLINE must be at least a second")
	require(c.SweepGrace >= time.Second && c.SweepGrace <= time.Hour, "AIRLOCK_SWEEP_GRACE must be from a second to an hour")
	require(c.RetryLongest >= time.Second && c.RetryLongest <= time.Hour, "AIRLOCK_RETRY_LONGEST must be from a second to an hour")
	for i, address := range c.OperatorEmails {
		c.OperatorEmails[i] = strings.TrimSpace(address)
		require(emailPattern.MatchString(c.OperatorEmails[i]), "AIRLOCK_OPERATOR_EMAILS: entry %d is not an e-mail address", i+1)
	}
	require(c.RemindAfter >= 0 && (c.EscalateAfter == 0 || c.EscalateAfter > c.RemindAfter),
		"AIRLOCK_ESCALATE_AFTER must be longer than AIRLOCK_REMIND_AFTER, or 0")
	for name, long := range map[string]time.Duration{
		"AIRLOCK_RETAIN_RELEASED": c.RetainReleased, "AIRLOCK_RETAIN_REFUSED": c.RetainRefused,
		"AIRLOCK_RETAIN_QUARANTINE": c.RetainQuarantine, "AIRLOCK_RETAIN_RECORDS": c.RetainRecords,
	} {
		require(long == 0 || long >= time.Hour && long <= longestRetention, "%s must be from an hour to 100 years, or 0 for ever", name)
	}
	require(c.VerifyUpTo >= 0, "AIRLOCK_VERIFY_UP_TO must be a number of bytes, or 0 for files of every size")
	require(c.MaxDrafts >= 0, "AIRLOCK_MAX_DRAFTS must be 0 or more")
	require(c.SettingsCache >= 0 && c.SettingsCache <= 5*time.Minute, "AIRLOCK_SETTINGS_CACHE must be at most 5 minutes")
	require(c.InvocationTimeout >= 10*time.Second && c.InvocationTimeout <= hostTimeout-time.Minute,
		"AIRLOCK_INVOCATION_TIMEOUT must be from 10 s to a minute less than host.json's functionTimeout")
	require(slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel), "AIRLOCK_LOG_LEVEL must be debug, info, warn or error")
	return errs
}

// securely reports whether a URL is https, or goes to this machine itself.
func securely(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
