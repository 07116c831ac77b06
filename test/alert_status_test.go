package test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/status"
)

const metricsToken = "a token for Prometheus"

func TestTheStatusPageOpensByALinkAndMetricsByAToken(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n")
	h := w.addHost("web1", []string{"crm"}, dumps("crm", w.customers("app", 10)))
	write(t, filepath.Join(w.dir, "metrics.token"), metricsToken+"\n", 0o600)
	w.broker = "  metrics_token: file:metrics.token\n"
	w.begin()
	w.push(h)
	w.forward(27 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 27h old")
	w.pulse.wait(2)

	t.Run("not without", func(t *testing.T) {
		for _, path := range []string{"/", "/status.json", "/metrics", "/login/x"} {
			for _, header := range []string{"", "Bearer ", "Bearer " + metricsToken + "x"} {
				if code, body := fetch(t, http.DefaultClient, w.url+path, header); code != http.StatusUnauthorized || strings.Contains(body, "crm") {
					t.Errorf("%s with %q: got %d, %q", path, header, code, body)
				}
			}
		}
	})
	browser := newBrowser(t)
	link := strings.TrimSpace(w.want(w.operator("status", "--link"), 0).out)
	for name, link := range map[string]string{"of the command": link, "of a message": w.people.pager.messages(t)[0].Link} {
		t.Run("the link "+name, func(t *testing.T) {
			code, page := fetch(t, browser, link, "")
			if code != http.StatusOK || !strings.Contains(page, "the newest good backup is 27h old") {
				t.Errorf("page: got %d, %d bytes", code, len(page))
			}
			code, body := fetch(t, browser, w.url+"/status.json", "")
			var s status.Status
			if decode(t, body, &s); code != http.StatusOK || s.Vaults[0].Jobs[0].State != status.Critical || s.Vaults[0].Jobs[0].Findings[0].Check != "fresh" {
				t.Errorf("status.json: got %d, %s", code, body)
			}
		})
	}
	t.Run("metrics", func(t *testing.T) {
		code, body := fetch(t, http.DefaultClient, w.url+"/metrics", "Bearer "+metricsToken)
		for _, line := range []string{
			`holdfast_job_state{vault="main",host="web1",job="crm",state="critical"} 1`,
			`holdfast_job_findings{vault="main",host="web1",job="crm",check="fresh",severity="critical"} 1`,
			`holdfast_vault_reachable{vault="main"} 1`, `holdfast_channel_failing{vault="main",channel="mail"} 0`,
		} {
			if code != http.StatusOK || !strings.Contains(body, line+"\n") {
				t.Errorf("metrics: got %d without %s\n%s", code, line, body)
			}
		}
	})
	t.Run("the page in the vault", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "status.html")
		w.want(w.operator("status", "--page", file), 0)
		for _, path := range []string{file, filepath.Join(w.vault, "state/status.html")} {
			if page := read(t, path); !strings.Contains(page, "the newest good backup is 27h old") || strings.Contains(page, "/login/") {
				t.Errorf("%s: %d bytes lack what is wrong, or hold a link", path, len(page))
			}
		}
	})
	t.Run("not after a week", func(t *testing.T) {
		w.forward(8 * 24 * time.Hour)
		for _, address := range []string{w.url + "/", link} {
			if code, _ := fetch(t, browser, address, ""); code != http.StatusUnauthorized {
				t.Errorf("%s: got %d", address, code)
			}
		}
	})
}

// newBrowser is one that keeps cookies.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar}
}

func fetch(t *testing.T, client *http.Client, address, authorization string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must(t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := client.Do(r)
	must(t, err)
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(all)
}
