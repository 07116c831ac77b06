package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func registry(t *testing.T, text string) *Registry {
	t.Helper()
	c, err := ParseHoldfast("h.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keyID(t *testing.T, n byte) string {
	t.Helper()
	key, err := holdfast.ParsePublicKey(testKey(n))
	if err != nil {
		t.Fatal(err)
	}
	return holdfast.KeyID(key)
}

func TestPrincipal(t *testing.T) {
	r := registry(t, server(""))
	push, report, restore := holdfast.ScopePush, holdfast.ScopeReport, holdfast.ScopeRestore
	for _, test := range []struct {
		name      string
		key       byte
		scope     holdfast.Scope
		host, job string
		want      bool
	}{
		{"a host pushes its job", 1, push, "web1", "crm", true},
		{"a host pushes what its pattern matches", 1, push, "web1", "db-shop", true},
		{"a host reports", 1, report, "web1", "crm", true},
		{"a host does not restore", 1, restore, "web1", "crm", false},
		{"a host pushes no other job", 1, push, "web1", "etc", false},
		{"a host pushes for no other host", 1, push, "web2", "crm", false},
		{"a retired key opens nothing", 3, push, "web2", "crm", false},
		{"an operator restores everything", 4, restore, "web2", "crm", true},
		{"an operator does not push", 4, push, "web2", "crm", false},
		{"an unknown key opens nothing", 9, push, "web1", "crm", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, ok := r.Principal(keyID(t, test.key))
			if got := ok && p.May(test.scope, test.host, test.job); got != test.want {
				t.Errorf("got %v (%v, %+v)", got, ok, p)
			}
		})
	}
	if p, ok := r.Principal(keyID(t, 4)); !ok || p.Name != "alice" {
		t.Errorf("got %+v, %v, want alice", p, ok)
	}
}

func TestRevokedHost(t *testing.T) {
	r := registry(t, strings.Replace(server(""), "jobs: [crm],", "jobs: [crm], revoked: true,", 1))
	if p, ok := r.Principal(keyID(t, 2)); ok {
		t.Errorf("its key is accepted: %+v", p)
	}
	if !r.Revoked("web2") || r.Revoked("web1") || r.Revoked("web3") {
		t.Error("Revoked does not tell it from others")
	}
	if keys := r.HostKeys("web2"); len(keys) != 2 {
		t.Errorf("its manifests can be proven by %d keys, want 2", len(keys))
	}
	if _, _, ok := r.Job("web2", "crm"); !ok {
		t.Error("its backups have no policy any more")
	}
	want := []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}}
	if diff := cmp.Diff(want, r.Expected()); diff != "" {
		t.Errorf("expected: want - got +\n%s", diff)
	}
}

func TestHostKeysAreTheCurrentFirst(t *testing.T) {
	r := registry(t, server(""))
	var got []string
	for _, key := range r.HostKeys("web2") {
		got = append(got, holdfast.FormatPublicKey(key))
	}
	if diff := cmp.Diff([]string{testKey(2), testKey(3)}, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	if keys := r.HostKeys("alice"); len(keys) != 0 {
		t.Errorf("an operator signs manifests with %v", keys)
	}
}

func TestRegistryJob(t *testing.T) {
	text := strings.Replace(server("jobs:\n  crm: { vault: main, max_per_day: 1 }\n  web1/crm: { vault: usb, keep: { last: 5 } }\n  media: { vault: usb }\n  web2/crm:\n    vault: usb\n    max_size: 1GB\n"),
		"vaults: {", "vaults: { usb: { disk: { path: /usb } },", 1)
	r := registry(t, text)
	for _, test := range []struct {
		name, host, job string
		vaults          string // with spaces between
		perDay          int
		ok              bool
	}{
		{"an entry of the host counts as a whole", "web1", "crm", "usb", defaultMaxPerDay, true},
		{"an entry of the job counts for all hosts", "web1", "media", "usb", defaultMaxPerDay, true},
		{"a job of a pattern has no vault among several", "web1", "db-shop", "", 0, false},
		{"a job that is not the host's", "web2", "media", "", 0, false},
		{"an unknown host", "web3", "crm", "", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			vaults, p, ok := r.Job(test.host, test.job)
			if strings.Join(vaults, " ") != test.vaults || p.Quota.MaxPerDay != test.perDay || ok != test.ok {
				t.Errorf("got %q, %d, %v, want %q, %d, %v", vaults, p.Quota.MaxPerDay, ok, test.vaults, test.perDay, test.ok)
			}
		})
	}
	if diff := cmp.Diff([]string{"main", "usb"}, r.Vaults()); diff != "" {
		t.Errorf("vaults: want - got +\n%s", diff)
	}
}

