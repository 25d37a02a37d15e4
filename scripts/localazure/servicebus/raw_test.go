package servicebus

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"airlock/scripts/localazure/nodejs"
)

func TestRawClient(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}, Output: func(line string) { t.Log("broker: " + line) }})
	script, err := filepath.Abs(filepath.Join("testdata", "rawclient.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	p, err := nodejs.Start(within(t), nodejs.Options{
		Script: script,
		Args:   []string{strconv.Itoa(b.port), keyName, key},
		Ready:  func(line string) bool { return line == "done" },
		Output: func(line string) { got = append(got, line) },
	})
	if err != nil {
		t.Fatalf("%v\n%q", err, got)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	want := []string{
		"attach without a token: amqp:unauthorized-access",
		"expired token: 401",
		"token: 202",
		"message: accepted",
		"too large: amqp:link:message-size-exceeded",
		"cut off: amqp:decode-error",
		"header no list: amqp:decode-error",
		"no section: amqp:decode-error",
		"delivery tag: 16 bytes",
		"drained: credit 0, delivery count 10",
		"the next message went to the link with credit",
		"malformed request: disconnected",
		"done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 2, Active: 0})
}
