package config

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

// testKey returns a public key, another one for each n.
func testKey(n byte) string {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
	return holdfast.FormatPublicKey(private.Public().(ed25519.PublicKey))
}

// server returns a holdfast.yaml that is in order, on 6 lines, and the rest.
func server(rest string) string {
	return "broker: { url: https://b.example, secret: env:SECRET }\n" +
		"vaults: { main: { disk: { path: /srv/b } } }\n" +
		"hosts:\n" +
		"  web1: { key: '" + testKey(1) + "', jobs: [crm, media, 'db-*'] }\n" +
		"  web2: { key: '" + testKey(2) + "', jobs: [crm], retired_keys: ['" + testKey(3) + "'] }\n" +
		"operators: { alice: { key: '" + testKey(4) + "' } }\n" + rest
}

func TestHoldfastProblems(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing but a key", "schedule:\n", []string{
			"h.yaml:1: vaults: is missing or empty; want at least one place where backups live",
		}},
		{"an unknown kind of vault", strings.Replace(server(""), "disk:", "dsk:", 1), []string{
			`h.yaml:2: vaults.main.dsk: unknown key "dsk", did you mean "disk"?`,
		}},
		{"a vault of no kind", strings.Replace(server(""), "{ disk: { path: /srv/b } }", "{}", 1), []string{
			"h.yaml:2: vaults.main: names no kind of vault, want disk, s3, b2 or sftp",
		}},
		{"a relative disk", strings.Replace(server(""), "/srv/b", "srv/b", 1), []string{
			`h.yaml:2: vaults.main.disk.path: "srv/b": want an absolute path`,
		}},
		{"a certificate without its key", strings.Replace(server(""), "env:SECRET", "env:SECRET, tls: { cert: a.pem }", 1), []string{
			"h.yaml:1: broker.tls.key: is missing; a certificate needs its key",
		}},
		{"a key without its certificate", strings.Replace(server(""), "env:SECRET", "env:SECRET, tls: { key: a.pem }", 1), []string{
			"h.yaml:1: broker.tls.cert: is missing; a key needs its certificate",
		}},
		{"the old secret again", strings.Replace(server(""), "env:SECRET", "env:SECRET, old_secret: env:SECRET", 1), []string{
			"h.yaml:1: broker.old_secret: is where the present secret is",
		}},
		{"an address without a port", strings.Replace(server(""), "env:SECRET", "env:SECRET, listen: localhost", 1), []string{
			`h.yaml:1: broker.listen: "localhost": want address:port, such as 127.0.0.1:8420 or :443`,
		}},
		{"one key for two hosts", strings.Replace(server(""), testKey(2), testKey(1), 1), []string{
			"h.yaml:5: hosts.web2.key: is the key of hosts.web1.key too",
		}},
		{"a retired key that an operator has", strings.Replace(server(""), testKey(4), testKey(3), 1), []string{
			"h.yaml:6: operators.alice.key: is the key of hosts.web2.retired_keys[0] too",
		}},
		{"no key", strings.Replace(server(""), testKey(4), "ed25519:abc", 1), []string{
			`h.yaml:6: operators.alice.key: public key "ed25519:abc": want ed25519: and 43 characters`,
		}},
		{"a host that wants to restore", strings.Replace(server(""), "jobs: [crm],", "jobs: [crm], scopes: [push, restore, repot],", 1), []string{
			"h.yaml:5: hosts.web2.scopes[1]: a host cannot restore; make an operator for that",
			`h.yaml:5: hosts.web2.scopes[2]: unknown value "repot", did you mean "report"?`,
		}},
		{"names and patterns that are none", strings.Replace(strings.Replace(server(""), "'db-*'", "'a/b', 'x?', CRM", 1), "alice: {", "alice: { jobs: ['crm', '*/[a]'],", 1), []string{
			`h.yaml:4: hosts.web1.jobs[2]: job "a/b": want a name of a-z, 0-9 and hyphens, or a pattern of these with *`,
			`h.yaml:4: hosts.web1.jobs[3]: job "x?": want a name of a-z, 0-9 and hyphens, or a pattern of these with *`,
			`h.yaml:4: hosts.web1.jobs[4]: job "CRM": want a name of a-z, 0-9 and hyphens, or a pattern of these with *`,
			`h.yaml:6: operators.alice.jobs[0]: "crm": want host/job, in which * stands for any letters`,
			`h.yaml:6: operators.alice.jobs[1]: "*/[a]": want host/job, in which * stands for any letters`,
		}},
		{"jobs that nobody pushes", server("jobs:\n  cmr: {}\n  wbe1/crm: {}\n  web2/media: {}\n  db-shop: {}\n  web1/media:\n"), []string{
			`h.yaml:8: jobs.cmr: no host pushes job "cmr", did you mean "crm"?`,
			`h.yaml:9: jobs.wbe1/crm: unknown host "wbe1", did you mean "web1"?`,
			`h.yaml:10: jobs.web2/media: no host pushes job "media", want crm`,
		}},
		{"an unknown vault", server("jobs:\n  crm:\n    vault: mian\n"), []string{
			`h.yaml:9: jobs.crm.vault: unknown vault "mian", did you mean "main"?`,
		}},
		{"several vaults and none said", strings.Replace(server("jobs:\n  crm: {}\n"), "vaults: {", "vaults: { usb: { disk: { path: /usb } },", 1), []string{
			`h.yaml:4: hosts.web1.jobs[1]: there are several vaults, and no entry of jobs says which is "media"'s`,
			"h.yaml:8: jobs.crm.vault: is missing; there are several: main or usb",
		}},
		{"lengths and numbers mixed", server("jobs:\n  crm:\n    keep:\n      daily: 7d\n      weekly: 4\n      last: 3\n"), []string{
			"h.yaml:10: jobs.crm.keep.daily: is a length of time, but last is a number of backups; want all of one kind",
		}},
		{"all as a number, last and hourly as lengths", server("jobs:\n  crm:\n    keep:\n      all: 7\n      last: 7d\n      hourly: 24h\n"), []string{
			"h.yaml:10: jobs.crm.keep.all: takes a length of time, such as 7d; for a number of backups there is last",
			"h.yaml:11: jobs.crm.keep.last: takes a number of backups; for a length of time there is all",
			"h.yaml:12: jobs.crm.keep.hourly: takes a number of backups; for a length of time there is all",
		}},
		{"rules that keep nothing", server("jobs:\n  crm:\n    keep:\n      daily: 0\n      weekly: 0w\n      monthly: -1\n      yearly: some\n      min_keep: 0\n      max_total: 0\n"), []string{
			"h.yaml:10: jobs.crm.keep.daily: 0: want a number of at least 1, or a length of time such as 16d",
			`h.yaml:11: jobs.crm.keep.weekly: "0w" keeps nothing; leave the key out`,
			"h.yaml:12: jobs.crm.keep.monthly: -1: want a number of at least 1, or a length of time such as 16d",
			`h.yaml:13: jobs.crm.keep.yearly: "some": want a number of backups, such as 7, or a length of time, such as 7d, 8w, 4mo or 2y`,
			"h.yaml:14: jobs.crm.keep.min_keep: 0: want at least 1, so that a backup always stays",
			"h.yaml:15: jobs.crm.keep.max_total: want more than 0; leave the key out for no limit",
		}},
		{"limits and expectations that make no sense", server("jobs:\n  crm:\n    expect: { every: 0h, shrink: 2, grow: 0.5, min_count: -1, min_size: 1XB }\n    max_size: 0\n    max_per_day: 0\n    time_zone: Europe/Pari\n"), []string{
			`h.yaml:9: jobs.crm.expect.min_size: size "1XB": want a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`,
			"h.yaml:9: jobs.crm.expect.every: want more than 0",
			"h.yaml:9: jobs.crm.expect.min_count: -1: want 0 or more",
			"h.yaml:9: jobs.crm.expect.shrink: 2: want 0, or a ratio below 1",
			"h.yaml:9: jobs.crm.expect.grow: 0.5: want 0, or a ratio above 1",
			"h.yaml:10: jobs.crm.max_size: want more than 0",
			"h.yaml:11: jobs.crm.max_per_day: 0: want at least 1",
			`h.yaml:12: jobs.crm.time_zone: unknown time zone "Europe/Pari", want a name such as UTC or Europe/Paris`,
		}},
		{"the machine's own time zone", server("jobs: { crm: { time_zone: Local } }\n"), []string{
			`h.yaml:7: jobs.crm.time_zone: unknown time zone "Local", want a name such as UTC or Europe/Paris`,
		}},
		{"a schedule without a pause", server("schedule: { retention: 0h, monitor: 0 }\n"), []string{
			"h.yaml:7: schedule.retention: want more than 0",
			"h.yaml:7: schedule.monitor: want more than 0",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseHoldfast("h.yaml", []byte(test.text))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func FuzzParseHoldfast(f *testing.F) {
	f.Add([]byte(HoldfastExample))
	f.Add([]byte(uncomment(HoldfastExample)))
	f.Add([]byte(StarterHoldfast("https://b.example", "/srv/b", "secret")))
	f.Add([]byte(server("jobs: { crm: { keep: { daily: 7d } } }\n")))
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseHoldfast("h.yaml", data)
		if err != nil {
			checkProblems(t, err)
			return
		}
		r, err := c.Registry()
		if err != nil {
			t.Fatalf("accepted, but has no registry: %v", err)
		}
		for _, e := range r.Expected() {
			vaults, p, ok := r.Job(e.Host, e.Job)
			if !ok || len(vaults) == 0 || p.Keep.MinKeep < 1 || p.Quota.MaxPerDay < 1 || p.Quota.MaxSize <= 0 || p.Expect.Every.IsZero() {
				t.Errorf("job %v: got %q, %+v, %v", e, vaults, p, ok)
			}
		}
	})
}
