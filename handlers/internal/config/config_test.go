package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/config"
)

// complete is the least that a deployment sets.
func complete() map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": "7071", "AIRLOCK_TRE_ID": "tre", "AIRLOCK_TENANT_ID": "t",
		"AIRLOCK_ISSUER": "https://login.microsoftonline.com/t/v2.0", "AIRLOCK_API_AUDIENCE": "a,b",
		"AIRLOCK_TABLE_ACCOUNT": "stairlocktre", "ServiceBus__fullyQualifiedNamespace": "sb.servicebus.windows.net",
		"AIRLOCK_SIGNING_KEY_URL": "https://kv.vault.azure.net/keys/signing",
	}
}

func read(values map[string]string) (config.Config, error) {
	return config.Read(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
}

func TestDefaults(t *testing.T) {
	c, err := read(complete())
	if err != nil {
		t.Fatal(err)
	}
	if c.LinkBase != "https://{account}.blob.core.windows.net" || c.LinkLifetime != time.Hour || !c.ScanTags ||
		len(c.APIAudiences) != 2 || c.StatusQueue != "airlock-status-changed" || c.TableName != "airlock" {
		t.Errorf("got %+v", c)
	}
}

func TestOnlyACommandNeedsNoPort(t *testing.T) {
	values := complete()
	delete(values, "FUNCTIONS_CUSTOMHANDLER_PORT")
	lookup := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	if _, err := config.Read(lookup); err == nil || !strings.Contains(err.Error(), "FUNCTIONS_CUSTOMHANDLER_PORT") {
		t.Errorf("the program itself: %v", err)
	}
	if c, err := config.ReadForCommand(lookup); err != nil || c.TREID != "tre" {
		t.Errorf("a command: %v", err)
	}
	delete(values, "AIRLOCK_TRE_ID")
	if _, err := config.ReadForCommand(lookup); err == nil || !strings.Contains(err.Error(), "AIRLOCK_TRE_ID") {
		t.Errorf("a command without a TRE: %v", err)
	}
}

func TestEveryProblemAtOnceAndNoValue(t *testing.T) {
	const secret = "Endpoint=sb://x;SharedAccessKey=hunter2"
	_, err := read(map[string]string{
		"AIRLOCK_TRE_ID": "no spaces please", "ServiceBus": secret, "AIRLOCK_SCAN_TAGS": "perhaps", "AIRLOCK_LINK_LIFETIME": "long",
	})
	if err == nil {
		t.Fatal("nothing was refused")
	}
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "AIRLOCK_TENANT_ID", "AIRLOCK_ISSUER", "AIRLOCK_API_AUDIENCE",
		"AIRLOCK_TABLE_ACCOUNT", "AIRLOCK_SCAN_TAGS", "AIRLOCK_LINK_LIFETIME"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	for _, value := range []string{"hunter2", "perhaps", "no spaces"} {
		if strings.Contains(err.Error(), value) {
			t.Errorf("the error quotes a value: %v", err)
		}
	}
}

func TestDangerousSettingsAreRefused(t *testing.T) {
	for _, test := range []struct{ name, value, says string }{
		{"AIRLOCK_ISSUER", "http://login.example.org/t", "AIRLOCK_ISSUER"},
		{"AIRLOCK_LINK_BASE", "http://{account}.example.org", "AIRLOCK_LINK_BASE"},
		{"AIRLOCK_LINK_BASE", "https://links.example.org", "{account}"},
		{"ServiceBus", "Endpoint=sb://x;SharedAccessKey=y", "exactly one"},
		{"AIRLOCK_LINK_LIFETIME", "200h", "7 days"},
		{"AIRLOCK_INVOCATION_TIMEOUT", "10m", "functionTimeout"},
		{"AIRLOCK_SETTINGS_CACHE", "1h", "AIRLOCK_SETTINGS_CACHE"},
		{"AIRLOCK_API_AUDIENCE", "a,,b", "empty entry"},
		{"AIRLOCK_LOG_LEVEL", "loud", "AIRLOCK_LOG_LEVEL"},
		{"AIRLOCK_TABLE_ACCOUNT", "Not-An-Account", "AIRLOCK_TABLE_ACCOUNT"},
		{"AIRLOCK_SCAN_DEADLINE", "0s", "AIRLOCK_SCAN_DEADLINE"},
		{"AIRLOCK_CLAIM_LIFETIME", "59s", "AIRLOCK_CLAIM_LIFETIME"},
		{"AIRLOCK_CLAIM_LIFETIME", "721h", "AIRLOCK_CLAIM_LIFETIME"},
		{"AIRLOCK_MAX_DRAFTS", "-1", "AIRLOCK_MAX_DRAFTS"},
		{"AIRLOCK_SWEEP_GRACE", "10ms", "AIRLOCK_SWEEP_GRACE"},
		{"AIRLOCK_SWEEP_GRACE", "24h", "AIRLOCK_SWEEP_GRACE"},
		{"AIRLOCK_RETRY_LONGEST", "0s", "AIRLOCK_RETRY_LONGEST"},
		{"AIRLOCK_RETRY_LONGEST", "24h", "AIRLOCK_RETRY_LONGEST"},
		{"AIRLOCK_OPERATOR_EMAILS", "ops@example.org,nobody", "entry 2"},
		{"AIRLOCK_OPERATOR_EMAILS", "ops@example.org;night@example.org", "entry 1"},
		{"AIRLOCK_SIGNING_KEY_FILE", "signing.pem", "exactly one"},
		{"AIRLOCK_SIGNING_KEY_URL", "", "exactly one"},
		{"AIRLOCK_SIGNING_KEY_URL", "http://kv.example.org/keys/signing", "AIRLOCK_SIGNING_KEY_URL"},
		{"AIRLOCK_SIGNING_KEY_URL", "https://kv.vault.azure.net/secrets/signing", "AIRLOCK_SIGNING_KEY_URL"},
		{"AIRLOCK_CHECKPOINT_CONTAINER", "Check points", "AIRLOCK_CHECKPOINT_CONTAINER"},
		{"AIRLOCK_CHECKPOINT_EVERY", "1s", "AIRLOCK_CHECKPOINT_EVERY"},
		{"AIRLOCK_CHECKPOINT_EVERY", "200h", "AIRLOCK_CHECKPOINT_EVERY"},
		{"AIRLOCK_RETAIN_RELEASED", "5m", "AIRLOCK_RETAIN_RELEASED"},
		{"AIRLOCK_RETAIN_REFUSED", "-24h", "AIRLOCK_RETAIN_REFUSED"},
		{"AIRLOCK_RETAIN_QUARANTINE", "900000h", "AIRLOCK_RETAIN_QUARANTINE"},
		{"AIRLOCK_RETAIN_RECORDS", "a year", "AIRLOCK_RETAIN_RECORDS"},
		{"AIRLOCK_VERIFY_UP_TO", "-1", "AIRLOCK_VERIFY_UP_TO"},
		{"AIRLOCK_REMIND_AFTER", "-1h", "AIRLOCK_REMIND_AFTER"},
		{"AIRLOCK_REMIND_AFTER", "120h", "AIRLOCK_ESCALATE_AFTER"},
		{"AIRLOCK_ESCALATE_AFTER", "1h", "AIRLOCK_ESCALATE_AFTER"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			values := complete()
			values[test.name] = test.value
			if _, err := read(values); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want something about %q", err, test.says)
			}
		})
	}
}

