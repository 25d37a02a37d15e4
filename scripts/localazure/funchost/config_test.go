package funchost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// description is a customHandler section that works, with additions.
func description(t *testing.T, extra map[string]any) map[string]any {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]any{
		"description":               map[string]any{"defaultExecutablePath": self},
		"enableProxyingHttpRequest": true,
	}
	for name, value := range extra {
		section[name] = value
	}
	return section
}

func TestHostJSONRefused(t *testing.T) {
	tests := []struct {
		name string
		host map[string]any
		want string
	}{
		{"no version", map[string]any{"version": nil}, "version"},
		{"old version", map[string]any{"version": "1.0"}, "2.0"},
		{"unknown name", map[string]any{"functionTimeOut2": "x"}, "functionTimeOut2"},
		{"timeout without colons", map[string]any{"functionTimeout": "600"}, "functionTimeout"},
		{"timeout of nothing", map[string]any{"functionTimeout": "00:00:00"}, "functionTimeout"},
		{"timeout out of range", map[string]any{"functionTimeout": "00:60:00"}, "functionTimeout"},
		{"no custom handler", map[string]any{"customHandler": nil}, "customHandler"},
		{"unknown custom handler name", map[string]any{"customHandler": description(t, map[string]any{"port": 7})}, "port"},
		{"forwarding alone", map[string]any{"customHandler": description(t, map[string]any{"enableProxyingHttpRequest": false, "enableForwardingHttpRequest": true})}, "enableForwardingHttpRequest"},
		{"no executable", map[string]any{"customHandler": map[string]any{}}, "defaultExecutablePath"},
		{"missing executable", map[string]any{"customHandler": map[string]any{"description": map[string]any{"defaultExecutablePath": "no-such-handler"}}}, "no-such-handler"},
		{"executable without permission", map[string]any{"customHandler": map[string]any{"description": map[string]any{"defaultExecutablePath": "host.json"}}}, "not executable"},
		{"executable is a folder", map[string]any{"customHandler": map[string]any{"description": map[string]any{"defaultExecutablePath": "F"}}}, "folder"},
		{"argument without setting", map[string]any{"customHandler": map[string]any{"description": map[string]any{"defaultExecutablePath": "x", "arguments": []string{"%NOPE%"}}}}, "NOPE"},
		{"no proxying", map[string]any{"customHandler": description(t, map[string]any{"enableProxyingHttpRequest": false})}, "enableProxyingHttpRequest"},
		{"no bundle", map[string]any{"extensionBundle": nil}, "extensionBundle"},
		{"unknown extension", map[string]any{"extensions": map[string]any{"cosmosDB": map[string]any{}}}, "cosmosDB"},
		{"unknown http setting", map[string]any{"extensions": map[string]any{"http": map[string]any{"prefix": "x"}}}, "prefix"},
		{"settling by hand", map[string]any{"extensions": map[string]any{"serviceBus": map[string]any{"autoCompleteMessages": false}}}, "autoCompleteMessages"},
		{"prefetch", map[string]any{"extensions": map[string]any{"serviceBus": map[string]any{"prefetchCount": 5}}}, "prefetchCount"},
		{"negative calls", map[string]any{"extensions": map[string]any{"serviceBus": map[string]any{"maxConcurrentCalls": -1}}}, "maxConcurrentCalls"},
		{"bad renewal", map[string]any{"extensions": map[string]any{"serviceBus": map[string]any{"maxAutoLockRenewalDuration": "soon"}}}, "maxAutoLockRenewalDuration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, map[string]string{"F": eventBinding, "A": apiBinding}, tt.host)
			_, err := prepare(a.opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one about %s", err, tt.want)
			}
		})
	}
}

func TestHostJSONValues(t *testing.T) {
	handler := description(t, map[string]any{"initializationTimeout": "00:01:00"})
	handler["description"].(map[string]any)["workingDirectory"] = "work"
	handler["description"].(map[string]any)["arguments"] = []string{"-mode=%MODE%", "100%"}
	a := newApp(t, map[string]string{"F": eventBinding}, map[string]any{
		"functionTimeout": "1.02:03:04.5",
		"customHandler":   handler,
		"logging":         map[string]any{"logLevel": map[string]string{"default": "Trace"}},
		"extensions": map[string]any{
			"http":       map[string]any{"routePrefix": "/v1/", "hsts": map[string]any{}},
			"serviceBus": map[string]any{"maxConcurrentCalls": 8, "maxAutoLockRenewalDuration": "00:10:00", "autoCompleteMessages": true, "transportType": "amqpTcp"},
		},
	})
	a.opts.Env = append(a.opts.Env, "mode=old", "MODE=fast")
	h, err := prepare(a.opts)
	if err != nil {
		t.Fatal(err)
	}
	c := h.config
	if want := 26*time.Hour + 3*time.Minute + 4*time.Second + 500*time.Millisecond; c.functionTimeout != want {
		t.Errorf("functionTimeout is %v, want %v", c.functionTimeout, want)
	}
	if c.initTimeout != time.Minute || c.routePrefix != "v1" || c.concurrency != 8 || c.lockRenewal != 10*time.Minute {
		t.Errorf("configuration is %+v", c)
	}
	if c.workingDir != filepath.Join(a.root, "work") || strings.Join(c.arguments, " ") != "-mode=fast 100%" {
		t.Errorf("working directory %s, arguments %q", c.workingDir, c.arguments)
	}
	if got := strings.Join(c.unused, " "); got != "extensions.http.hsts extensions.serviceBus.transportType logging" {
		t.Errorf("without effect: %s", got)
	}
	if !strings.Contains(a.log.String(), "extensions.http.hsts") {
		t.Error("the log does not say what has no effect")
	}
}

