package rehearsal

import (
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/status"
)

// page fetches the link of a message with nothing but curl: it shows crm in that
// state, and no other object.
func (s *story) page(t *testing.T, link, state string) {
	t.Helper()
	u, err := url.Parse(link)
	must(t, err)
	s.secrets["the signature of a link to the status page"] = u.Query().Get("X-Amz-Signature")
	out, err := exec.CommandContext(t.Context(), "curl", "-fsSi", link).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	if got := string(out); !strings.Contains(got, "\r\nContent-Type: text/html") || !strings.Contains(got, `<details class="job `+state+`" id="main/web1/crm">`) {
		t.Errorf("the status page does not show web1/crm as %s:\n%.2000s", state, got)
	}
	elsewhere := strings.Replace(link, "/status.html", "/alerts.json", 1)
	if out, err := exec.CommandContext(t.Context(), "curl", "-fsS", elsewhere).CombinedOutput(); err == nil || elsewhere == link {
		t.Errorf("the link opens alerts.json too:\n%s", out)
	}
}

// jobIs proves what status.json says of crm.
func (s *story) jobIs(t *testing.T, want string) {
	t.Helper()
	now := s.status(t)
	got := "absent"
	for _, j := range now.Jobs {
		if j.Host+"/"+j.Job == "web1/crm" {
			got = j.State
		}
	}
	if got != want {
		t.Errorf("status.json: web1/crm is %s, want %s", got, want)
	}
	if now.Cost == nil || now.Cost.Currency != "USD" {
		t.Errorf("status.json: cost %+v, want it in USD", now.Cost)
	}
	if len(now.Channels) != 4 {
		t.Errorf("status.json: channels %+v, want 4", now.Channels)
	}
	for _, c := range now.Channels {
		if c.Err != "" {
			t.Errorf("channel %s: %s", c.Name, c.Err)
		}
	}
}

// status returns what status.json says of the vault.
func (s *story) status(t *testing.T) status.Vault {
	t.Helper()
	all, err := status.ReadJSON(strings.NewReader(s.content(t, "state/status.json")))
	must(t, err)
	if len(all.Vaults) != 1 {
		t.Fatalf("status.json has %d vaults, want 1", len(all.Vaults))
	}
	return all.Vaults[0]
}