func TestReminders(t *testing.T) {
	for _, test := range []struct{ remind, escalate string }{{"0", "0"}, {"0", "1h"}, {"1h", "0"}, {"1h", "2h"}} {
		values := complete()
		values["AIRLOCK_REMIND_AFTER"], values["AIRLOCK_ESCALATE_AFTER"] = test.remind, test.escalate
		values["AIRLOCK_OPERATOR_EMAILS"] = "ops@example.org, night@example.org"
		c, err := read(values)
		if err != nil || !slices.Equal(c.OperatorEmails, []string{"ops@example.org", "night@example.org"}) {
			t.Errorf("%+v: %v, %v", test, c.OperatorEmails, err)
		}
	}
	if c, err := read(complete()); err != nil || c.RemindAfter != 48*time.Hour || c.EscalateAfter != 120*time.Hour || len(c.OperatorEmails) != 0 {
		t.Errorf("by default %s, %s, %v (%v)", c.RemindAfter, c.EscalateAfter, c.OperatorEmails, err)
	}
}

func TestEmulatorConnectionStringIsTheOnlyOne(t *testing.T) {
	values := complete()
	delete(values, "ServiceBus__fullyQualifiedNamespace")
	real := maps.Clone(values)
	real["ServiceBus"] = "Endpoint=sb://x.servicebus.windows.net;SharedAccessKeyName=k;SharedAccessKey=y"
	if _, err := read(real); err == nil || strings.Contains(err.Error(), "SharedAccessKey") {
		t.Errorf("a real connection string: %v", err)
	}
	values["ServiceBus"] = "Endpoint=sb://127.0.0.1;SharedAccessKeyName=k;SharedAccessKey=y;UseDevelopmentEmulator=true"
	if _, err := read(values); err != nil {
		t.Errorf("the emulator's: %v", err)
	}
}

func TestLoopbackMayBePlain(t *testing.T) {
	for _, host := range []string{"127.0.0.1:1234", "localhost:1", "[::1]:5"} {
		values := complete()
		values["AIRLOCK_ISSUER"], values["AIRLOCK_LINK_BASE"] = "http://"+host+"/t/v2.0", "http://"+host+"/{account}"
		if _, err := read(values); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}
