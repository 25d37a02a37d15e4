package mailbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, o Options) *Mailbox {
	t.Helper()
	o.Now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	b, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func send(t *testing.T, b *Mailbox, to []string, text string) error {
	t.Helper()
	return smtp.SendMail(b.SMTPAddress(), nil, "sender@tre.example", to, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
}

func TestMailsAreKept(t *testing.T) {
	b := start(t, Options{})
	mails := []struct{ text, subject, plain, html string }{
		{"Subject: plain\n\nhello\n..dot\n", "plain", "hello\n..dot", ""},
		{"Subject: =?utf-8?B?w6TDtg==?=\n =?utf-8?Q?_=C3=BC?=\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>=C3=A4=\n</p>\n", "äö ü", "", "<p>ä</p>"},
		{"Subject: both\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nplain\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+\n--b--\n", "both", "plain", "<b>"},
		{"Subject: none\n\n", "none", "", ""},
	}
	for i, m := range mails {
		to := []string{"a@tre.example", fmt.Sprintf("b%d@tre.example", i)}
		if err := send(t, b, to, m.text); err != nil {
			t.Fatalf("%s: %v", m.subject, err)
		}
		all := b.Mails()
		got := all[len(all)-1]
		if len(all) != i+1 || got.ID != i+1 || got.Subject != m.subject || got.Text != m.plain || got.HTML != m.html ||
			got.From != "sender@tre.example" || !slices.Equal(got.To, to) || got.Time.Year() != 2026 {
			t.Errorf("%d mails, the last is %+v, want %+v", len(all), got, m)
		}
	}
}

func TestWhatIsNoMailIsRefused(t *testing.T) {
	b := start(t, Options{Refuse: func(to string) bool { return to == "gone@tre.example" }})
	deep := "Subject: deep\n"
	for i := range maxDepth + 2 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	for name, test := range map[string]struct {
		to         []string
		text, want string
	}{
		"no header":    {[]string{"a@x.example"}, "nothing\n", "554"},
		"encoding":     {[]string{"a@x.example"}, "Subject: s\nContent-Transfer-Encoding: uuencode\n\nx\n", "554"},
		"content type": {[]string{"a@x.example"}, "Subject: s\nContent-Type: ;\n\nx\n", "554"},
		"too deep":     {[]string{"a@x.example"}, deep, "554"},
		"long line":    {[]string{"a@x.example"}, "Subject: s\n\n" + strings.Repeat("x", maxLine+1) + "\n", "500"},
		"too big":      {[]string{"a@x.example"}, "Subject: s\n\n" + strings.Repeat(strings.Repeat("x", 900)+"\n", MaxSize/900+1), "552"},
		"refused":      {[]string{"a@x.example", "gone@tre.example"}, "Subject: s\n\nx\n", "550"},
		"no address":   {[]string{"nobody"}, "Subject: s\n\nx\n", "501"},
		"too many":     {strings.Split(strings.Repeat("a@x.example ", MaxRecipients)+"a@x.example", " "), "Subject: s\n\nx\n", "452"},
	} {
		if err := send(t, b, test.to, test.text); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if got := b.Mails(); len(got) != 0 {
		t.Errorf("%d mails were kept", len(got))
	}
}

func TestCommands(t *testing.T) {
	b := start(t, Options{})
	conn, err := net.Dial("tcp", b.SMTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	expect := func(command, want string) {
		t.Helper()
		if command != "" {
			fmt.Fprintf(conn, "%s\r\n", command)
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			if len(line) > 3 && line[3] == '-' {
				continue
			}
			if !strings.HasPrefix(line, want) {
				t.Fatalf("%s: %q, want %s", command, line, want)
			}
			return
		}
	}
	expect("", "220")
	expect("DATA", "503")
	expect("RCPT TO:<a@x.example>", "503")
	expect("ehlo me", "250")
	expect("MAIL FROM:a@x.example", "501")
	expect("MAIL", "501")
	expect("mail from:<> BODY=8BITMIME", "250")
	expect("MAIL FROM:<a@x.example>", "503")
	expect("DATA", "503")
	expect("RCPT TO:<>", "501")
	expect("RCPT TO:<a@x.example>", "250")
	expect("RSET", "250")
	expect("DATA", "503")
	expect("HELO me", "250")
	expect("NOOP", "250")
	expect("VRFY a", "502")
	expect("STARTTLS", "502")
	expect("QUIT", "221")
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after QUIT: %v", err)
	}
}

func TestOldestMailsGo(t *testing.T) {
	b := start(t, Options{Keep: 2})
	for i := range 3 {
		if err := send(t, b, []string{"a@x.example"}, fmt.Sprintf("Subject: %d\n\nx\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Mails(); len(got) != 2 || got[0].ID != 2 || got[1].Subject != "2" {
		t.Errorf("%+v", got)
	}
	if page, _ := get(t, b.URL()+"mails/1"); page.StatusCode != http.StatusNotFound {
		t.Errorf("the first mail: %s", page.Status)
	}
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func TestPages(t *testing.T) {
	b := start(t, Options{})
	if _, body := get(t, b.URL()); !strings.Contains(body, "No mail has come yet") {
		t.Error(body)
	}
	const evil = "<script>alert(1)</script>"
	if err := send(t, b, []string{"a@x.example"}, "Subject: "+evil+"\nContent-Type: text/html\n\n<p>hello</p>"+evil+"\n"); err != nil {
		t.Fatal(err)
	}
	_, list := get(t, b.URL())
	_, page := get(t, b.URL()+"mails/1")
	for name, body := range map[string]string{"list": list, "page": page} {
		if strings.Contains(body, evil) || !strings.Contains(body, "&lt;script&gt;") || !strings.Contains(body, "a@x.example") {
			t.Errorf("%s: %s", name, body)
		}
	}
	if !strings.Contains(page, `sandbox="allow-popups" src="/mails/1/body"`) {
		t.Error(page)
	}
	r, body := get(t, b.URL()+"mails/1/body")
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(body, "<p>hello</p>") || !strings.Contains(policy, "sandbox allow-popups;") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("body %q with the policy %q", body, policy)
	}
	for _, path := range []string{"mails/2", "mails/x", "mails/1/x", "other"} {
		if r, _ := get(t, b.URL()+path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

func TestForeignHostNamesAreRefused(t *testing.T) {
	b := start(t, Options{})
	for host, want := range map[string]int{"evil.example:80": 403, "localhost:80": 200, "127.0.0.1:9": 200, "[::1]:9": 200, "10.0.0.1:9": 403, "": 403} {
		r, err := http.NewRequest(http.MethodGet, b.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if host == "" {
			r.Host = "nameless"
		}
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%q: %s", host, got.Status)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, o := range []Options{{SMTPAddress: "0.0.0.0:0"}, {HTTPAddress: "0.0.0.0:0"}, {SMTPAddress: "example.org:25"}, {SMTPAddress: "no"}} {
		if b, err := Start(t.Context(), o); err == nil {
			b.Close()
			t.Errorf("%+v started", o)
		}
	}
}

func TestStartsAgainOnTheSameAddresses(t *testing.T) {
	b := start(t, Options{})
	idle, err := net.Dial("tcp", b.SMTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	again, err := Start(context.Background(), Options{SMTPAddress: b.SMTPAddress(), HTTPAddress: b.HTTPAddress()})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := send(t, again, []string{"a@x.example"}, "Subject: s\n\nx\n"); err != nil || len(again.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(again.Mails()))
	}
}

func TestSessionsAreBounded(t *testing.T) {
	b := start(t, Options{})
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	greeted := func() bool {
		c, err := net.Dial("tcp", b.SMTPAddress())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		_, err = bufio.NewReader(c).ReadString('\n')
		return err == nil
	}
	for i := range maxSessions {
		if !greeted() {
			t.Fatalf("session %d was refused", i)
		}
	}
	if greeted() {
		t.Error("one session too many")
	}
	for _, c := range open {
		c.Close()
	}
	deadline := time.Now().Add(30 * time.Second)
	for !greeted() {
		if time.Now().After(deadline) {
			t.Fatal("the places of ended sessions stay taken")
		}
	}
}

// FuzzParse looks for panics in what a stranger's mail can do.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?B?w6TDtg==?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b--\r\n"))
	f.Add([]byte("Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Mail
		if err := m.parse(data); err == nil && len(m.Text)+len(m.HTML) > 3*len(data) {
			t.Errorf("%d bytes became %d", len(data), len(m.Text)+len(m.HTML))
		}
	})
}
