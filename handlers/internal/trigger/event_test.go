package trigger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/trigger"
)

const container = "0193f5c0-0000-7000-8000-000000000001"

func blobCreated(account, container, blob string) string {
	return fmt.Sprintf(`{"id":"1","topic":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/%s",
		"subject":"/blobServices/default/containers/%s/blobs/%s","eventType":"Microsoft.Storage.BlobCreated",
		"eventTime":"2026-11-22T09:00:00.1234567Z","dataVersion":"","metadataVersion":"1",
		"data":{"api":"CopyBlob","eTag":"\"0x8D\"","contentLength":1,"url":"https://x/y","sequencer":"1","new":{}}}`, account, container, blob)
}

func scanResult(result, details string) string {
	return fmt.Sprintf(`{"id":"1","subject":"storageAccounts/stalimip1/containers/%[1]s/blobs/a b/c.csv","topic":"/t",
		"eventType":"Microsoft.Security.MalwareScanningResult","data":{"correlationId":"c",
		"blobUri":"https://stalimip1.blob.core.windows.net/%[1]s/a b/c.csv","eTag":"0x8D",
		"scanFinishedTimeUtc":"2026-11-22T09:00:01Z","scanResultType":"%[2]s","scanResultDetails":%[3]s}}`, container, result, details)
}

func TestDecodeBlobCreated(t *testing.T) {
	good := airlock.Place{Account: "stalimip1", Container: container}
	tests := []struct {
		name, event string
		place       airlock.Place
		relevant    bool
		problem     string // part of the error; empty: none
	}{
		{"as storage sends it", blobCreated("stalimip1", container, "a"), good, true, ""},
		{"a name with folders, spaces, marks and a second /blobs/", blobCreated("stalimip1", container, "x/blobs/ä %23+.csv"), good, true, ""},
		{"a name that looks like a place", blobCreated("stalimip1", container, "containers/evil/blobs/x"), good, true, ""},
		{"CloudEvents", strings.NewReplacer(`"eventType"`, `"type"`, `"topic"`, `"source"`).Replace(blobCreated("stalimip1", container, "a")), good, true, ""},
		{"deleted", strings.Replace(blobCreated("a", "b", "c"), "BlobCreated", "BlobDeleted", 1), airlock.Place{}, false, ""},
		{"a scan result", scanResult("Malicious", "null"), airlock.Place{}, false, ""},
		{"type in other letters", strings.Replace(blobCreated("a", "b", "c"), "BlobCreated", "blobcreated", 1), airlock.Place{}, false, ""},
		{"no account", blobCreated("", "b", "c"), airlock.Place{}, false, "no account"},
		{"more after the account", blobCreated("a/blobServices/default", "b", "c"), airlock.Place{}, false, "no account"},
		{"no container", blobCreated("a", "", "c"), airlock.Place{}, false, "no account"},
		{"a container with a slash", blobCreated("a", "b/c", "d"), airlock.Place{}, false, "no account"},
		{"no blob", blobCreated("a", "b", ""), airlock.Place{}, false, "no account"},
		{"no subject", `{"eventType":"Microsoft.Storage.BlobCreated","topic":"/storageAccounts/a"}`, airlock.Place{}, false, "no account"},
		{"no type", `{}`, airlock.Place{}, false, "no type"},
		{"a list", `[]`, airlock.Place{}, false, "not the JSON"},
		{"cut off", `{"eventType":`, airlock.Place{}, false, "not the JSON"},
		{"nothing", ``, airlock.Place{}, false, "not the JSON"},
		{"a subject that is an object", `{"eventType":"Microsoft.Storage.BlobCreated","subject":{}}`, airlock.Place{}, false, "not the JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			place, relevant, err := trigger.DecodeBlobCreated(json.RawMessage(test.event))
			if place != test.place || relevant != test.relevant {
				t.Errorf("got %+v, relevant %v; want %+v, %v", place, relevant, test.place, test.relevant)
			}
			checkError(t, err, test.problem)
		})
	}
}

