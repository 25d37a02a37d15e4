package entraid

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	identityPath       = "/msi/token"
	identityAPIVersion = "2019-08-01" // App Service: the only version that azidentity speaks
	maxForm            = 64 << 10
)

// handler routes to the endpoints. It answers only requests that name a loopback host, so that a web page cannot read
// tokens through a name that it has pointed at 127.0.0.1.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.ofTenant(s.serveDiscovery))
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.ofTenant(s.serveKeys))
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.ofTenant(s.serveToken))
	mux.HandleFunc("GET /token", s.serveBareToken)
	mux.HandleFunc("GET "+identityPath, s.serveIdentity)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this server answers for loopback hosts only", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ofTenant answers 404 for other tenants.
func (s *Server) ofTenant(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("tenant") != s.options.TenantID {
			http.Error(w, "there is one tenant here, "+s.options.TenantID, http.StatusNotFound)
			return
		}
		next(w, r)
	}
}

func (s *Server) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	base := s.URL() + "/" + s.options.TenantID
	respond(w, http.StatusOK, map[string]any{
		"issuer":                                s.Issuer(),
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"grant_types_supported":                 []string{"password", "client_credentials"},
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	set, err := s.ring().published()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	respond(w, http.StatusOK, set)
}

// serveToken speaks two grants of OAuth 2: password, where any password is right, and client_credentials, where any secret
// is. The audience comes from the scope, as with Entra ID: "{audience}/.default" or "{audience}/{scope}".
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if err != nil {
		refuse(w, "invalid_request", "the form cannot be read")
		return
	}
	var login string
	grant := r.PostForm.Get("grant_type")
	switch grant {
	case "password":
		login = r.PostForm.Get("username")
	case "client_credentials":
		login = r.PostForm.Get("client_id")
	default:
		refuse(w, "unsupported_grant_type", "grant_type must be password or client_credentials")
		return
	}
	user, found := s.users[login]
	if !found || user.App != (grant == "client_credentials") {
		refuse(w, "invalid_grant", fmt.Sprintf("there is no such user for %s: people use password, applications client_credentials", grant))
		return
	}
	token, err := s.Token(login, TokenOptions{Audience: audienceOf(r.PostForm.Get("scope"))})
	if err != nil {
		refuse(w, "invalid_scope", "name the audience: scope={audience}/.default")
		return
	}
	respond(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": int(s.options.Lifetime / time.Second), "scope": r.PostForm.Get("scope"), "access_token": token,
	})
}

// audienceOf finds the resource in a scope: everything before the last slash of the first word that has one.
func audienceOf(scope string) string {
	for word := range strings.FieldsSeq(scope) {
		if slash := strings.LastIndexByte(word, '/'); slash > 0 {
			return word[:slash]
		}
	}
	return ""
}

// serveBareToken gives the token and nothing else, for use inside a curl command:
// curl -H "Authorization: Bearer $(curl -s 'http://127.0.0.1:PORT/token?user=ada')" …
func (s *Server) serveBareToken(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	_, found := s.users[query.Get("user")]
	if !found {
		logins := slices.Sorted(maps.Keys(s.users))
		http.Error(w, "no such user; there are: "+strings.Join(logins, ", "), http.StatusNotFound)
		return
	}
	token, err := s.Token(query.Get("user"), TokenOptions{Audience: query.Get("aud")})
	if err != nil {
		http.Error(w, "say whom the token is for: ?user="+query.Get("user")+"&aud={audience}", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, token) // a client that has gone away needs no token
}

// serveIdentity is App Service's managed identity endpoint, for the one identity that the app has
// (Azure: App Service REST endpoint reference, api-version 2019-08-01).
func (s *Server) serveIdentity(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	resource := query.Get("resource")
	status, problem := 0, ""
	switch {
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("X-IDENTITY-HEADER")), []byte(s.identityHeader)) != 1:
		status, problem = http.StatusUnauthorized, "X-IDENTITY-HEADER is not the value of IDENTITY_HEADER"
	case query.Get("api-version") != identityAPIVersion:
		status, problem = http.StatusBadRequest, "api-version must be "+identityAPIVersion
	case resource == "":
		status, problem = http.StatusBadRequest, "resource is missing"
	case !s.isIdentity(query):
		status, problem = http.StatusBadRequest, "no such managed identity"
	}
	if problem != "" {
		respond(w, status, map[string]any{"statusCode": status, "message": problem})
		return
	}
	token, expires, err := s.IdentityToken(resource)
	if err != nil {
		respond(w, http.StatusInternalServerError, map[string]any{"statusCode": http.StatusInternalServerError, "message": err.Error()})
		return
	}
	respond(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "resource": resource, "client_id": s.options.IdentityClientID,
		"expires_on": strconv.FormatInt(expires.Unix(), 10), // seconds, as text
	})
}

// isIdentity tells whether the query asks for the identity that there is: by no name, or by a right one.
func (s *Server) isIdentity(query url.Values) bool {
	for name, id := range map[string]string{
		"client_id": s.options.IdentityClientID, "object_id": s.options.IdentityID, "principal_id": s.options.IdentityID, "mi_res_id": "",
	} {
		if query.Has(name) && query.Get(name) != id {
			return false
		}
	}
	return true
}

// refuse answers with an OAuth 2 error.
func refuse(w http.ResponseWriter, code, description string) {
	respond(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description})
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // nobody is left to tell when the client has gone away
}
