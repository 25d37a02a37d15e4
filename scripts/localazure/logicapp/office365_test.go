package logicapp

import (
	"maps"
	"strings"
	"testing"

	"airlock/scripts/localazure/logicapp/workflow"
)

// byOffice365 is the notifier with the other connector.
func byOffice365(more map[string]any) Options {
	parameters := map[string]any{"mailConnector": "office365"}
	maps.Copy(parameters, more)
	return notifier(parameters)
}

// TestOffice365SendsTheSameMails compares what both connectors are asked to send, for each kind of message.
func TestOffice365SendsTheSameMails(t *testing.T) {
	for _, k := range kinds(t) {
		var smtp, office recorder
		smtp.run(t, notifier(nil), sent(t, k, nil))
		for _, format := range []string{"html", "text"} { // the connector knows HTML only
			office = recorder{}
			result := office.run(t, byOffice365(map[string]any{"mailFormat": format}), sent(t, k, nil))
			if result.Status != workflow.Succeeded || office.office != len(office.mails) || smtp.office != 0 || len(office.mails) != len(smtp.mails) {
				t.Fatalf("%s: %s (%v), %d mails, %d by Office 365", k, result.Status, result.Err, len(office.mails), office.office)
			}
			for i, m := range office.mails {
				for ours, theirs := range map[string]string{"From": "from", "To": "to", "Subject": "subject", "Body": "body"} {
					if m[ours] != smtp.mails[i][theirs] {
						t.Errorf("%s: %s is %v, and by SMTP %v", k, ours, m[ours], smtp.mails[i][theirs])
					}
				}
			}
		}
	}
}

// TestOffice365Refuses: a mail that the connector does not take has the same consequences.
func TestOffice365Refuses(t *testing.T) {
	body := notice(t, func(data, _ map[string]any) { data["recipients"] = []string{"a@tre.example", "b@tre.example"} })
	for name, test := range map[string]struct {
		refuse  string
		settled string
	}{
		"one": {"a@tre.example", "deadLetterTopicMessageV2 PartlySent"},
		"all": {"tre.example", "abandonTopicMessageV2"},
	} {
		r := recorder{refuse: func(to string) bool { return strings.Contains(to, test.refuse) }}
		result := r.run(t, byOffice365(nil), body)
		if result.Status != workflow.Failed || len(r.settled) != 1 || r.settled[0] != test.settled || r.office != 2 {
			t.Errorf("%s: %s, settled %v, %d by Office 365", name, result.Status, r.settled, r.office)
		}
	}
}

// TestOffice365ToMailbox takes a notice from the bus to a mailbox by the local stand-in of the connector.
func TestOffice365ToMailbox(t *testing.T) {
	b := startBench(t, byOffice365(nil), nil)
	b.send(t, topic, message("office", notice(t, func(data, request map[string]any) {
		request["title"], data["recipients"] = "Größe", []string{"a@tre.example"}
	}).(string)))
	eventually(t, "the mail", func() bool { return len(b.box.Mails()) == 1 })
	if m := b.box.Mails()[0]; m.From != "airlock@tre.example" || m.Subject != "Submitted: Größe" || m.Text != "" || !strings.Contains(m.HTML, "was submitted.") {
		t.Errorf("%+v", m)
	}
	eventually(t, "a settled message", func() bool { return b.stats(t, subscription).Active == 0 })
}

func TestOffice365ChecksWhatItIsAsked(t *testing.T) {
	good := map[string]any{"From": "a@tre.example", "To": "b@tre.example;c@tre.example", "Cc": "d@tre.example", "Subject": "s", "Body": "<p>b</p>"}
	if m, err := officeLetter(good); err != nil || !m.html || len(m.recipients()) != 3 {
		t.Fatalf("%v, %+v", err, m)
	}
	for want, change := range map[string]func(map[string]any){
		`unknown parameter "isHTML"`: func(p map[string]any) { p["isHTML"] = true },
		"To is missing":              func(p map[string]any) { delete(p, "To") },
		"Body is missing":            func(p map[string]any) { delete(p, "Body") },
		"subject is not a string":    func(p map[string]any) { p["Subject"] = 1 },
		"from must be one address":   func(p map[string]any) { delete(p, "From") },
	} {
		p := maps.Clone(good)
		change(p)
		if _, err := officeLetter(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestManagedConnectionsAreChecked(t *testing.T) {
	settings := notifierSettings()
	connection := func(kind string) map[string]any {
		return map[string]any{
			"api": map[string]any{"id": "@appsetting('office365_apiId')"}, "connection": map[string]any{"id": "@appsetting('office365_connectionId')"},
			"connectionRuntimeUrl": "@appsetting('office365_connectionRuntimeUrl')", "authentication": map[string]any{"type": kind},
		}
	}
	const identity = "ManagedServiceIdentity"
	if err := checkManaged("office365", office365, connection(identity), settings); err != nil {
		t.Error(err)
	}
	without := maps.Clone(settings)
	delete(without, "office365_connectionRuntimeUrl")
	other := maps.Clone(settings)
	other["office365_apiId"] = "/managedApis/outlook"
	for want, test := range map[string]struct {
		entry    any
		settings map[string]string
	}{
		`no managed connection "office365"`:           {nil, settings},
		"not with the identity of the app":            {connection("Raw"), settings},
		`no setting "office365_connectionRuntimeUrl"`: {connection(identity), without},
		`is to "/managedApis/outlook"`:                {connection(identity), other},
	} {
		if err := checkManaged("office365", office365, test.entry, test.settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
