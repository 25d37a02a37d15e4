package funchost

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// envHost makes a host of this test binary: it starts the app in that folder and prints the handler's pid.
const envHost = "FUNCHOST_TEST_HOST"

// runHost is the host process of TestHandlerDiesWithTheHost.
func runHost(root string) int {
	h, err := Start(context.Background(), Options{ScriptRoot: root, Env: []string{envRelay + "=http://127.0.0.1:1"}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(h.PID())
	<-h.Done()
	return 0
}

// alive tells whether a process exists and is no zombie.
func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// A host that is killed cannot stop its handler; the kernel must.
func TestHandlerDiesWithTheHost(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.CommandContext(t.Context(), self)
	host.Env = []string{envHost + "=" + a.root}
	host.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the host says %q", line)
	}
	if !alive(pid) {
		t.Fatalf("handler %d is not there", pid)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	eventually(t, "the handler's end", func() bool { return !alive(pid) })
}
