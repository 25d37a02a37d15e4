package funchost

import (
	"bytes"
	"strings"
	"sync"
)

const (
	// maxLine is where a line of the handler's output is cut, so that an endless line costs no memory.
	maxLine = 64 << 10
	// keptLines is how many lines of standard error explain a crash. Azure: the host keeps three.
	keptLines = 3
)

// lineWriter turns a stream into lines. It takes any number of writes from one goroutine at a time.
type lineWriter struct {
	emit func(line string)

	mu   sync.Mutex
	part []byte
	last []string
}

// Write never fails: the handler must not stall because of its own output.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for {
		line, rest, ok := bytes.Cut(p, []byte("\n"))
		if room := maxLine - len(w.part); room > 0 {
			w.part = append(w.part, line[:min(room, len(line))]...)
		}
		if !ok {
			return n, nil
		}
		w.end()
		p = rest
	}
}

// flush emits what came after the last line break.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.part) > 0 {
		w.end()
	}
}

func (w *lineWriter) end() {
	line := strings.TrimSuffix(string(w.part), "\r")
	w.part = w.part[:0]
	w.last = append(w.last, line)
	if len(w.last) > keptLines {
		w.last = w.last[1:]
	}
	w.emit(line)
}

// tail is the last lines, joined.
func (w *lineWriter) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.last, "\n")
}
