package funchost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The trigger types that are served here.
const (
	httpTrigger       = "httpTrigger"
	serviceBusTrigger = "serviceBusTrigger"
	eventGridTrigger  = "eventGridTrigger"
	timerTrigger      = "timerTrigger"
)

// Values of a binding's dataType. Without one the host binds a string.
const (
	dataString = "string"
	dataBinary = "binary"
)

// function is one folder with a function.json, checked and with its settings resolved.
type function struct {
	name    string
	trigger binding
	route   route    // httpTrigger
	cron    schedule // timerTrigger
	bus     string   // serviceBusTrigger: connection string
}

// binding is one element of bindings in function.json. Which names a type may use is in allowedNames.
type binding struct {
	Type      string `json:"type"`
	Direction string `json:"direction"`
	Name      string `json:"name"`

	AuthLevel string   `json:"authLevel"`
	Methods   []string `json:"methods"`
	Route     *string  `json:"route"`

	QueueName        string `json:"queueName"`
	TopicName        string `json:"topicName"`
	SubscriptionName string `json:"subscriptionName"`
	Connection       string `json:"connection"`
	DataType         string `json:"dataType"`
	Cardinality      string `json:"cardinality"`
	Sessions         bool   `json:"isSessionsEnabled"`

	Schedule     string `json:"schedule"`
	RunOnStartup bool   `json:"runOnStartup"`
	UseMonitor   *bool  `json:"useMonitor"`
}

// allowedNames are the names that a binding of a type may carry beside type, direction and name.
func allowedNames(kind string) ([]string, bool) {
	switch kind {
	case httpTrigger:
		return []string{"authLevel", "methods", "route"}, true
	case "http":
		return nil, true
	case serviceBusTrigger:
		return []string{"queueName", "topicName", "subscriptionName", "connection", "dataType", "cardinality", "isSessionsEnabled"}, true
	case eventGridTrigger:
		return []string{"cardinality"}, true
	case timerTrigger:
		return []string{"schedule", "runOnStartup", "useMonitor"}, true
	}
	return nil, false
}

