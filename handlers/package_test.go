package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"airlock/functions"
	"airlock/handlers/internal/trigger"
)

// TestPackageHoldsWhatTheBinaryServes builds what is deployed and holds it against the program: the same functions, no
// more and no less, and a binary that is named as host.json starts it.
func TestPackageHoldsWhatTheBinaryServes(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	if out, err := exec.Command("../scripts/package", dist).CombinedOutput(); err != nil {
		t.Fatalf("scripts/package: %v\n%s", err, out)
	}
	var host struct {
		CustomHandler struct {
			Description struct {
				Executable string `json:"defaultExecutablePath"`
			} `json:"description"`
		} `json:"customHandler"`
	}
	content, err := os.ReadFile(filepath.Join(dist, "host.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &host); err != nil {
		t.Fatal(err)
	}
	var folders, files []string
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		} else {
			files = append(files, e.Name())
		}
	}
	served := []string{functions.API}
	for name := range trigger.New(nil, nil) {
		served = append(served, name)
	}
	slices.Sort(served)
	if !slices.Equal(folders, served) {
		t.Errorf("dist holds the functions %v, the binary serves %v", folders, served)
	}
	if packaged := functions.Names(); !slices.Equal(folders, packaged) {
		t.Errorf("dist holds the functions %v, %v are embedded", folders, packaged)
	}
	if want := []string{host.CustomHandler.Description.Executable, "host.json"}; !slices.Equal(files, want) {
		t.Errorf("dist holds the files %v, want %v", files, want)
	}
	info, err := os.Stat(filepath.Join(dist, host.CustomHandler.Description.Executable))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o111 == 0 || info.Size() > 30<<20 {
		t.Errorf("the handler has mode %v and %d bytes", info.Mode(), info.Size())
	}
}
