package infracheck_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeAzure answers the commands that scripts/deploy gives, as far as it looks at the answers, and writes each into a log. The
// command whose number stands in "fail" fails once. Files in its folder are what it remembers: "code" that there is a
// package, "nogroup" that there is no resource group, "status" what the API answers instead of 200.
const fakeAzure = `#!/usr/bin/env bash
set -euo pipefail
echo "$(basename "$0") $*" >>"$FAKE/log"
if [ -e "$FAKE/fail" ] && [ "$(wc -l <"$FAKE/log")" -ge "$(cat "$FAKE/fail")" ]; then rm "$FAKE/fail"; exit 1; fi
case "$(basename "$0") $*" in
  *"group exists"*) if [ -e "$FAKE/nogroup" ]; then echo false; else echo true; fi ;;
  "az group create"*) rm -f "$FAKE/nogroup" ;;
  *"provider list"*) for p in App Web Storage ServiceBus EventGrid KeyVault OperationalInsights Insights ManagedIdentity Network; do echo "Microsoft.$p"; done ;;
  *"outputs.appName"*) echo func-airlock-tre1 ;;
  *"outputs.appHost"*) echo func-airlock-tre1.azurewebsites.net ;;
  *"outputs.eventDelivery"*) cat "$FAKE/delivery" ;;
  *"outputs.hostAccount"*) echo stairlockfntre1 ;;
  *"outputs.notifierName"*) cat "$FAKE/notifier" ;;
  *"outputs.notifierAccount"*) echo stairlocklgtre1 ;;
  *"outputs.suffix"*) echo abcd ;;
  *"parameters.mailConnector"*) echo office365 ;;
  *"parameters.plan"*) cat "$FAKE/plan" ;;
  *"parameters.privateApp"*) echo false ;;
  *"parameters.layout"*) echo compact ;;
  *"parameters.malwareScanning"*) echo True ;;
  *"parameters.apiAudiences"*) echo api-audience ;;
  *"functionapp function list"*) if [ -e "$FAKE/code" ]; then echo func-airlock-tre1/ScanResult; fi ;;
  *"config-zip"* | *"storage blob upload"*airlock.zip*) touch "$FAKE/code" ;;
  *"get-access-token"*) echo SECRET-TOKEN ;;
  "curl "*) cat >"$FAKE/curl-input"; if [ -e "$FAKE/status" ]; then cat "$FAKE/status"; else printf 200; fi ;;
  "zip "*) for last in "$@"; do case $last in *.zip) touch "$last" ;; esac; done ;;
esac
`

// bench is a folder with a package and the fakes.
type bench struct {
	t       *testing.T
	folder  string
	answers string // what somebody types
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, folder: t.TempDir()}
	for _, tool := range []string{"az", "curl", "zip"} {
		b.write("bin/"+tool, fakeAzure)
	}
	b.write("delivery", "push\n")
	b.write("plan", "flex\n")
	b.write("notifier", "")
	b.write("dist/host.json", "{}")
	b.write("dist/BlobCreated/function.json", `{"bindings":[{"type":"eventGridTrigger"}]}`)
	return b
}

