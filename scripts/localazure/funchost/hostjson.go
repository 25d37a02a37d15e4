package funchost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of the real host and of its Service Bus extension.
const (
	defaultInitTimeout     = 30 * time.Second
	defaultFunctionTimeout = 30 * time.Minute // Azure: plans other than Consumption
	defaultRoutePrefix     = "api"
	defaultLockRenewal     = 5 * time.Minute
	defaultCallsPerCore    = 16
)

// hostConfig is what host.json says, with defaults.
type hostConfig struct {
	executable      string
	arguments       []string
	workingDir      string
	proxy           bool
	initTimeout     time.Duration
	functionTimeout time.Duration // 0 is none
	routePrefix     string        // without slashes at its ends
	bundle          bool          // whether extensions beside HTTP and timer exist
	concurrency     int           // serviceBus.maxConcurrentCalls
	lockRenewal     time.Duration // serviceBus.maxAutoLockRenewalDuration
	unused          []string      // settings of the real host that have no effect here
}

// hostFile is host.json as far as it matters here. Sections are decoded one by one, so that
// an unknown name is told with its path.
type hostFile struct {
	Version         string          `json:"version"`
	FunctionTimeout string          `json:"functionTimeout"`
	ExtensionBundle json.RawMessage `json:"extensionBundle"`
	CustomHandler   json.RawMessage `json:"customHandler"`
	Extensions      json.RawMessage `json:"extensions"`

	// The rest of what the real host knows, without effect here.
	Logging       json.RawMessage `json:"logging"`
	Concurrency   json.RawMessage `json:"concurrency"`
	HealthMonitor json.RawMessage `json:"healthMonitor"`
	Aggregator    json.RawMessage `json:"aggregator"`
	Singleton     json.RawMessage `json:"singleton"`
	Telemetry     json.RawMessage `json:"telemetryMode"`
	Watch         json.RawMessage `json:"watchDirectories"`
}

type customHandlerSection struct {
	Description struct {
		Executable string   `json:"defaultExecutablePath"`
		WorkingDir string   `json:"workingDirectory"`
		Arguments  []string `json:"arguments"`
	} `json:"description"`
	Proxy       bool   `json:"enableProxyingHttpRequest"`
	Forward     bool   `json:"enableForwardingHttpRequest"`
	InitTimeout string `json:"initializationTimeout"`
}

type busSection struct {
	MaxConcurrentCalls int    `json:"maxConcurrentCalls"`
	LockRenewal        string `json:"maxAutoLockRenewalDuration"`
	PrefetchCount      int    `json:"prefetchCount"`
	AutoComplete       *bool  `json:"autoCompleteMessages"`

	// These govern sessions and batches, which are refused where a function asks for them, and transport.
	Sessions        json.RawMessage `json:"maxConcurrentSessions"`
	CallsPerSession json.RawMessage `json:"maxConcurrentCallsPerSession"`
	SessionIdle     json.RawMessage `json:"sessionIdleTimeout"`
	MaxBatch        json.RawMessage `json:"maxMessageBatchSize"`
	MinBatch        json.RawMessage `json:"minMessageBatchSize"`
	BatchWait       json.RawMessage `json:"maxBatchWaitTime"`
	Transport       json.RawMessage `json:"transportType"`
	Retry           json.RawMessage `json:"clientRetryOptions"`
}

type httpSection struct {
	RoutePrefix *string         `json:"routePrefix"`
	Outstanding json.RawMessage `json:"maxOutstandingRequests"`
	Concurrent  json.RawMessage `json:"maxConcurrentRequests"`
	Throttles   json.RawMessage `json:"dynamicThrottlesEnabled"`
	Headers     json.RawMessage `json:"customHeaders"`
	HSTS        json.RawMessage `json:"hsts"`
}

