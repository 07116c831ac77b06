package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/status"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// pages serves the status of one job under a path of its own.
type pages struct {
	*statusPages
	url   string
	clock time.Time
}

func newPages(t *testing.T) *pages {
	t.Helper()
	p := &pages{clock: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL + "/holdfast"
	audience, err := token.Audience(p.url)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := token.NewSealer(audience, secret.New(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	p.statusPages = &statusPages{
		root: "/holdfast", sealer: sealer, token: secret.New("a token of metrics"), now: func() time.Time { return p.clock },
		log: slog.New(slog.DiscardHandler),
		state: func() status.Status {
			return status.Status{At: p.clock, Vaults: []status.Vault{{Name: "main", At: p.clock, Reachable: true, Jobs: []status.Job{{Host: "web1", Job: "crm", State: status.OK}}}}}
		},
	}
	p.register(mux)
	return p
}

func (p *pages) link(t *testing.T) string {
	t.Helper()
	link, err := StatusLink(p.sealer, p.url, p.clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func get(t *testing.T, c *http.Client, address, bearer string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheStatusPageOpensByALinkAndByNothingElse(t *testing.T) {
	p := newPages(t)
	stranger := newBrowser(t)
	for _, path := range []string{"/", "/status.json", "/metrics"} {
		resp, body := get(t, stranger, p.url+path, "")
		if resp.StatusCode != http.StatusUnauthorized || strings.Contains(body, "web1") {
			t.Errorf("%s: a stranger gets %s\n%s", path, resp.Status, body)
		}
	}
	browser := newBrowser(t)
	resp, body := get(t, browser, p.link(t), "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "web1") || resp.Request.URL.Path != "/holdfast/" {
		t.Fatalf("by the link: %s at %s", resp.Status, resp.Request.URL)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for path, want := range map[string]string{"/status.json": `"job":"crm"`, "/metrics": `job="crm"`} {
		if resp, body := get(t, browser, p.url+path, ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s after the link: %s\n%s", path, resp.Status, body)
		}
	}
	p.clock = p.clock.Add(2 * time.Hour)
	if resp, body := get(t, browser, p.url+"/", ""); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "has expired") {
		t.Errorf("after the link has expired: %s\n%s", resp.Status, body)
	}
}

func TestALinkThatIsNoneOpensNothing(t *testing.T) {
	p := newPages(t)
	ticket, err := p.sealer.Seal(token.KindTicket, look{}, p.clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := StatusLink(p.sealer, p.url, p.clock.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	link := p.link(t)
	for name, address := range map[string]string{
		"another kind of token": p.url + loginPath + ticket,
		"an expired one":        expired,
		"a changed one":         link[:len(link)-4] + "AAAA",
		"none":                  p.url + loginPath + "x",
	} {
		browser := newBrowser(t)
		resp, body := get(t, browser, address, "")
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "holdfast status") {
			t.Errorf("%s: %s\n%s", name, resp.Status, body)
		}
		if name == "an expired one" && !strings.Contains(body, "expired") {
			t.Errorf("it does not say that it has expired:\n%s", body)
		}
		at, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		if cookies := browser.Jar.Cookies(at); len(cookies) > 0 {
			t.Errorf("%s: sets %v", name, cookies)
		}
	}
}

func TestMetricsOpenByTheirTokenAlone(t *testing.T) {
	p := newPages(t)
	for _, test := range []struct {
		bearer string
		want   int
	}{
		{"Bearer a token of metrics", 200}, {"Bearer a token of metric", 401}, {"a token of metrics", 401}, {"Bearer ", 401},
	} {
		if resp, _ := get(t, newBrowser(t), p.url+"/metrics", test.bearer); resp.StatusCode != test.want {
			t.Errorf("%q: %s, want %d", test.bearer, resp.Status, test.want)
		}
	}
	if resp, _ := get(t, newBrowser(t), p.url+"/", "Bearer a token of metrics"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the page opens by the token of metrics: %s", resp.Status)
	}
	p.statusPages.token = secret.Secret{}
	if resp, _ := get(t, newBrowser(t), p.url+"/metrics", "Bearer "); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token anybody gets them: %s", resp.Status)
	}
}

func TestTheCookieIsKeptFromScriptsAndFromPlainHTTP(t *testing.T) {
	p := newPages(t)
	p.secure = true
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, _ := get(t, direct, p.link(t), "")
	c := resp.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || !c[0].Secure || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/holdfast/" {
		t.Errorf("cookies %+v", c)
	}
}