func (b *bench) write(name, content string) {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// deploy runs the script on the fakes and returns the commands that it gave and what it said.
func (b *bench) deploy(args ...string) (commands []string, said string, err error) {
	b.t.Helper()
	os.Remove(filepath.Join(b.folder, "log"))
	command := exec.Command("../deploy", append([]string{"--group", "rg", "--tre", "Tre-1", "--dist", filepath.Join(b.folder, "dist")}, args...)...)
	command.Env = []string{"PATH=" + filepath.Join(b.folder, "bin") + ":/usr/bin:/bin", "FAKE=" + b.folder, "DEPLOY_PATIENCE=0", "DEPLOY_PAUSE=0", "TMPDIR=" + b.folder}
	command.Stdin = strings.NewReader(b.answers)
	out, err := command.CombinedOutput()
	log, _ := os.ReadFile(filepath.Join(b.folder, "log"))
	return strings.Split(strings.TrimSpace(string(log)), "\n"), string(out), err
}

// order checks that commands that hold these parts were given, in this order.
func order(t *testing.T, commands []string, parts ...string) {
	t.Helper()
	rest := commands
	for _, part := range parts {
		i := slices.IndexFunc(rest, func(c string) bool { return strings.Contains(c, part) })
		if i < 0 {
			t.Fatalf("no %q, or not in its place:\n%s", part, strings.Join(commands, "\n"))
		}
		rest = rest[i+1:]
	}
}

func count(commands []string, part string) int {
	n := 0
	for _, c := range commands {
		if strings.Contains(c, part) {
			n++
		}
	}
	return n
}

func TestDeployGoesInTwoPhases(t *testing.T) {
	b := newBench(t)
	commands, said, err := b.deploy("--audience", "a1,a2", "--malware-scanning", "off", "--yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	order(t, commands, "provider register --namespace Microsoft.Security")
	if count(commands, "provider register") != 1 {
		t.Errorf("registers what is registered:\n%s", strings.Join(commands, "\n"))
	}
	order(t, commands, "deployment group what-if", "group create --resource-group rg --name airlock-Tre-1 --template-file infra/main.bicep", "config-zip",
		"function list", "codeDeployed=true", "curl ")
	first := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, "group create") })
	for _, part := range []string{"codeDeployed=false", "malwareScanning=false", `apiAudiences=["a1","a2"]`, "treId=Tre-1"} {
		if !strings.Contains(commands[first], part) {
			t.Errorf("the first phase has no %s: %s", part, commands[first])
		}
	}

	// Again: the code is there, so that nothing is taken away and no second phase is needed.
	commands, said, err = b.deploy("--audience", "a1", "--yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if count(commands, "codeDeployed=false") != 0 || count(commands, "deployment group create") != 1 {
		t.Errorf("a second run:\n%s", strings.Join(commands, "\n"))
	}
}

// Whatever command fails, running the same again ends well, with Event Grid calling the functions.
func TestDeployCanBeResumed(t *testing.T) {
	whole, said, err := newBench(t).deploy("--audience", "a1", "--yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for number := 1; number <= len(whole); number++ {
		b := newBench(t)
		b.write("fail", string(rune('0'+number/10))+string(rune('0'+number%10)))
		before, _, _ := b.deploy("--audience", "a1", "--yes")
		after, said, err := b.deploy("--audience", "a1", "--yes")
		if err != nil {
			t.Fatalf("after the failure of %q: %v\n%s", before[len(before)-1], err, said)
		}
		if count(after, "codeDeployed=true")+count(before, "group create --resource-group rg --name airlock-Tre-1 --template-file infra/main.bicep --parameters treId=Tre-1 apiAudiences=[\"a1\"] codeDeployed=true") == 0 {
			t.Errorf("after the failure of %q nothing calls the functions:\n%s", before[len(before)-1], strings.Join(after, "\n"))
		}
	}
}

// changing are the commands that change something in Azure.
func changing(commands []string) int {
	return count(commands, "provider register") + count(commands, "az group create") + count(commands, "deployment group create")
}