// readHostJSON reads and checks root/host.json.
func readHostJSON(root string, env settings) (hostConfig, error) {
	raw, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil {
		return hostConfig{}, fmt.Errorf("read host.json: %w", err)
	}
	var file hostFile
	if err := strict(raw, &file); err != nil {
		return hostConfig{}, fmt.Errorf("host.json: %w", err)
	}
	c := hostConfig{bundle: len(file.ExtensionBundle) > 0}
	for name, section := range map[string]json.RawMessage{
		"logging": file.Logging, "concurrency": file.Concurrency, "healthMonitor": file.HealthMonitor,
		"aggregator": file.Aggregator, "singleton": file.Singleton, "telemetryMode": file.Telemetry, "watchDirectories": file.Watch,
	} {
		c.noEffect(name, section)
	}
	for _, step := range []func() error{
		func() error { return c.readTop(file) },
		func() error { return c.readCustomHandler(root, file.CustomHandler, env) },
		func() error { return c.readExtensions(file.Extensions) },
	} {
		if err := step(); err != nil {
			return hostConfig{}, fmt.Errorf("host.json: %w", err)
		}
	}
	slices.Sort(c.unused)
	return c, nil
}

// noEffect notes a section that is present and means nothing here.
func (c *hostConfig) noEffect(name string, raw json.RawMessage) {
	if len(raw) > 0 {
		c.unused = append(c.unused, name)
	}
}

func (c *hostConfig) readTop(file hostFile) error {
	if file.Version != "2.0" {
		return fmt.Errorf("version is %q, want \"2.0\"", file.Version)
	}
	c.functionTimeout = defaultFunctionTimeout
	if file.FunctionTimeout == "-1" {
		c.functionTimeout = 0
		return nil
	}
	return readTimeSpan("functionTimeout", file.FunctionTimeout, &c.functionTimeout)
}

func (c *hostConfig) readCustomHandler(root string, raw json.RawMessage, env settings) error {
	if len(raw) == 0 {
		return errors.New("no customHandler: only custom handlers run here")
	}
	var section customHandlerSection
	if err := strict(raw, &section); err != nil {
		return fmt.Errorf("customHandler: %w", err)
	}
	if section.Forward && !section.Proxy {
		return errors.New("customHandler: enableForwardingHttpRequest alone is not supported here, use enableProxyingHttpRequest")
	}
	c.proxy = section.Proxy
	c.initTimeout = defaultInitTimeout
	if err := readTimeSpan("customHandler.initializationTimeout", section.InitTimeout, &c.initTimeout); err != nil {
		return err
	}
	c.workingDir = root
	if dir := section.Description.WorkingDir; dir != "" {
		c.workingDir = dir
		if !filepath.IsAbs(dir) {
			c.workingDir = filepath.Join(root, dir)
		}
	}
	for _, arg := range section.Description.Arguments {
		expanded, err := env.expand(arg)
		if err != nil {
			return fmt.Errorf("customHandler.description.arguments: %w", err)
		}
		c.arguments = append(c.arguments, expanded)
	}
	var err error
	c.executable, err = findExecutable(c.workingDir, section.Description.Executable)
	if err != nil {
		return fmt.Errorf("customHandler.description.defaultExecutablePath: %w", err)
	}
	return nil
}

// findExecutable resolves a program as the real host does: in the working directory if the file is there,
// else along the search path.
func findExecutable(dir, name string) (string, error) {
	if name == "" {
		return "", errors.New("is empty")
	}
	local := name
	if !filepath.IsAbs(local) {
		local = filepath.Join(dir, name)
	}
	info, err := os.Stat(local)
	switch {
	case errors.Is(err, os.ErrNotExist):
		found, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%q is neither in %s nor on the search path", name, dir)
		}
		return found, nil
	case err != nil:
		return "", fmt.Errorf("look for %q: %w", name, err)
	case info.IsDir():
		return "", fmt.Errorf("%q is a folder", name)
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%q is not executable", name)
	}
	return local, nil
}

func (c *hostConfig) readExtensions(raw json.RawMessage) error {
	c.routePrefix = defaultRoutePrefix
	c.lockRenewal = defaultLockRenewal
	c.concurrency = defaultCallsPerCore * runtime.NumCPU()
	if len(raw) == 0 {
		return nil
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sections); err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		var err error
		switch name {
		case "http":
			err = c.readHTTP(sections[name])
		case "serviceBus":
			err = c.readBus(sections[name])
		default:
			err = errors.New("this extension is not supported here")
		}
		if err != nil {
			return fmt.Errorf("extensions.%s: %w", name, err)
		}
	}
	return nil
}

