// Command bare is the least that an Azure Functions custom handler can be: it answers every request with an empty JSON
// object. The bench compares the real handler with it, and its start with that of any Go program that serves HTTP.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), http.HandlerFunc(answer))
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(1)
}

func answer(w http.ResponseWriter, r *http.Request) {
	// What was sent is read, as whoever serves it has to; the host has gone away if that fails.
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}\n")
}