// Nothing is changed before somebody has agreed to it, and --what-if changes nothing at all.
func TestDeployAsksFirst(t *testing.T) {
	const ws = "0193f5c0-0000-7000-8000-00000000abcd"
	for _, test := range []struct {
		name, answers, args, want string
		group, workspace          bool
		asked, changes            int // how often Azure is asked what would change, and how many commands change something
	}{
		{name: "nobody answers", args: "--audience a1", group: true, want: "stopped; nothing was changed"},
		{name: "no", answers: "n\n", args: "--audience a1", group: true, want: "stopped; nothing was changed"},
		{name: "no to all but the beginning", answers: "y\nn\n", args: "--audience a1", group: true, asked: 1, changes: 1, want: "stopped; nothing else was changed"},
		{name: "no group", answers: "n\n", args: "--audience a1 --location here", want: "make the resource group rg in here"},
		{name: "a new group", answers: "y\n", args: "--audience a1 --location here", asked: 1, changes: 2, want: "register Microsoft.Security"},
		{name: "a new group somewhere", answers: "y\n", args: "--audience a1", want: "give --location"},
		{name: "what if", args: "--audience a1 --what-if --yes", group: true, asked: 1, want: "register Microsoft.Security"},
		{name: "what if without a group", args: "--audience a1 --location here --what-if --yes", want: "az group create --name rg"},
		{name: "a workspace", args: "--workspace " + ws, group: true, workspace: true, asked: 1, want: "stopped; nothing was changed"},
		{name: "a workspace in a new group", answers: "n\n", args: "--workspace " + ws + " --workspace-group rg-ws --location here", workspace: true,
			want: "make the resource group rg-ws in here"},
		{name: "what if of a workspace", args: "--what-if --workspace " + ws + " --workspace-group rg-ws --location here", workspace: true,
			want: "az group create --name rg-ws"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			b.answers = test.answers
			if !test.group {
				b.write("nogroup", "")
			}
			if test.workspace {
				b.write("code", "")
			}
			commands, said, err := b.deploy(strings.Fields(test.args)...)
			if whole := test.asked == 1 && strings.Contains(test.args, "--what-if"); (err == nil) != whole || !strings.Contains(said, test.want) ||
				count(commands, "deployment group what-if") != test.asked || changing(commands) != test.changes {
				t.Errorf("%v: %s\n%s", err, said, strings.Join(commands, "\n"))
			}
		})
	}
}

// With --stop no program of the old package runs from before the new one is there. An app that stays stopped is not forgotten.
func TestDeployStopsTheApp(t *testing.T) {
	for plan, upload := range map[string]string{"flex": "config-zip", "premium": "blob upload"} {
		b := newBench(t)
		b.write("plan", plan+"\n")
		commands, said, err := b.deploy("--audience", "a1", "--stop", "--yes")
		if err != nil || strings.Contains(said, "is stopped") {
			t.Fatalf("%s: %v\n%s", plan, err, said)
		}
		order(t, commands, "deployment group create", "functionapp stop", upload, "functionapp start", "function list")
		if count(commands, "functionapp restart") > 0 {
			t.Errorf("%s: it is restarted as well:\n%s", plan, strings.Join(commands, "\n"))
		}
		at := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, upload) }) + 1
		b = newBench(t)
		b.write("plan", plan+"\n")
		b.write("fail", string(rune('0'+at/10))+string(rune('0'+at%10)))
		if commands, said, err := b.deploy("--audience", "a1", "--stop", "--yes"); err == nil || !strings.Contains(said, "az functionapp start --resource-group rg --name func-airlock-tre1") {
			t.Errorf("%s: nobody is told that the app is stopped: %v\n%s\n%s", plan, err, said, strings.Join(commands, "\n"))
		}
	}
}