func (c *hostConfig) readHTTP(raw json.RawMessage) error {
	var section httpSection
	if err := strict(raw, &section); err != nil {
		return err
	}
	if section.RoutePrefix != nil {
		c.routePrefix = strings.Trim(*section.RoutePrefix, "/")
	}
	c.noEffect("extensions.http.maxOutstandingRequests", section.Outstanding)
	c.noEffect("extensions.http.maxConcurrentRequests", section.Concurrent)
	c.noEffect("extensions.http.dynamicThrottlesEnabled", section.Throttles)
	c.noEffect("extensions.http.customHeaders", section.Headers)
	c.noEffect("extensions.http.hsts", section.HSTS)
	return nil
}

func (c *hostConfig) readBus(raw json.RawMessage) error {
	var section busSection
	if err := strict(raw, &section); err != nil {
		return err
	}
	switch {
	case section.MaxConcurrentCalls < 0:
		return fmt.Errorf("maxConcurrentCalls is %d", section.MaxConcurrentCalls)
	case section.AutoComplete != nil && !*section.AutoComplete:
		return errors.New("autoCompleteMessages is false, and a custom handler has no other way to settle a message")
	case section.PrefetchCount != 0:
		return errors.New("prefetchCount other than 0 is not supported here")
	case section.MaxConcurrentCalls > 0:
		c.concurrency = section.MaxConcurrentCalls
	}
	c.noEffect("extensions.serviceBus.maxConcurrentSessions", section.Sessions)
	c.noEffect("extensions.serviceBus.maxConcurrentCallsPerSession", section.CallsPerSession)
	c.noEffect("extensions.serviceBus.sessionIdleTimeout", section.SessionIdle)
	c.noEffect("extensions.serviceBus.maxMessageBatchSize", section.MaxBatch)
	c.noEffect("extensions.serviceBus.minMessageBatchSize", section.MinBatch)
	c.noEffect("extensions.serviceBus.maxBatchWaitTime", section.BatchWait)
	c.noEffect("extensions.serviceBus.transportType", section.Transport)
	c.noEffect("extensions.serviceBus.clientRetryOptions", section.Retry)
	return readTimeSpan("maxAutoLockRenewalDuration", section.LockRenewal, &c.lockRenewal)
}

// strict decodes one JSON value and refuses unknown names.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if dec.More() {
		return errors.New("decode: text after the JSON value")
	}
	return nil
}

// readTimeSpan sets into from .NET's form of a duration, [d.]hh:mm[:ss[.fffffff]], unless text is empty.
func readTimeSpan(name, text string, into *time.Duration) error {
	if text == "" {
		return nil
	}
	d, err := parseTimeSpan(text)
	if err != nil {
		return fmt.Errorf("%s is %q: %w", name, text, err)
	}
	*into = d
	return nil
}

func parseTimeSpan(text string) (time.Duration, error) {
	wrong := errors.New("want [days.]hours:minutes:seconds, for example 00:10:00, and more than nothing")
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, wrong
	}
	days := "0"
	if d, h, ok := strings.Cut(parts[0], "."); ok {
		days, parts[0] = d, h
	}
	seconds := 0.0
	if len(parts) == 3 {
		var err error
		seconds, err = strconv.ParseFloat(parts[2], 64)
		if err != nil || !(seconds >= 0 && seconds < 60) {
			return 0, wrong
		}
	}
	total := time.Duration(seconds * float64(time.Second))
	for _, field := range []struct {
		text  string
		limit uint64
		unit  time.Duration
	}{{days, 10_000, 24 * time.Hour}, {parts[0], 23, time.Hour}, {parts[1], 59, time.Minute}} {
		n, err := strconv.ParseUint(field.text, 10, 16)
		if err != nil || n > field.limit {
			return 0, wrong
		}
		total += time.Duration(n) * field.unit
	}
	if total == 0 {
		return 0, wrong
	}
	return total, nil
}
