package tablestore

import (
	"bytes"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"airlock/handlers/internal/airlock"
)

// storedRequest is a request as its rows hold it: with the members that this program does not know, so that what a newer
// one has written outlives this one's changes. Azure's instances are replaced one after the other, and a deployment may
// have to be taken back: programs of two releases write the same rows. What is not known inside of a member is not kept.
type storedRequest struct {
	airlock.Request
	Unknown jsontext.Value `json:",embed"` // an object; none: nothing is unknown
}

// request is the request that was read.
func (r storedRequest) request() airlock.Request {
	r.Later = string(r.Unknown)
	return r.Request
}

// document is what the rows of a request hold.
func document(a airlock.Request) any {
	if a.Later == "" {
		return a
	}
	return storedRequest{Request: a}
}

// MarshalJSON writes the request, and after it the unknown members, of which there are some.
func (r storedRequest) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r.Request); err != nil {
		return nil, err
	}
	known := bytes.TrimSuffix(b.Bytes(), []byte("}\n")) // a request has members
	return append(append(known, ','), r.Later[1:]...), nil
}