func TestDecodeScanResult(t *testing.T) {
	const clean, malicious, silent = airlock.Clean, airlock.Malicious, airlock.NotScanned
	long := strings.Repeat("ä", 400)
	tests := []struct {
		name, event string
		want        airlock.Verdict
	}{
		{"clean", scanResult("No threats found", "null"), airlock.Verdict{Result: clean}},
		{"clean with a digest", scanResult("No threats found", `{"sha256":"AB"}`), airlock.Verdict{Result: clean, SHA256: "AB"}},
		{"malicious", scanResult("Malicious", `{"malwareNamesFound":["DOS/EICAR_Test_File"],"sha256":"AB"}`),
			airlock.Verdict{Result: malicious, SHA256: "AB", Malware: []string{"DOS/EICAR_Test_File"}}},
		{"malicious with many names", scanResult("Malicious", `{"malwareNamesFound":["1","2","3","4","5","6"]}`),
			airlock.Verdict{Result: malicious, Malware: []string{"1", "2", "3", "4", "5"}}},
		{"not scanned", scanResult("Not Scanned", `{"notScannedReason":"SAM259206: too large"}`), airlock.Verdict{Result: silent, Reason: "SAM259206: too large"}},
		{"not scanned, no reason", scanResult("Not Scanned", `{}`), airlock.Verdict{Result: silent, Reason: "Not Scanned"}},
		{"a long reason", scanResult("Not Scanned", `{"notScannedReason":"`+long+`"}`), airlock.Verdict{Result: silent, Reason: long[:600] + "…"}},
		// Only the exact words count as clean, and only the exact word as malware.
		{"clean in other letters", scanResult("no threats found", "null"), airlock.Verdict{Result: silent, Reason: "no threats found"}},
		{"clean with a space", scanResult("No threats found ", "null"), airlock.Verdict{Result: silent, Reason: "No threats found "}},
		{"an error", scanResult("Error", "null"), airlock.Verdict{Result: silent, Reason: "Error"}},
		{"malicious in other letters", scanResult("malicious", "null"), airlock.Verdict{Result: silent, Reason: "malicious"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, relevant, err := trigger.DecodeScanResult(json.RawMessage(test.event))
			if err != nil || !relevant {
				t.Fatalf("relevant %v, %v", relevant, err)
			}
			want := airlock.Place{Account: "stalimip1", Container: container}
			if r.Place != want || r.Name != "a b/c.csv" || r.ETag != "0x8D" || r.Verdict.At != "2026-11-22T09:00:01Z" {
				t.Errorf("got %+v", r)
			}
			v := r.Verdict
			if v.Result != test.want.Result || v.Reason != test.want.Reason || v.SHA256 != test.want.SHA256 || !slices.Equal(v.Malware, test.want.Malware) {
				t.Errorf("got the verdict %+v, want %+v", v, test.want)
			}
		})
	}
}

func TestDecodeScanResultTakesNamesAsTheyAre(t *testing.T) {
	// The address in the event is not percent-encoded: what looks like an encoding or a query is part of the name.
	for _, name := range []string{"a%20b.csv", "a?b#c.csv", "x//y", " lead", "日本語.txt", "a&sig=b"} {
		event := strings.ReplaceAll(scanResult("Malicious", "null"), "a b/c.csv", name)
		r, _, err := trigger.DecodeScanResult(json.RawMessage(event))
		if err != nil || r.Name != name {
			t.Errorf("got %q, %v; want %q", r.Name, err, name)
		}
	}
	quoted := strings.Replace(scanResult("Malicious", "null"), `"0x8D"`, `"\"0x8D\""`, 1)
	if r, _, err := trigger.DecodeScanResult(json.RawMessage(quoted)); err != nil || r.ETag != "0x8D" {
		t.Errorf("a quoted ETag became %q, %v", r.ETag, err)
	}
}

func TestDecodeScanResultRefuses(t *testing.T) {
	good := scanResult("Malicious", "null")
	uri := "https://stalimip1.blob.core.windows.net/" + container + "/a b/c.csv"
	tests := map[string]struct{ event, problem string }{
		"no data":             {`{"eventType":"Microsoft.Security.MalwareScanningResult"}`, "not the JSON"},
		"data is a list":      {`{"eventType":"Microsoft.Security.MalwareScanningResult","data":[]}`, "not the JSON"},
		"empty data":          {`{"eventType":"Microsoft.Security.MalwareScanningResult","data":{}}`, "names no blob"},
		"plain http":          {strings.Replace(good, "https://", "http://", 1), "names no blob"},
		"no blob":             {strings.Replace(good, uri, "https://stalimip1.blob.core.windows.net/"+container, 1), "names no blob"},
		"no container":        {strings.Replace(good, uri, "https://stalimip1.blob.core.windows.net", 1), "names no blob"},
		"no account":          {strings.Replace(good, uri, "https:///c/b", 1), "names no blob"},
		"no ETag":             {strings.Replace(good, `"0x8D"`, `""`, 1), "names no blob"},
		"no result":           {scanResult("", "null"), "names no blob"},
		"no type":             {`{}`, "no type"},
		"details are a text":  {scanResult("Malicious", `"x"`), "not the JSON"},
		"malware is a number": {scanResult("Malicious", `{"malwareNamesFound":7}`), "not the JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, relevant, err := trigger.DecodeScanResult(json.RawMessage(test.event))
			if relevant || r.Name != "" {
				t.Errorf("got %+v, relevant %v", r, relevant)
			}
			checkError(t, err, test.problem)
		})
	}
	if _, relevant, err := trigger.DecodeScanResult(json.RawMessage(blobCreated("a", "b", "c"))); relevant || err != nil {
		t.Errorf("an event of storage: relevant %v, %v", relevant, err)
	}
}

