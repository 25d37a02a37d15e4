package storage

import (
	"crypto/tls"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestOperationsAreNamedAsInAzuresLogs(t *testing.T) {
	copied := http.Header{"X-Ms-Copy-Source": {"https://x/y"}}
	for _, test := range []struct {
		method, host, target string
		header               http.Header
		want                 string
	}{
		{"PUT", "a.blob.core.airlock.test", "/c?restype=container", nil, "CreateContainer"},
		{"DELETE", "a.blob.core.airlock.test", "/c?restype=container", nil, "DeleteContainer"},
		{"GET", "a.blob.core.airlock.test", "/c?restype=container", nil, "GetContainerProperties"},
		{"GET", "a.blob.core.airlock.test", "/c?restype=container&comp=list&include=tags", nil, "ListBlobs"},
		{"PUT", "a.blob.core.airlock.test", "/c?restype=container&comp=metadata", nil, "Other"},
		{"POST", "a.blob.core.airlock.test", "/?restype=service&comp=userdelegationkey", nil, "GetUserDelegationKey"},
		{"PUT", "a.blob.core.airlock.test", "/c/b", nil, "PutBlob"},
		{"PUT", "a.blob.core.airlock.test", "/c/b", copied, "CopyBlob"},
		{"PUT", "a.blob.core.airlock.test", "/c/b?comp=block&blockid=1", nil, "PutBlock"},
		{"PUT", "127.0.0.1:1", "/a/c/x%2Fy?comp=blocklist", nil, "PutBlockList"},
		{"PUT", "127.0.0.1:1", "/a/c/b?comp=tags", nil, "Other"},
		{"GET", "127.0.0.1:1", "/a/c/b", nil, "GetBlob"},
		{"HEAD", "127.0.0.1:1", "/a/c/b", nil, "GetBlobProperties"},
		{"DELETE", "127.0.0.1:1", "/a/c/b", nil, "DeleteBlob"},
		{"POST", "a.table.core.airlock.test", "/$batch", nil, "EntityGroupTransaction"},
		{"POST", "a.table.core.airlock.test", "/airlock", nil, "InsertEntity"},
		{"GET", "a.table.core.airlock.test", "/airlock()?$filter=x", nil, "QueryEntities"},
		{"GET", "a.table.core.airlock.test", "/airlock(PartitionKey='p',RowKey='r')", nil, "QueryEntity"},
		{"PUT", "a.table.core.airlock.test", "/airlock(PartitionKey='p',RowKey='r')", nil, "InsertOrReplaceEntity"},
		{"PUT", "a.table.core.airlock.test", "/airlock(PartitionKey='p',RowKey='r')", http.Header{"If-Match": {"x"}}, "UpdateEntity"},
		{"DELETE", "a.table.core.airlock.test", "/airlock(PartitionKey='p',RowKey='r')", nil, "Other"},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Host = test.host
		maps.Copy(r.Header, test.header)
		x := &exchange{}
		x.svc, x.path = addressing{suffix: "core.airlock.test"}.azuritePath(r.Host, r.URL.EscapedPath())
		if x.svc == blobService {
			x.res, _ = parseResource(x.path)
			x.api = writeAPI(r, x.res)
		}
		if got := operation(r, x); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.method, test.target, got, test.want)
		}
	}
}

func TestDoorsAreCountedApart(t *testing.T) {
	c := newCounters()
	plain, secure := httptest.NewRequest("GET", "/", nil), httptest.NewRequest("GET", "/", nil)
	secure.TLS = &tls.ConnectionState{}
	c.add(plain, "GetBlob")
	c.add(secure, "GetBlob")
	c.add(secure, "ListBlobs")
	if !maps.Equal(c.plain, map[string]int{"GetBlob": 1}) || !maps.Equal(c.tls, map[string]int{"GetBlob": 1, "ListBlobs": 1}) {
		t.Errorf("plain %v, TLS %v", c.plain, c.tls)
	}
}
