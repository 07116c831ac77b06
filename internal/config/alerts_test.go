package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

// withAlerts returns the example's first lines with alerts in place of its own.
func withAlerts(alerts string) string {
	return `broker: { url: "https://b.example", secret: "env:S" }
vaults: { main: { disk: { path: /srv/b } } }
hosts: { web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm, media] } }
` + alerts
}

func TestMistakesInAlertsAreFound(t *testing.T) {
	for _, test := range []struct{ name, alerts, want string }{
		{"no kind", "alerts: { channels: { ops: {} } }", "names no kind of channel"},
		{"two kinds", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" }, webhook: { url: "env:U" } } } }`, "at once"},
		{"a secret itself", `alerts: { channels: { ops: { slack: { webhook: "https://hooks.slack.com/services/x" } } } }`, "slack.webhook"},
		{"webhook and bot", `alerts: { channels: { ops: { slack: { webhook: "env:A", token: "env:B" } } } }`, "a webhook and a bot at once"},
		{"a bot without a channel", `alerts: { channels: { ops: { slack: { token: "env:B" } } } }`, "slack.channel: is missing"},
		{"a channel by its name", `alerts: { channels: { ops: { slack: { token: "env:B", channel: "#ops" } } } }`, "want the channel's id"},
		{"an unknown event", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" }, events: [unhealhty] } } }`, `did you mean "unhealthy"`},
		{"no events", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" }, events: [] } } }`, "is empty"},
		{"an unknown severity", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" }, severity: info } } }`, "unknown value"},
		{"an unknown check", `alerts: { severity: { frehs: off } }`, `did you mean "fresh"`},
		{"an unknown severity of a check", `alerts: { severity: { fresh: bad } }`, "unknown value"},
		{"a digest at no time", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" }, digest: weekly } } }`, "want a weekday and a time of day"},
		{"mail without a way", `alerts: { channels: { ops: { email: { from: a@b.example, to: [c@d.example] } } } }`, "want smtp or ses"},
		{"mail to nobody", `alerts: { channels: { ops: { email: { from: a@b.example, to: [], ses: {} } } } }`, "want at least one address"},
		{"an address that is none", `alerts: { channels: { ops: { email: { from: a@b.example, to: [ops], ses: {} } } } }`, "want an address"},
		{"an address of other letters", `alerts: { channels: { ops: { email: { from: a@b.example, to: [ä@d.example], ses: {} } } } }`, "other letters than ASCII"},
		{"too many recipients", `alerts: { channels: { ops: { email: { from: a@b.example, to: [` + strings.Repeat("c@d.example, ", 51) + `], ses: {} } } } }`, "at most 50"},
		{"plain SMTP over the network", `alerts: { channels: { ops: { email: { from: a@b.example, to: [c@d.example], smtp: { host: mail.example, tls: none } } } } }`, "loopback addresses only"},
		{"a user without a password", `alerts: { channels: { ops: { email: { from: a@b.example, to: [c@d.example], smtp: { host: mail.example, user: a } } } } }`, "smtp.password: is missing"},
		{"a host with its port", `alerts: { channels: { ops: { email: { from: a@b.example, to: [c@d.example], smtp: { host: "mail.example:25" } } } } }`, "the port stands in port"},
		{"a job's unknown channel", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" } } } }` + "\njobs: { crm: { alert: [opps] } }", `did you mean "ops"`},
		{"a job's unknown event", `alerts: { channels: { ops: { shoutrrr: { url: "env:U" } } } }` + "\njobs: { crm: { alert: { ops: [bakcup-failed] } } }", "unknown event"},
		{"a heartbeat that is no URL", `alerts: { heartbeat: { success: ping } }`, "want an https://"},
		{"a price without a currency", "alerts: {}\nvaults: { main: { disk: { path: /srv/b }, price: 0.02 } }", "price"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := withAlerts(test.alerts)
			if strings.Contains(test.alerts, "vaults:") {
				text = strings.Replace(text, "vaults: { main: { disk: { path: /srv/b } } }\n", "", 1)
			}
			_, err := ParseHoldfast("holdfast.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "hooks.slack.com") {
				t.Errorf("the error shows what may be a secret: %v", err)
			}
		})
	}
}

func TestWhoIsToldOfWhat(t *testing.T) {
	c, err := ParseHoldfast("holdfast.yaml", []byte(withAlerts(`
alerts:
  channels:
    all: { shoutrrr: { url: "env:U" } }
    good: { shoutrrr: { url: "env:U" }, events: [backup-succeeded] }
    boss: { shoutrrr: { url: "env:U" }, severity: critical, remind: 0 }
  remind: 6h
  severity: { failed-run: critical, max-total: off }
jobs:
  crm: { alert: [all] }
  media: { alert: { good: [unhealthy], boss: [] } }
`)))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		channel, job string
		event        holdfast.Event
		want         bool
	}{
		{"all", "crm", holdfast.Unhealthy, true},
		{"all", "crm", holdfast.BackupSucceeded, false},
		{"good", "crm", holdfast.BackupSucceeded, false},
		{"all", "media", holdfast.Unhealthy, false},
		{"good", "media", holdfast.Unhealthy, true},
		{"good", "media", holdfast.BackupSucceeded, false},
		{"boss", "media", holdfast.CleanupFailed, false},
		{"all", "other", holdfast.CleanupFailed, true},
		{"good", "other", holdfast.BackupSucceeded, true},
		{"boss", "", holdfast.Unhealthy, true},
		{"good", "", holdfast.Unhealthy, false},
		{"gone", "crm", holdfast.Unhealthy, false},
	} {
		host := "web1"
		if test.job == "" {
			host = ""
		}
		if got := registry.Tells(test.channel, host, test.job, test.event); got != test.want {
			t.Errorf("%s tells of %s of %q: %v, want %v", test.channel, test.event, test.job, got, test.want)
		}
	}
	if got := c.Alerts.Channels["all"].Remind.Every.Duration(); got != 6*time.Hour {
		t.Errorf("all reminds every %v, want what holds for all", got)
	}
	if got := c.Alerts.Channels["boss"].Remind.Every.Duration(); got != 0 {
		t.Errorf("boss reminds every %v, want never", got)
	}
}

func TestWeeklyIsDueAtItsTimeOfTheWeek(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	monday := Weekly{On: true, Day: time.Monday, Hour: 8}
	for _, test := range []struct{ now, want string }{
		{"2025-11-03T08:00:00+01:00", "2025-11-03T08:00:00+01:00"},
		{"2025-11-03T07:59:59+01:00", "2025-10-27T08:00:00+01:00"},
		{"2025-11-02T23:00:00+01:00", "2025-10-27T08:00:00+01:00"},
		{"2025-10-27T07:00:00+01:00", "2025-10-20T08:00:00+02:00"}, // summer time ended between
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, monday.Before(now.In(paris)).Format(time.RFC3339)); diff != "" {
			t.Errorf("before %s: want - got +\n%s", test.now, diff)
		}
	}
}

func TestPrices(t *testing.T) {
	if got, err := ParsePrice("0.023 USD"); err != nil || got != (Price{0.023, "USD"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"0.023", "USD 1", "1 usd", "-1 USD", "1e9 USD", "1.5 USD "} {
		if got, err := ParsePrice(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
