package nodejs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// parentEnv makes the test binary play a parent that starts a script and then waits to be killed.
const parentEnv = "AIRLOCK_TEST_PARENT"

func TestMain(m *testing.M) {
	if script := os.Getenv(parentEnv); script != "" {
		var port string
		_, err := Start(context.Background(), Options{Script: script, Ready: func(line string) bool { port = line; return true }})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(port)
		select {}
	}
	os.Exit(m.Run())
}

func isReady(line string) bool { return line == "ready" }

func script(t *testing.T, code string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.mjs")
	if err := os.WriteFile(path, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve is a script that says it is ready and then runs for ever.
const serve = `setInterval(() => {}, 1000); console.log("ready");`

func start(t *testing.T, o Options) *Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func within(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStartGivesArgumentsEnvironmentAndInput(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	has := func(want string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, l := range lines {
				if l == want {
					return true
				}
			}
			return false
		}
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, Options{
		Script: script(t, `
			console.log(process.argv.slice(2).join("|"));
			console.error(process.env.GREETING);
			console.log(process.cwd());
			process.stdin.on("data", (b) => process.stdout.write("got " + b));`+serve),
		Args:  []string{"a b", "--c=d"},
		Env:   []string{"GREETING=hello"},
		Dir:   dir,
		Ready: isReady,
		Output: func(l string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, l)
		},
	})
	if err := p.Send("more"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a b|--c=d", "hello", dir, "got more"} {
		within(t, want, has(want))
	}
}

func TestStartFailsWithTheLastOutput(t *testing.T) {
	long := fmt.Sprintf(`for (let i = 0; i < %d; i++) console.error("line " + i);`, tailLines+5)
	for name, tc := range map[string]struct {
		code     string
		timeout  time.Duration
		want     []string
		dontWant string
	}{
		"error": {`throw new Error("no luck")`, time.Minute, []string{"no luck", "exit status 1"}, ""},
		"end":   {`console.log("bye")`, time.Minute, []string{"ended before it was ready", "bye"}, ""},
		"no newline": {`process.stdout.write("cut off"); process.exitCode = 3`, time.Minute,
			[]string{"exit status 3", "cut off"}, ""},
		"tail":    {long + `process.exit(1)`, time.Minute, []string{"line 24"}, "line 4\n"},
		"silence": {`setInterval(() => {}, 1000); console.log("so far")`, 2 * time.Second, []string{"not ready", "so far"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
			defer cancel()
			p, err := Start(ctx, Options{Script: script(t, tc.code), Ready: isReady})
			if err == nil {
				p.Kill()
				t.Fatal("want an error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if tc.dontWant != "" && strings.Contains(err.Error(), tc.dontWant) {
				t.Errorf("error %q says %q", err, tc.dontWant)
			}
		})
	}
}

func TestReadyIsOnlyReadFromStandardOutput(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	p, err := Start(ctx, Options{Script: script(t, `setInterval(() => {}, 1000); console.error("ready")`), Ready: isReady})
	if err == nil {
		p.Kill()
		t.Fatal("a ready line on standard error counted")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestErrTellsOfAnUnexpectedEnd(t *testing.T) {
	p := start(t, Options{
		Script: script(t, `process.stdin.on("data", () => { console.error("fell over"); process.exit(7) });`+serve),
		Ready:  isReady,
	})
	if err := p.Err(); err != nil {
		t.Fatalf("while running: %v", err)
	}
	if err := p.Send("go"); err != nil {
		t.Fatal(err)
	}
	within(t, "the end", func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "fell over") || !strings.Contains(err.Error(), "status 7") {
		t.Fatalf("got %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Fatalf("stopping what has ended: %v", err)
	}
}

func TestStopAndKill(t *testing.T) {
	t.Run("stop", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		var last string
		p := start(t, Options{
			Script: script(t, `process.once("SIGTERM", () => { console.log("saved"); process.exit(0) });`+serve),
			Ready:  isReady,
			Output: func(l string) { mu.Lock(); defer mu.Unlock(); last = l },
		})
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if last != "saved" || p.Err() != nil || alive(p.PID()) {
			t.Fatalf("last line %q, err %v", last, p.Err())
		}
	})
	t.Run("stop of one that will not", func(t *testing.T) {
		t.Parallel()
		p := start(t, Options{
			Script: script(t, `process.on("SIGTERM", () => {});`+serve), Ready: isReady, StopTimeout: 100 * time.Millisecond,
		})
		if err := p.Stop(); err == nil {
			t.Fatal("want an error that says it was killed")
		}
		if alive(p.PID()) {
			t.Fatal("still there")
		}
	})
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		p := start(t, Options{Script: script(t, `process.on("SIGTERM", () => {});`+serve), Ready: isReady})
		p.Kill()
		p.Kill()
		if alive(p.PID()) || p.Err() != nil {
			t.Fatalf("still there, or an error: %v", p.Err())
		}
	})
}

// A child must end with its parent even when the parent has no time to say so. Its open port tells that it lives: a process id
// would also tell of one that is dead and not yet reaped. Before it ends it can save what it holds, although nobody is there who would
// read what it prints.
func TestChildDiesWithAKilledParent(t *testing.T) {
	listen := `import net from "node:net";
		const s = net.createServer((c) => c.end()).listen(0, "127.0.0.1", () => console.log(s.address().port));`
	saved := filepath.Join(t.TempDir(), "saved")
	for name, code := range map[string]string{
		"plain":           listen,
		"ignores SIGTERM": listen + `process.on("SIGTERM", () => {});`,
		"saves": listen + fmt.Sprintf(`import fs from "node:fs";
			process.once("SIGTERM", () => {
				const talk = setInterval(() => { console.log("saving"); process.stdout.write("saving"); }, 5);
				setTimeout(() => { clearInterval(talk); fs.writeFileSync(%q, ""); process.exit(0); }, 100);
			});`, saved),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			parent := exec.Command(self)
			parent.Env = append(os.Environ(), parentEnv+"="+script(t, code))
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { parent.Process.Kill(); parent.Wait() })
			port, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			lives := func() bool {
				c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strings.TrimSpace(port)))
				if err != nil {
					return false
				}
				c.Close()
				return true
			}
			if !lives() {
				t.Fatalf("the child is not there; the parent said %q", port)
			}
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			within(t, "the end of the child", func() bool { return !lives() })
			if _, err := os.Stat(saved); name == "saves" && err != nil {
				t.Errorf("nothing was saved: %v", err)
			}
		})
	}
}

func TestNodeMissingOrTooOld(t *testing.T) {
	old := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho v18.19.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, node := range map[string]string{"missing": filepath.Join(t.TempDir(), "none"), "too old": old} {
		_, err := Start(t.Context(), Options{Script: "x.mjs", Node: node})
		if !errors.Is(err, ErrNode) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := checkNode(t.Context(), old); err == nil || !strings.Contains(err.Error(), "v18.19.0") {
		t.Errorf("the version is not named: %v", err)
	}
}

func TestLineWriter(t *testing.T) {
	var got []string
	w := &lineWriter{emit: func(l string) { got = append(got, l) }}
	big := strings.Repeat("x", maxLine)
	for _, s := range []string{"a", "b\r\nc\n\nd", big, "e"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	want := []string{"ab", "c", "", "d" + big, "e"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got %d lines", len(got))
	}
}
