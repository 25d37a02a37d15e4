package operator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/operator"
)

// export writes trails of the world into files, as the API exports them.
func (w *world) export(id string) (files []string) {
	w.t.Helper()
	request, err := w.Audit(w.t.Context(), person, ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	workspace, err := w.WorkspaceAudit(w.t.Context(), person, ws)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	for name, trail := range map[string]airlock.Trail{"request.jsonl": request, "workspace.jsonl": workspace} {
		var content bytes.Buffer
		for _, r := range trail.Records {
			line, err := json.Marshal(r)
			if err != nil {
				w.t.Fatal(err)
			}
			content.Write(append(line, '\n'))
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content.Bytes(), 0o600); err != nil {
			w.t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// offline runs a command that must not ask for tools.
func offline(t *testing.T, args ...string) (code int, out, problems string) {
	t.Helper()
	var o, p bytes.Buffer
	code = operator.Run(t.Context(), args, func() (operator.Tools, error) {
		t.Error("it wants tools")
		return operator.Tools{}, errors.New("there are none")
	}, &o, &p)
	return code, o.String(), p.String()
}

func TestVerifyAudit(t *testing.T) {
	w := newWorld(t)
	r := w.draft()
	files := w.export(r.ID)
	code, out, problems := offline(t, append([]string{"verify-audit"}, files...)...)
	if code != operator.Well || problems != "" || !strings.Contains(out, "ok: "+ws+"/"+r.ID) || !strings.HasSuffix(out, "verify-audit: 2 trails, 0 of them broken, 4 records\n") {
		t.Errorf("exit code %d, %s%s", code, out, problems)
	}

	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], bytes.Replace(content, []byte(`"who":"ada"`), []byte(`"who":"eve"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ = offline(t, append([]string{"verify-audit"}, files...)...)
	if code != operator.Found || !strings.Contains(out, "record 1 has been changed") || !strings.Contains(out, "1 of them broken") {
		t.Errorf("exit code %d, %s", code, out)
	}
	code, out, _ = offline(t, append([]string{"verify-audit", "-json"}, files...)...)
	var result struct {
		Trails []struct {
			Chain, File, Why      string
			Broken, Line, Records int
		}
		Broken int
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != operator.Found || result.Broken != 1 || len(result.Trails) != 2 {
		t.Errorf("exit code %d, %v, %s", code, err, out)
	}

	for name, args := range map[string][]string{
		"no file": {}, "a file that is not there": {files[1], filepath.Join(t.TempDir(), "none")}, "a flag that is none": {"-x", files[1]},
	} {
		if code, out, problems := offline(t, append([]string{"verify-audit"}, args...)...); code != operator.Unclear {
			t.Errorf("%s: exit code %d, %s%s", name, code, out, problems)
		}
	}
}
