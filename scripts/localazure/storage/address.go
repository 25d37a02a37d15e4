package storage

import (
	"net"
	"net/url"
	"strings"
)

// service is a storage service that an account has.
type service string

const (
	blobService  service = "blob"
	tableService service = "table"
)

// addressing knows every spelling of the address of an account.
type addressing struct {
	suffix    string // of virtual hosts: {account}.blob.{suffix}
	plainPort string
	tlsPort   string
}

// virtualHost splits {account}.blob.{suffix} and {account}.table.{suffix}, with or without a port.
func (a addressing) virtualHost(hostport string) (account string, svc service, ok bool) {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	name, found := strings.CutSuffix(strings.ToLower(host), "."+strings.ToLower(a.suffix))
	if !found {
		return "", "", false
	}
	account, kind, _ := strings.Cut(name, ".")
	svc = service(kind)
	return account, svc, account != "" && (svc == blobService || svc == tableService)
}

// azuritePath gives the service that a request is for and its path as Azurite wants it, /{account}/..., still escaped as it came:
// names with spaces, '#', '%', '+' or any script must not be decoded and encoded again on the way.
func (a addressing) azuritePath(host, escapedPath string) (svc service, path string) {
	if account, svc, ok := a.virtualHost(host); ok {
		return svc, "/" + account + escapedPath
	}
	return blobService, escapedPath
}

// azuriteCopySource rewrites the source of a copy to Azurite's own address, which is the only one that Azurite accepts and
// can reach. It may come as virtual host, as a link of the gateway, or as Azurite's own already. A source elsewhere stays as
// it is, and Azurite refuses it.
func (a addressing) azuriteCopySource(source, azuriteAddr string) string {
	scheme, rest, ok := strings.Cut(source, "://")
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return source
	}
	host, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, tail = rest[:i], rest[i:]
	}
	if account, svc, ok := a.virtualHost(host); ok && svc == blobService {
		return "https://" + azuriteAddr + "/" + account + tail
	}
	if host == azuriteAddr || a.isGateway(host) {
		return "https://" + azuriteAddr + tail
	}
	return source
}

func (a addressing) isGateway(hostport string) bool {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil || port != a.plainPort && port != a.tlsPort {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// resource is what a path names: a container, or a blob in it, with the names decoded.
type resource struct {
	account, container, blob string
}

// parseResource reads an Azurite path. Azure: the blob is all that follows the container, and '\' counts as '/'.
func parseResource(escapedPath string) (resource, bool) {
	path, err := url.PathUnescape(escapedPath)
	if err != nil {
		return resource{}, false
	}
	var r resource
	r.account, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	r.container, r.blob, _ = strings.Cut(path, "/")
	r.blob = strings.ReplaceAll(r.blob, `\`, "/")
	return r, r.account != "" && r.container != ""
}