// Settings that the script makes give nobody a role, and it says so where they were stored.
func TestDeployOfAWorkspaceWarnsOfSettingsForNobody(t *testing.T) {
	const warning = "Nobody has a role in it"
	for name, test := range map[string]struct {
		status string
		given  bool
		warned bool
	}{
		"made": {status: "200", warned: true}, "given": {status: "200", given: true}, "there already": {status: "409"},
		"refused": {status: "403", warned: true},
	} {
		b := newBench(t)
		b.write("code", "")
		b.write("status", test.status)
		b.write("settings.json", `{"displayName":"One","suffix":"abcd","audience":"a2"}`)
		args := []string{"--workspace", "0193f5c0-0000-7000-8000-00000000abcd", "--yes"}
		if test.given {
			args = append(args, "--settings", filepath.Join(b.folder, "settings.json"))
		}
		_, said, err := b.deploy(args...)
		if (err == nil) != (test.status != "403") || strings.Contains(said, warning) != test.warned {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}

func TestDeployPremiumAndNotifier(t *testing.T) {
	b := newBench(t)
	b.write("plan", "premium\n")
	b.write("notifier", "logic-airlock-tre1\n")
	commands, said, err := b.deploy("--audience", "a1", "--plan", "premium", "--yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	order(t, commands, "plan=premium", "blob upload --auth-mode login --account-name stairlockfntre1", "functionapp restart",
		"blob upload --auth-mode login --account-name stairlocklgtre1", "logicapp restart", "codeDeployed=true")
	if !strings.Contains(said, "signed in to the connection office365-logic-airlock-tre1") {
		t.Errorf("nobody is told to sign in: %s", said)
	}
}

func TestDeployRefusesAnotherDelivery(t *testing.T) {
	b := newBench(t)
	b.write("delivery", "queue\n")
	commands, said, err := b.deploy("--audience", "a1", "--event-delivery", "queue", "--yes")
	if err == nil || !strings.Contains(said, "EVENT_DELIVERY=queue") || count(commands, "config-zip") != 0 {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestDeployWorkspace(t *testing.T) {
	b := newBench(t)
	args := []string{"--workspace", "0193f5c0-0000-7000-8000-00000000abcd", "--workspace-group", "rg-ws", "--yes"}
	if _, said, err := b.deploy(args...); err == nil || !strings.Contains(said, "no code yet") {
		t.Errorf("without code: %v\n%s", err, said)
	}
	b.write("code", "")
	commands, said, err := b.deploy(args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	order(t, commands, "what-if --resource-group rg-ws", "group create --resource-group rg-ws", "get-access-token", "curl ")
	i := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, "deployment group create") })
	for _, part := range []string{"treGroup=rg", "layout=compact", "malwareScanning=true", "eventDelivery=push", "infra/workspace.bicep"} {
		if !strings.Contains(commands[i], part) {
			t.Errorf("no %s: %s", part, commands[i])
		}
	}
	if strings.Contains(said, "SECRET-TOKEN") || count(commands, "SECRET-TOKEN") > 0 {
		t.Error("the token is shown")
	}
	if sent, _ := os.ReadFile(filepath.Join(b.folder, "curl-input")); !strings.Contains(string(sent), "Bearer SECRET-TOKEN") {
		t.Errorf("the token is not sent: %q", sent)
	}
}

// Whatever command fails while a workspace is added, running the same again ends well.
func TestDeployOfAWorkspaceCanBeResumed(t *testing.T) {
	args := []string{"--workspace", "0193f5c0-0000-7000-8000-00000000abcd", "--yes"}
	start := func() *bench {
		b := newBench(t)
		b.write("code", "")
		return b
	}
	whole, said, err := start().deploy(args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for number := 1; number <= len(whole); number++ {
		b := start()
		b.write("fail", string(rune('0'+number/10))+string(rune('0'+number%10)))
		before, _, _ := b.deploy(args...)
		after, said, err := b.deploy(args...)
		if err != nil || count(after, "infra/workspace.bicep") == 0 || count(after, "curl ") == 0 {
			t.Errorf("after the failure of %q: %v\n%s", before[len(before)-1], err, said)
		}
	}
}

func TestDeployChecksItsArguments(t *testing.T) {
	b := newBench(t)
	for want, args := range map[string][]string{
		"--audience is needed":     {"--yes"},
		"default or compact":       {"--layout", "wide"},
		"on or off":                {"--malware-scanning", "maybe"},
		"push or queue":            {"--event-delivery", "pigeon"},
		"cannot be called":         {"--private", "--event-delivery", "push"},
		"unknown option --colour":  {"--colour", "red"},
		"--plan needs a value":     {"--plan"},
		"there is no file":         {"--parameters", "/nowhere"},
		"--tre is 1 to 11 letters": {"--tre", "a-much-longer-id"},
		"--workspace is its id":    {"--workspace", "ws-0001"},
		"a UUID in lower case":     {"--workspace", "0193F5C0-0000-7000-8000-00000000ABCD"},
	} {
		commands, said, err := b.deploy(args...)
		if err == nil || !strings.Contains(said, want) || count(commands, "create") > 0 {
			t.Errorf("%v: %v, %q", args, err, said)
		}
	}
}
