package tablestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"airlock/handlers/internal/airlock"
)

// storedRequest is a request as its rows hold it: with the members that this program does not know, so that what a newer
// one has written outlives this one's changes. Azure's instances are replaced one after the other, and a deployment may
// have to be taken back: programs of two releases write the same rows.
type storedRequest airlock.Request

// document is what the rows of a request hold.
func document(a airlock.Request) any {
	if a.Later == "" {
		return a
	}
	return storedRequest(a)
}

// MarshalJSON writes the request, and after it the unknown members, of which there are some.
func (r storedRequest) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(airlock.Request(r)); err != nil {
		return nil, err
	}
	known := bytes.TrimSuffix(b.Bytes(), []byte("}\n")) // a request has members
	return append(append(known, ','), r.Later[1:]...), nil
}

// UnmarshalJSON reads a request and sets its unknown members aside. Most have none, and are read once.
func (r *storedRequest) UnmarshalJSON(document []byte) error {
	strict := json.NewDecoder(bytes.NewReader(document))
	strict.DisallowUnknownFields()
	if err := strict.Decode((*airlock.Request)(r)); err == nil && strict.InputOffset() == int64(len(document)) {
		return nil
	}
	*r = storedRequest{}
	if err := json.Unmarshal(document, (*airlock.Request)(r)); err != nil {
		return err
	}
	var unknown map[string]json.RawMessage
	if err := json.Unmarshal(document, &unknown); err != nil {
		return err
	}
	for field := range reflect.TypeFor[airlock.Request]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(unknown, name)
	}
	if len(unknown) == 0 { // what is not known is inside of a member, and is not kept
		return nil
	}
	later, err := encodeDocument(unknown)
	if err != nil {
		return fmt.Errorf("unknown members: %w", err)
	}
	r.Later = later
	return nil
}