// functionName is what the real host accepts as the name of a function's folder.
var functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,127}$`)

// readFunctions reads every */function.json below root. Folders without one are not functions.
func readFunctions(root string, host hostConfig, env settings) ([]*function, error) {
	files, err := filepath.Glob(filepath.Join(globQuote(root), "*", "function.json"))
	if err != nil {
		return nil, fmt.Errorf("look for functions: %w", err)
	}
	var functions []*function
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		f, err := readFunction(name, file, host, env)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", name, err)
		}
		sameName := func(other *function) bool { return strings.EqualFold(other.name, name) }
		if slices.ContainsFunc(functions, sameName) {
			return nil, fmt.Errorf("function %s: another one has this name with other capitals", name)
		}
		functions = append(functions, f)
	}
	if len(functions) == 0 {
		return nil, fmt.Errorf("no folder below %s holds a function.json", root)
	}
	return functions, nil
}

// globQuote makes a path match itself in a pattern.
func globQuote(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

func readFunction(name, file string, host hostConfig, env settings) (*function, error) {
	if !functionName.MatchString(name) {
		return nil, errors.New("the folder's name is no function name: a letter, then letters, digits, - and _, 128 at most")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read function.json: %w", err)
	}
	var content struct {
		Bindings []json.RawMessage `json:"bindings"`
	}
	if err := strict(raw, &content); err != nil {
		return nil, fmt.Errorf("function.json: %w", err)
	}
	f := &function{name: name}
	httpOut := false
	for i, raw := range content.Bindings {
		b, err := readBinding(raw, env)
		if err != nil {
			return nil, fmt.Errorf("function.json: binding %d: %w", i, err)
		}
		switch {
		case strings.HasSuffix(b.Type, "Trigger") && f.trigger.Type != "":
			return nil, errors.New("function.json: more than one trigger")
		case strings.HasSuffix(b.Type, "Trigger"):
			f.trigger = b
		case httpOut:
			return nil, errors.New("function.json: more than one http output")
		default:
			httpOut = true
		}
	}
	if f.trigger.Type == "" {
		return nil, errors.New("function.json: no trigger")
	}
	if err := f.fit(host, httpOut, env); err != nil {
		return nil, fmt.Errorf("function.json: %s %q: %w", f.trigger.Type, f.trigger.Name, err)
	}
	return f, nil
}

// readBinding decodes one binding, checks its names and resolves the settings in its values.
func readBinding(raw json.RawMessage, env settings) (binding, error) {
	var b binding
	var names map[string]json.RawMessage
	if err := json.Unmarshal(raw, &names); err != nil {
		return b, fmt.Errorf("decode: %w", err)
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, fmt.Errorf("decode: %w", err)
	}
	allowed, known := allowedNames(b.Type)
	if !known {
		return b, fmt.Errorf("type %q is not supported here", b.Type)
	}
	for name := range names {
		if !slices.Contains([]string{"type", "direction", "name"}, name) && !slices.Contains(allowed, name) {
			return b, fmt.Errorf("%s has no property %q", b.Type, name)
		}
	}
	want := "in"
	if b.Type == "http" {
		want = "out"
	}
	if b.Direction != want {
		return b, fmt.Errorf("direction of %s is %q, want %q", b.Type, b.Direction, want)
	}
	if b.Name == "" {
		return b, fmt.Errorf("%s has no name", b.Type)
	}
	for _, value := range []*string{&b.QueueName, &b.TopicName, &b.SubscriptionName, &b.Schedule} {
		expanded, err := env.expand(*value)
		if err != nil {
			return b, fmt.Errorf("%s: %w", b.Type, err)
		}
		*value = expanded
	}
	return b, nil
}

// fit checks the trigger against itself and against what runs here.
func (f *function) fit(host hostConfig, httpOut bool, env settings) error {
	b := f.trigger
	if httpOut && b.Type != httpTrigger {
		return errors.New("only an httpTrigger can have an http output")
	}
	if !host.bundle && (b.Type == serviceBusTrigger || b.Type == eventGridTrigger) {
		return errors.New("host.json has no extensionBundle, so the binding type is not registered")
	}
	if b.Cardinality != "" && b.Cardinality != "one" {
		return fmt.Errorf("cardinality %q is not supported here, want \"one\"", b.Cardinality)
	}
	switch b.Type {
	case httpTrigger:
		return f.fitHTTP(host, httpOut)
	case serviceBusTrigger:
		return f.fitServiceBus(env)
	case timerTrigger:
		cron, err := parseSchedule(b.Schedule)
		if err != nil {
			return fmt.Errorf("schedule %q: %w", b.Schedule, err)
		}
		f.cron = cron
	}
	return nil
}

func (f *function) fitHTTP(host hostConfig, httpOut bool) error {
	b := f.trigger
	switch {
	case !host.proxy:
		return errors.New("host.json does not set customHandler.enableProxyingHttpRequest")
	case !httpOut:
		return errors.New("there is no http output binding, without which the host does not proxy the request")
	case b.AuthLevel != "anonymous":
		return fmt.Errorf("authLevel %q is not supported here, want \"anonymous\"", b.AuthLevel)
	}
	template := f.name // the real host's default
	if b.Route != nil {
		template = *b.Route
	}
	r, err := parseRoute(host.routePrefix, template, b.Methods)
	if err != nil {
		return err
	}
	f.route = r
	return nil
}

func (f *function) fitServiceBus(env settings) error {
	b := f.trigger
	queue := b.QueueName != "" && b.TopicName == "" && b.SubscriptionName == ""
	topic := b.QueueName == "" && b.TopicName != "" && b.SubscriptionName != ""
	switch {
	case !queue && !topic:
		return errors.New("want either queueName, or topicName and subscriptionName")
	case b.Cardinality == "":
		return errors.New("cardinality is missing, want \"one\"")
	case b.DataType != "" && b.DataType != dataString && b.DataType != dataBinary:
		return fmt.Errorf("dataType %q is not supported here, want \"binary\" or \"string\"", b.DataType)
	case b.Sessions:
		return errors.New("isSessionsEnabled is not supported here")
	}
	prefix := b.Connection
	if prefix == "" {
		prefix = "ServiceBus" // the extension's default
	}
	connection, err := env.serviceBus(prefix)
	if err != nil {
		return err
	}
	f.bus = connection
	return nil
}

// entity names the queue or subscription for logs and errors.
func (f *function) entity() string {
	if f.trigger.QueueName != "" {
		return f.trigger.QueueName
	}
	return f.trigger.TopicName + "/subscriptions/" + f.trigger.SubscriptionName
}
