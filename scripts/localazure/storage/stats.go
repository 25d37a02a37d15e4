package storage

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// Stats counts the requests that went through the gateway since the start, whatever was answered, by operation. The
// operations have the names that Azure writes into its logs (Azure: "Storage Analytics logged operations").
type Stats struct {
	TLS   map[string]int // through the TLS door: what is set up for Azure
	Plain map[string]int // through the plain door: people with links
}

// counters guards the counts of both doors.
type counters struct {
	mu         sync.Mutex
	tls, plain map[string]int
}

func newCounters() *counters { return &counters{tls: map[string]int{}, plain: map[string]int{}} }

func (c *counters) add(r *http.Request, operation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.TLS != nil {
		c.tls[operation]++
	} else {
		c.plain[operation]++
	}
}

// Stats gives the counts now. What does not go through the gateway (Open, SetTags and Tags) is not in them.
func (s *Storage) Stats() Stats {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return Stats{TLS: maps.Clone(s.requests.tls), Plain: maps.Clone(s.requests.plain)}
}

// operation names what a request asks for.
func operation(r *http.Request, x *exchange) string {
	switch {
	case x.svc == tableService:
		return tableOperation(r, x.path)
	case x.res.blob != "":
		return blobOperation(r, x)
	case x.res.container != "":
		return containerOperation(r)
	case r.URL.Query().Get("comp") == "userdelegationkey":
		return "GetUserDelegationKey"
	default:
		return "Other"
	}
}

func tableOperation(r *http.Request, path string) string {
	entity := strings.Contains(path, "(PartitionKey")
	switch {
	case strings.HasSuffix(path, "/$batch"):
		return "EntityGroupTransaction"
	case r.Method == http.MethodGet && entity:
		return "QueryEntity"
	case r.Method == http.MethodGet:
		return "QueryEntities"
	case r.Method == http.MethodPost:
		return "InsertEntity"
	case r.Method == http.MethodPut && entity && r.Header.Get("If-Match") == "":
		return "InsertOrReplaceEntity"
	case r.Method == http.MethodPut && entity:
		return "UpdateEntity"
	default:
		return "Other"
	}
}

func containerOperation(r *http.Request) string {
	list := r.URL.Query().Get("comp") == "list"
	switch {
	case r.Method == http.MethodGet && list:
		return "ListBlobs"
	case r.Method == http.MethodPut && isPlain(r):
		return "CreateContainer"
	case r.Method == http.MethodDelete && isPlain(r):
		return "DeleteContainer"
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && isPlain(r):
		return "GetContainerProperties"
	default:
		return "Other"
	}
}

func blobOperation(r *http.Request, x *exchange) string {
	comp := r.URL.Query().Get("comp")
	switch {
	case x.api != "":
		return x.api
	case r.Method == http.MethodPut && comp == "block":
		return "PutBlock"
	case r.Method == http.MethodGet && comp == "":
		return "GetBlob"
	case r.Method == http.MethodHead:
		return "GetBlobProperties"
	case r.Method == http.MethodDelete:
		return "DeleteBlob"
	default:
		return "Other"
	}
}

func isPlain(r *http.Request) bool { return r.URL.Query().Get("comp") == "" }
