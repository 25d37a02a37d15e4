package localazure_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
)

// TestAnOldProgramRefusesANewerTable marks the table as one that needs a newer program, and starts the packaged one on it: as
// the Functions host does, and as a command. Neither touches it.
func TestAnOldProgramRefusesANewerTable(t *testing.T) {
	row := "https://stairlock" + localazure.TREID + ".table." + azure.Storage.Suffix() + "/airlock(PartitionKey='all_rows',RowKey='format')"
	needs := func(format string) {
		storageAdmin(t, "MERGE", row, `{"NeedsFormat":"`+format+`","NeedsFormat@odata.type":"Edm.Int64"}`,
			map[string]string{"Content-Type": "application/json", "Accept": "application/json;odata=nometadata", "If-Match": "*"})
	}
	start := func(arguments ...string) (said string, code int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := azure.Command(ctx, arguments...)
		c.Env = append(c.Env, "FUNCTIONS_CUSTOMHANDLER_PORT=0")
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		_ = c.Run() // the exit code says how it ended
		return out.String(), c.ProcessState.ExitCode()
	}
	needs("99")
	t.Cleanup(func() { needs("1") })
	for name, test := range map[string]struct {
		arguments []string
		code      int
	}{"serving": {nil, 1}, "a command": {[]string{"fsck"}, 2}} {
		said, code := start(test.arguments...)
		if code != test.code || !strings.Contains(said, "the table needs a program that knows format 99 of its rows, and this one knows them up to 1; deploy a newer version") {
			t.Errorf("%s: exit code %d\n%s", name, code, said)
		}
	}
	w := azure.Workspaces[0]
	if status, body := as(t, azure, "ada", w).call(http.MethodGet, "", ""); status != http.StatusOK {
		t.Errorf("the program that runs already: %d %s", status, body)
	}
	needs("1")
	if said, code := start("fsck"); code != 0 {
		t.Errorf("after the way back was opened: exit code %d\n%s", code, said)
	}
}
