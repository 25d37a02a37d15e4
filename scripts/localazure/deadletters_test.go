package localazure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/scripts/localazure"
)

// letters runs the packaged program as the command for dead letters.
func letters(t *testing.T, args ...string) (ids []string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := azure.Command(ctx, append(append([]string{"deadletters"}, args...), "-json")...)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var result struct{ DeadLetters []struct{ MessageID string } }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), problems.String())
	}
	for _, l := range result.DeadLetters {
		ids = append(ids, l.MessageID)
	}
	return ids, c.ProcessState.ExitCode()
}

// TestAPoisonMessageBlocksNothing: a message that nobody can read is given up on, while requests go on behind it; operators
// see it, and can send it again.
func TestAPoisonMessageBlocksNothing(t *testing.T) {
	client, err := azservicebus.NewClientFromConnectionString(azure.Bus.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background())
	sender, err := client.NewSender(localazure.StatusQueue, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.SendMessage(t.Context(), &azservicebus.Message{Body: []byte("poison"), MessageID: to.Ptr("poison")}, nil); err != nil {
		t.Fatal(err)
	}
	w := azure.Workspaces[0]
	ada := as(t, azure, "ada", w)
	id := ada.request("export")
	ada.upload(id, "a.csv", "1,2,3")
	if status, body := ada.call(http.MethodPost, "/"+id+"/submit", ""); status != http.StatusOK {
		t.Fatalf("submit: %d %s", status, body)
	}
	eventually(t, "the request goes on", func() bool { return ada.status(id) == "in_review" })
	dead := func() bool {
		stats, err := azure.Bus.Stats(t.Context())
		return err == nil && stats[localazure.StatusQueue].DeadLettered == 1
	}
	eventually(t, "the message is given up on", dead)
	if ids, code := letters(t, "list"); len(ids) != 1 || ids[0] != "poison" || code != 1 {
		t.Errorf("listed %q, exit code %d", ids, code)
	}
	if ids, code := letters(t, "replay", "-id", "poison"); len(ids) != 1 || code != 0 {
		t.Errorf("replayed %q, exit code %d", ids, code)
	}
	eventually(t, "it is given up on again", dead)
	r, err := client.NewReceiverForQueue(localazure.StatusQueue, &azservicebus.ReceiverOptions{
		ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete, SubQueue: azservicebus.SubQueueDeadLetter,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := r.ReceiveMessages(ctx, 1, nil); err != nil || got[0].MessageID == "poison" || string(got[0].Body) != "poison" {
		t.Errorf("the last look: %v, %v", got, err)
	}
	if ids, code := letters(t, "list"); len(ids) != 0 || code != 0 {
		t.Errorf("at the end: listed %q, exit code %d", ids, code)
	}
}
