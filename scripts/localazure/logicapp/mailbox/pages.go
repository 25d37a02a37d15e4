package mailbox

import (
	"embed"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strconv"
)

//go:embed list.html mail.html
var pageFiles embed.FS

// handler serves the list, one page per mail, and the mail's HTML body by itself for the frame on that page.
func (b *Mailbox) handler() http.Handler {
	pages := template.Must(template.ParseFS(pageFiles, "*.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		mails := b.Mails()
		slices.Reverse(mails)
		show(w, pages, "list.html", mails)
	})
	mux.HandleFunc("GET /mails/{id}", b.one(func(w http.ResponseWriter, m Mail) { show(w, pages, "mail.html", m) }))
	mux.HandleFunc("GET /mails/{id}/body", b.one(func(w http.ResponseWriter, m Mail) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// The body is somebody's text: no scripts, no requests, and no origin even when it is opened by itself. Links may open.
		w.Header().Set("Content-Security-Policy", "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		// The client that went away is the only error.
		_, _ = w.Write([]byte(m.HTML))
	}))
	return b.local(mux)
}

// local refuses foreign host names, so that no page on the web can read the mails through a name that resolves to loopback.
func (b *Mailbox) local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "only for this machine", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (b *Mailbox) one(found func(http.ResponseWriter, Mail)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		m, ok := b.mail(id)
		if err != nil || !ok {
			http.NotFound(w, r)
			return
		}
		found(w, m)
	}
}

func show(w http.ResponseWriter, pages *template.Template, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'")
	// The templates are fixed and total; what is left is a client that went away.
	_ = pages.ExecuteTemplate(w, name, data)
}