func TestHostJSONDefaults(t *testing.T) {
	h, err := prepare(newApp(t, map[string]string{"F": eventBinding}, nil).opts)
	if err != nil {
		t.Fatal(err)
	}
	c := h.config
	if c.functionTimeout != 30*time.Minute || c.initTimeout != 30*time.Second || c.routePrefix != "api" ||
		c.concurrency != 16*runtime.NumCPU() || c.lockRenewal != 5*time.Minute || h.bodyLimit != 104857600 {
		t.Errorf("defaults are %+v, body limit %d", c, h.bodyLimit)
	}
	a := newApp(t, map[string]string{"F": eventBinding}, map[string]any{"functionTimeout": "-1"})
	if h, err = prepare(a.opts); err != nil || h.config.functionTimeout != 0 {
		t.Errorf("functionTimeout -1: %v, %+v", err, h)
	}
}

func TestExecutableOnSearchPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "found-handler"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	got, err := findExecutable(t.TempDir(), "found-handler")
	if err != nil || got != filepath.Join(dir, "found-handler") {
		t.Errorf("found %q, %v", got, err)
	}
}

func TestFunctionJSONRefused(t *testing.T) {
	bus := func(fields string) string {
		return `{"type":"serviceBusTrigger","direction":"in","name":"m",` + fields + `}`
	}
	http := func(fields string) string {
		return `{"type":"httpTrigger","direction":"in","name":"r",` + fields + `},{"type":"http","direction":"out","name":"res"}`
	}
	tests := []struct {
		name, function, bindings, want string
	}{
		{"no trigger", "F", ``, "no trigger"},
		{"two triggers", "F", eventBinding + "," + timerBinding, "more than one trigger"},
		{"unknown type", "F", `{"type":"blobTrigger","direction":"in","name":"b"}`, "blobTrigger"},
		{"unknown property", "F", `{"type":"eventGridTrigger","direction":"in","name":"e","path":"x"}`, `"path"`},
		{"no direction", "F", `{"type":"eventGridTrigger","name":"e"}`, "direction"},
		{"wrong direction", "F", `{"type":"eventGridTrigger","direction":"out","name":"e"}`, "direction"},
		{"no name", "F", `{"type":"eventGridTrigger","direction":"in"}`, "no name"},
		{"wrong JSON type", "F", `{"type":"eventGridTrigger","direction":"in","name":7}`, "decode"},
		{"bad folder name", "1F", eventBinding, "function name"},
		{"many events", "F", `{"type":"eventGridTrigger","direction":"in","name":"e","cardinality":"many"}`, "cardinality"},
		{"http output on an event", "F", eventBinding + `,{"type":"http","direction":"out","name":"res"}`, "httpTrigger"},
		{"two http outputs", "F", apiBinding + `,{"type":"http","direction":"out","name":"again"}`, "more than one http"},
		{"http without output", "F", `{"type":"httpTrigger","direction":"in","name":"r","authLevel":"anonymous"}`, "http output"},
		{"http with a key", "F", http(`"authLevel":"function"`), "authLevel"},
		{"http without level", "F", http(`"route":"x"`), "authLevel"},
		{"bad route", "F", http(`"authLevel":"anonymous","route":"{id:int}"`), "{id:int}"},
		{"queue and topic", "F", bus(`"queueName":"q","topicName":"t","subscriptionName":"s","cardinality":"one","connection":"ServiceBus"`), "queueName"},
		{"topic alone", "F", bus(`"topicName":"t","cardinality":"one","connection":"ServiceBus"`), "subscriptionName"},
		{"no cardinality", "F", bus(`"queueName":"q","connection":"ServiceBus"`), "cardinality is missing"},
		{"many messages", "F", bus(`"queueName":"q","cardinality":"many","connection":"ServiceBus"`), "cardinality"},
		{"stream", "F", bus(`"queueName":"q","cardinality":"one","dataType":"stream","connection":"ServiceBus"`), "stream"},
		{"sessions", "F", bus(`"queueName":"q","cardinality":"one","isSessionsEnabled":true,"connection":"ServiceBus"`), "isSessionsEnabled"},
		{"queue without setting", "F", bus(`"queueName":"%NOPE%","cardinality":"one","connection":"ServiceBus"`), "NOPE"},
		{"no connection setting", "F", bus(`"queueName":"q","cardinality":"one","connection":"Other"`), "Other"},
		{"identity connection", "F", bus(`"queueName":"q","cardinality":"one","connection":"Cloud"`), "identity"},
		{"no schedule", "F", `{"type":"timerTrigger","direction":"in","name":"t"}`, "schedule"},
		{"bad schedule", "F", `{"type":"timerTrigger","direction":"in","name":"t","schedule":"* * * * *"}`, "6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, map[string]string{tt.function: tt.bindings}, nil)
			a.opts.Env = append(a.opts.Env, "ServiceBus=Endpoint=sb://x/", "Cloud__fullyQualifiedNamespace=ns.servicebus.windows.net")
			_, err := prepare(a.opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.function) {
				t.Errorf("error is %v, want one about %s", err, tt.want)
			}
		})
	}
}