func TestJobWithoutAnEntryHasTheDefaults(t *testing.T) {
	r := registry(t, server(""))
	if _, _, ok := r.Job("web1", "db-shop"); ok {
		t.Error("a job that only a pattern matches has no entry, and is known")
	}
	vaults, got, ok := r.Job("web1", "crm")
	if !ok || !slices.Equal(vaults, []string{"main"}) {
		t.Fatalf("got %q, %v", vaults, ok)
	}
	want := holdfast.Policy{
		Keep:   holdfast.Keep{MinKeep: 3, Location: time.UTC},
		Expect: holdfast.Expect{Every: holdfast.Span{N: 24, Unit: holdfast.Hour}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour}, Shrink: 0.5, Grow: 3},
		Quota:  holdfast.Quota{MaxSize: 100_000_000_000, MaxPerDay: 24},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(sameZone)); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func sameZone(a, b *time.Location) bool { return a.String() == b.String() }

func TestPolicy(t *testing.T) {
	span := func(n int, u holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: u} }
	for _, test := range []struct {
		name, job string
		want      func(*holdfast.Policy)
	}{
		{"lengths of time", "keep: { all: 7d, daily: 16d, weekly: 8w, monthly: 4mo, yearly: 2y, max_total: 5GB, min_keep: 1 }, time_zone: Europe/Paris", func(p *holdfast.Policy) {
			paris, err := time.LoadLocation("Europe/Paris")
			if err != nil {
				t.Fatal(err)
			}
			p.Keep = holdfast.Keep{Form: holdfast.Windows, MaxTotal: 5e9, MinKeep: 1, Location: paris, Windows: holdfast.KeepWindows{
				All: span(7, holdfast.Day), Daily: span(16, holdfast.Day), Weekly: span(8, holdfast.Week), Monthly: span(4, holdfast.Month), Yearly: span(2, holdfast.Year)}}
		}},
		{"numbers", "keep: { last: 10, hourly: 24, daily: 7, weekly: 4, monthly: 6, yearly: 2 }", func(p *holdfast.Policy) {
			p.Keep.Form, p.Keep.Counts = holdfast.Counts, holdfast.KeepCounts{Last: 10, Hourly: 24, Daily: 7, Weekly: 4, Monthly: 6, Yearly: 2}
		}},
		{"a cap alone keeps everything below it", "keep: { max_total: 1GiB }", func(p *holdfast.Policy) { p.Keep.MaxTotal = 1 << 30 }},
		{"checks switched off", "expect: { shrink: 0, grow: 0, grace: 0h }", func(p *holdfast.Policy) {
			p.Expect.Shrink, p.Expect.Grow, p.Expect.Grace = 0, 0, span(0, holdfast.Hour)
		}},
		{"grace is a twelfth", "expect: { every: 1h, min_size: 1MB, min_count: 2, max_total: 2MB }", func(p *holdfast.Policy) {
			p.Expect.Every, p.Expect.Grace = span(1, holdfast.Hour), span(5, holdfast.Minute)
			p.Expect.MinSize, p.Expect.MinCount, p.Expect.MaxTotal = 1e6, 2, 2e6
		}},
		{"grace of a week", "expect: { every: 1w }", func(p *holdfast.Policy) {
			p.Expect.Every, p.Expect.Grace = span(1, holdfast.Week), span(14, holdfast.Hour)
		}},
		{"quotas", "max_size: 10GB, max_per_day: 3", func(p *holdfast.Policy) { p.Quota = holdfast.Quota{MaxSize: 10e9, MaxPerDay: 3} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got, ok := registry(t, server("jobs: { crm: { "+test.job+" } }\n")).Job("web1", "crm")
			if !ok {
				t.Fatal("no such job")
			}
			want, err := Job{}.Policy()
			if err != nil {
				t.Fatal(err)
			}
			test.want(&want)
			if diff := cmp.Diff(want, got, cmp.Comparer(sameZone)); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

// A configuration that was not read from a file is checked too.
func TestRegistryRefusesAKeyUsedTwice(t *testing.T) {
	c := &Holdfast{Hosts: map[string]Host{"a": {Key: testKey(1)}, "b": {Key: testKey(1)}}}
	if _, err := c.Registry(); err == nil {
		t.Error("got no error")
	}
	c = &Holdfast{Hosts: map[string]Host{"a": {Key: testKey(1)}}, Operators: map[string]Operator{"b": {Key: testKey(1)}}}
	if _, err := c.Registry(); err == nil {
		t.Error("host and operator: got no error")
	}
}
