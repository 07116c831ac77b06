package main

import (
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/fill"
)

func TestWhatTheConfigurationSaysOfACopy(t *testing.T) {
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(`
vaults:
  main: { s3: { bucket: acme-backups, region: eu-west-3 } }
  cloud: { b2: { bucket: acme-backups-2, key_id: env:B2_KEY_ID, application_key: env:B2_KEY } }
  nas: { sftp: { host: nas.example.com, user: backup, path: crm, key: "file:/etc/holdfast/nas", host_key: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] } }
  usb: { disk: { path: /mnt/usb } }
hosts:
  web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm, media] }
jobs:
  crm: { vault: { main: {}, nas: {}, cloud: { copied: true } }, max_size: 5GB, max_per_day: 3 }
  media: { vault: [cloud, usb] }
`))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from, to, job string
		trust         bool
		doubts, takes bool // the source, and this job from it
		sends         bool
	}{
		{from: "main", to: "cloud", job: "crm"},
		{from: "cloud", to: "main", job: "crm", sends: true},
		{from: "nas", to: "cloud", job: "crm", doubts: true, takes: true},
		{from: "nas", to: "cloud", job: "media", doubts: true, sends: true},
		{from: "nas", to: "cloud", job: "wiki", doubts: true},
		{from: "usb", to: "cloud", job: "media", doubts: true, takes: true, sends: true},
		{from: "nas", to: "main", job: "media", doubts: true},
		{from: "nas", to: "cloud", job: "crm", trust: true},
	} {
		var o fill.Options
		(&copying{from: test.from, to: test.to, trustSource: test.trust}).rules(&o, registry)
		if got := o.HostSends("web1", test.job); got != test.sends {
			t.Errorf("%+v: hosts send: %v", test, got)
		}
		if doubts := o.HostQuota != nil; doubts != test.doubts {
			t.Errorf("%+v: doubts: %v", test, doubts)
			continue
		}
		if !test.doubts {
			continue
		}
		quota, refusal := o.HostQuota("web1", test.job)
		if takes := refusal == ""; takes != test.takes {
			t.Errorf("%+v: %q", test, refusal)
		}
		if test.job == "crm" && (quota.MaxSize != 5e9 || quota.MaxPerDay != 3) {
			t.Errorf("%+v: %+v", test, quota)
		}
		if _, refusal := o.HostQuota("db9", test.job); refusal == "" {
			t.Errorf("%+v: takes it from a host that nobody knows", test)
		}
	}
}
