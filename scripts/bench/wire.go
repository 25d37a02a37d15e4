package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// wire is an http.RoundTripper for somebody who does one thing at a time, over one connection that is kept. The caller itself writes
// and reads, where http.Transport has two more goroutines between: what it costs to be a client is no part of what is measured.
// The body of an answer must be read to its end before the next call.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
}

// RoundTrip sends a request and reads the head of the answer.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.conn == nil {
		conn, err := net.Dial("tcp", r.URL.Host)
		if err != nil {
			return nil, err
		}
		w.conn, w.in, w.out = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
	}
	answer, err := w.exchange(r)
	if err != nil {
		err = errors.Join(fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err), w.conn.Close())
		w.conn = nil
	}
	return answer, err
}

func (w *wire) exchange(r *http.Request) (*http.Response, error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := errors.Join(r.Write(w.out), w.out.Flush()); err != nil {
		return nil, err
	}
	return http.ReadResponse(w.in, r)
}