func checkError(t *testing.T, err error, part string) {
	t.Helper()
	if part == "" && err != nil {
		t.Errorf("error %v", err)
	}
	if part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
		t.Errorf("error %v, want one that says %q", err, part)
	}
}

func FuzzDecodeBlobCreated(f *testing.F) {
	f.Add(blobCreated("stalimip1", container, "a b"))
	f.Add(blobCreated("", "", ""))
	f.Add(`{"type":"Microsoft.Storage.BlobCreated","source":"/storageAccounts/a","subject":"/containers/b/blobs/c"}`)
	f.Add(`{"eventType":1}`)
	f.Fuzz(func(t *testing.T, event string) {
		place, relevant, err := trigger.DecodeBlobCreated(json.RawMessage(event))
		switch {
		case err != nil && relevant:
			t.Errorf("relevant, and %v", err)
		case relevant && (place.Account == "" || place.Container == "" || strings.Contains(place.Account+place.Container, "/")):
			t.Errorf("a place that is none: %+v", place)
		case !relevant && place != (airlock.Place{}):
			t.Errorf("not relevant, but %+v", place)
		}
	})
}

func FuzzDecodeScanResult(f *testing.F) {
	f.Add(scanResult("No threats found", "null"))
	f.Add(scanResult("Malicious", `{"malwareNamesFound":["a","b","c","d","e","f"],"sha256":"AB"}`))
	f.Add(scanResult("Not Scanned", `{"notScannedReason":"SAM259215: later"}`))
	f.Add(`{"type":"Microsoft.Security.MalwareScanningResult","data":{"blobUri":"https://a"}}`)
	f.Fuzz(func(t *testing.T, event string) {
		r, relevant, err := trigger.DecodeScanResult(json.RawMessage(event))
		if err != nil && relevant {
			t.Errorf("relevant, and %v", err)
		}
		if !relevant {
			return
		}
		v := r.Verdict
		if r.Place.Account == "" || r.Place.Container == "" || r.Name == "" || r.ETag == "" {
			t.Errorf("a blob that is none: %+v", r)
		}
		switch v.Result {
		case airlock.Clean, airlock.Malicious:
		case airlock.NotScanned:
			if v.Reason == "" {
				t.Errorf("not scanned without a reason: %q", event)
			}
		default:
			t.Errorf("the verdict %q", v.Result)
		}
		for _, text := range append([]string{v.Reason, v.SHA256, v.At}, v.Malware...) {
			if utf8.RuneCountInString(text) > 301 || !utf8.ValidString(text) {
				t.Errorf("a text of %d characters goes into a row", utf8.RuneCountInString(text))
			}
		}
		if len(v.Malware) > 5 {
			t.Errorf("%d names", len(v.Malware))
		}
	})
}

// FuzzBlobURI names a blob as people can. Its name is what stands in the URI, which encodes nothing: a space is a space, and a
// percent sign begins nothing.
func FuzzBlobURI(f *testing.F) {
	for _, name := range []string{"a b/c.csv", "100%.csv", "%20", "%zz", "a%2Fb", "ä#?&+;.csv", "//", `"\`, "x://y/z"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		uri, err := json.Marshal("https://stalimip1.blob.core.windows.net/" + container + "/" + name)
		if err != nil || name == "" || !utf8.ValidString(name) {
			return // no blob has such a name
		}
		event := fmt.Sprintf(`{"eventType":"Microsoft.Security.MalwareScanningResult","data":{"blobUri":%s,"eTag":"0x8D","scanResultType":"No threats found"}}`, uri)
		r, relevant, err := trigger.DecodeScanResult(json.RawMessage(event))
		if want := (airlock.Place{Account: "stalimip1", Container: container}); err != nil || !relevant || r.Name != name || r.Place != want {
			t.Errorf("%q became %+v, %v", name, r, err)
		}
	})
}