func TestFunctionSettings(t *testing.T) {
	a := newApp(t, map[string]string{"F": busBinding("binary"), "G": busBinding("string")}, nil)
	a.opts.Env = append(a.opts.Env, "queue=the-queue", "ServiceBus=general", "AzureWebJobsServiceBus=special")
	h, err := prepare(a.opts)
	if err != nil {
		t.Fatal(err)
	}
	f := h.find("F", serviceBusTrigger)
	if f == nil || f.entity() != "the-queue" || f.bus != "special" {
		t.Errorf("function is %+v", f)
	}
	if got := strings.Join(h.Functions(), " "); got != "F G" {
		t.Errorf("functions are %s", got)
	}
}

func TestAppRefused(t *testing.T) {
	empty := newApp(t, nil, nil)
	if _, err := prepare(empty.opts); err == nil || !strings.Contains(err.Error(), "function.json") {
		t.Errorf("an app without functions: %v", err)
	}
	twice := newApp(t, map[string]string{"Fun": eventBinding, "fun": eventBinding}, nil)
	if _, err := prepare(twice.opts); err == nil || !strings.Contains(err.Error(), "capitals") {
		t.Errorf("one name twice: %v", err)
	}
	for name, change := range map[string]func(*Options){
		"Timers":                            func(o *Options) { o.Timers = map[string]time.Duration{"F": time.Second} },
		"interval":                          func(o *Options) { o.Timers = map[string]time.Duration{"T": 0} },
		"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": func(o *Options) { o.Env = append(o.Env, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=much") },
		"decode timer state":                func(o *Options) { o.TimerState = filepath.Join(o.ScriptRoot, "bad.json") },
		"random":                            func(o *Options) { o.Random = strings.NewReader("too short") },
	} {
		a := newApp(t, map[string]string{"F": eventBinding, "T": timerBinding}, nil)
		a.write("bad.json", "{")
		change(&a.opts)
		_, err := prepare(a.opts)
		if name == "random" {
			name = "host key"
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	for _, address := range []string{"0.0.0.0:0", "example.org:80", ":0", "127.0.0.1"} {
		a := newApp(t, map[string]string{"F": eventBinding}, nil)
		a.opts.Listen = address
		if h, err := Start(t.Context(), a.opts); err == nil {
			h.Stop()
			t.Errorf("listening on %s was accepted", address)
		}
	}
}

// The keys of settings must survive the trip through JSON: a section with every known name is accepted.
func TestEveryKnownSettingIsAccepted(t *testing.T) {
	var all map[string]any
	err := json.Unmarshal([]byte(`{
		"logging":{},"concurrency":{},"healthMonitor":{},"aggregator":{},"singleton":{},"telemetryMode":"x","watchDirectories":[],
		"extensions":{"http":{"routePrefix":"api","maxOutstandingRequests":1,"maxConcurrentRequests":1,"dynamicThrottlesEnabled":true,"customHeaders":{},"hsts":{}},
		"serviceBus":{"prefetchCount":0,"autoCompleteMessages":true,"maxConcurrentCalls":1,"maxAutoLockRenewalDuration":"00:05:00","maxConcurrentSessions":8,
		"maxConcurrentCallsPerSession":1,"sessionIdleTimeout":"00:01:00","maxMessageBatchSize":1,"minMessageBatchSize":1,"maxBatchWaitTime":"00:00:30","transportType":"amqpTcp","clientRetryOptions":{}}}}`), &all)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(newApp(t, map[string]string{"F": eventBinding}, all).opts); err != nil {
		t.Error(err)
	}
}
