package funchost

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// Environment of the handler process, which is this test binary started again.
const (
	envRelay   = "FUNCHOST_TEST_RELAY"   // where the test waits for calls; its presence makes a handler of the binary
	envStartup = "FUNCHOST_TEST_STARTUP" // what to do before listening
)

// call is one request as the handler received it.
type call struct {
	Method, URI, Host string
	Header            http.Header
	Chunked           bool
	Body              []byte
}

// reply is what the handler is told to do with a call.
type reply struct {
	Status      int
	ContentType string
	Header      http.Header
	Body        string
	Exit        *int // end the process with this code instead of answering
}

func TestMain(m *testing.M) {
	if relay := os.Getenv(envRelay); relay != "" {
		os.Exit(runHandler(relay))
	}
	if root := os.Getenv(envHost); root != "" {
		os.Exit(runHost(root))
	}
	os.Exit(m.Run())
}

// runHandler is the handler process: it answers the probe, echoes streams, and asks the test about the rest.
func runHandler(relay string) int {
	fmt.Println("handler: hello on stdout")
	fmt.Fprintln(os.Stderr, "handler: hello on stderr")
	switch os.Getenv(envStartup) {
	case "crash":
		fmt.Fprintln(os.Stderr, "handler: no luck today")
		return 7
	case "quit":
		return 0
	case "deaf":
		select {}
	case "lazy":
		<-time.After(300 * time.Millisecond)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "handler: warning:", err)
		return 3
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.WriteHeader(http.StatusTeapot) // any answer at all is ready
		case "/api/stream":
			echo(w, r)
		default:
			ask(relay, w, r)
		}
	}))
	fmt.Fprintln(os.Stderr, "handler:", err)
	return 1
}

// echo answers every line as soon as it comes. The query may give the answer's length in advance.
func echo(w http.ResponseWriter, r *http.Request) {
	if length := r.URL.Query().Get("length"); length != "" {
		w.Header().Set("Content-Length", length)
	}
	out := http.NewResponseController(w)
	if err := out.EnableFullDuplex(); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		fmt.Fprintf(w, "%s!\n", lines.Text())
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// ask tells the test about a call and does what it says.
func ask(relay string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := call{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header, Chunked: r.ContentLength < 0, Body: body}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, relay, bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller has gone, or the test has ended
	}
	defer res.Body.Close()
	var rep reply
	if err := json.NewDecoder(res.Body).Decode(&rep); err != nil {
		panic(http.ErrAbortHandler)
	}
	if rep.Exit != nil {
		os.Exit(*rep.Exit)
	}
	for name, values := range rep.Header {
		w.Header()[name] = values
	}
	if rep.ContentType != "" {
		w.Header().Set("Content-Type", rep.ContentType)
	}
	w.WriteHeader(rep.Status)
	if rep.Body != "" {
		_, _ = io.WriteString(w, rep.Body)
	}
}
