package infra_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// Everything that a holdfast.yaml can say about alerts, the variables can say too,
// and it arrives.
func TestTerraformAlerts(t *testing.T) {
	document := terraformDocument(t)
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(document))
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if diff := cmp.Diff(exampleAlerts(), c.Alerts); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	var written map[string]any
	if err := yaml.Unmarshal([]byte(document), &written); err != nil {
		t.Fatal(err)
	}
	if missing := missingKeys(reflect.TypeFor[config.Alerts](), written["alerts"]); len(missing) > 0 {
		t.Errorf("no variable, or nothing in examples/complete, says: %q", missing)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []struct {
		channel, job string
		event        holdfast.Event
		want         bool
	}{
		{"ops", "crm", holdfast.Unhealthy, true}, // a list of channels
		{"partner", "crm", holdfast.Healthy, false},
		{"ops", "media", holdfast.BackupFailed, true}, // events by channel
		{"ops", "media", holdfast.Unhealthy, false},
		{"partner", "media", holdfast.BackupSucceeded, true},
		{"team", "media", holdfast.Unhealthy, false},
		{"partner", "db-sessions", holdfast.Healthy, true}, // nothing: all channels
	} {
		if got := registry.Tells(told.channel, "web1", told.job, told.event); got != told.want {
			t.Errorf("%s tells of %s of web1/%s: %v, want %v", told.channel, told.event, told.job, got, told.want)
		}
	}
}

// exampleAlerts returns what examples/complete says, with the parser's defaults.
func exampleAlerts() config.Alerts {
	return config.Alerts{
		Channels: map[string]config.Channel{
			"ops": {Slack: &config.Slack{Webhook: "ssm:/acme-backups/slack-webhook"}, Remind: hours(12)},
			"team": {
				Slack:  &config.Slack{Token: "ssm:/acme-backups/slack-token", Channel: "C0123456789"},
				Events: holdfast.Events(), Remind: hours(12),
				Digest: config.Weekly{On: true, Day: time.Monday, Hour: 8}, TimeZone: "Europe/Paris",
			},
			"mail": {
				Email: &config.Email{
					From: "Holdfast <backup@example.com>", To: []string{"ops@example.com", `"Ops, night" <night@example.org>`},
					SES: &config.SES{Region: "eu-west-1"},
				},
				Severity: holdfast.Critical, Remind: config.Remind{Given: true},
			},
			"partner": {
				Email: &config.Email{
					From: "backup@example.com", To: []string{"backups@partner.example"},
					SMTP: &config.SMTP{Host: "smtp.example.com", Port: 465, TLS: "tls", User: "backup@example.com", Password: "ssm:/acme-backups/smtp-password"},
				},
				Events: []holdfast.Event{holdfast.Healthy}, Remind: hours(12),
			},
			"hook":  {Webhook: &config.Webhook{URL: "ssm:/acme-backups/hook-url", Secret: "ssm:/acme-backups/hook-secret"}, Remind: hours(6)},
			"phone": {Shoutrrr: &config.Shoutrrr{URL: "ssm:/acme-backups/phone-url"}, Severity: holdfast.Critical, Remind: hours(12)},
		},
		Remind:   hours(12),
		Severity: map[string]string{holdfast.CheckFailedRun: "critical", holdfast.CheckUnfinished: "off"},
		Heartbeat: config.Heartbeat{
			Start:   "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5/start",
			Success: "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5",
			Failure: "https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5/fail",
		},
	}
}

func hours(n int) config.Remind {
	return config.Remind{Given: true, Every: holdfast.Span{N: n, Unit: holdfast.Hour}}
}

// The module's lists of words are the programs' own: a check that it did not know
// could not be given a severity.
func TestTerraformKnowsTheWords(t *testing.T) {
	text, err := os.ReadFile("terraform/alerts.tf")
	if err != nil {
		t.Fatal(err)
	}
	words := func(name string) []string {
		list := regexp.MustCompile(`(?m)^  ` + name + ` += \[([^\]]*)\]`).FindSubmatch(text)
		if list == nil {
			t.Fatalf("alerts.tf has no list %q", name)
		}
		var all []string
		for _, word := range regexp.MustCompile(`"([^"]+)"`).FindAllSubmatch(list[1], -1) {
			all = append(all, string(word[1]))
		}
		return all
	}
	if diff := cmp.Diff(holdfast.Checks(), words("checks")); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	var events []string
	for _, event := range holdfast.Events() {
		events = append(events, string(event))
	}
	if diff := cmp.Diff(events, words("events")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// missingKeys returns the keys of the struct typ, and of those below it, that
// occur in none of the values. The keys of a map are names and do not count.
func missingKeys(typ reflect.Type, values ...any) []string {
	switch typ.Kind() {
	case reflect.Pointer:
		return missingKeys(typ.Elem(), values...)
	case reflect.Map:
		var below []any
		for _, value := range values {
			entries, _ := value.(map[string]any)
			below = slices.AppendSeq(below, maps.Values(entries))
		}
		return missingKeys(typ.Elem(), below...)
	case reflect.Struct:
	default:
		return nil
	}
	var missing []string
	for i := range typ.NumField() {
		key, below := typ.Field(i).Tag.Get("yaml"), []any(nil)
		if key == "" { // of a type with a form of its own
			continue
		}
		for _, value := range values {
			entries, _ := value.(map[string]any)
			if v, ok := entries[key]; ok {
				below = append(below, v)
			}
		}
		if len(below) == 0 {
			missing = append(missing, key)
			continue
		}
		for _, further := range missingKeys(typ.Field(i).Type, below...) {
			missing = append(missing, key+"."+further)
		}
	}
	return missing
}
