package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// adopting returns a configuration with two vaults, of which old adopts what the
// entries say; web1 pushes media and shop.
func adopting(entries, jobs string) string {
	return "vaults:\n  main: { disk: { path: /main } }\n  old:\n    disk: { path: /old }\n    adopt:\n" + entries +
		"hosts:\n  web1: { key: \"" + testKey(1) + "\", jobs: [media, shop] }\njobs:\n  media: { vault: main }\n" + jobs
}

func TestAdoptedJobsInTheRegistry(t *testing.T) {
	r := registry(t, adopting(`
      - { host: web1, job: crm, pattern: spatie }
      - { host: web9, job: crm, pattern: stamp }
      - { host: web9, job: wiki, pattern: dbbackup }
      - { host: web1, job: media, pattern: "media-{year}{month}{day}.tar", below: "My App" }
`, "  crm: { keep: { last: 5 } }\n  web9/crm: { vault: { old: { keep: { last: 7 } } }, keep: { last: 6 } }\n  shop: { vault: main }\n"))
	for _, c := range []struct {
		name, host, job string
		vaults          []string // of Job
		in              map[string]int
	}{
		{"one that no host pushes lies where it is adopted", "web1", "crm", []string{"old"}, map[string]int{"old": 5}},
		{"of a host that there is not", "web9", "crm", []string{"old"}, map[string]int{"old": 7}},
		{"without an entry all of it is kept", "web9", "wiki", []string{"old"}, map[string]int{"old": 0}},
		{"one that is pushed elsewhere too goes there alone, and is judged in both", "web1", "media", []string{"main"}, map[string]int{"main": 0, "old": 0}},
		{"one that is pushed and not adopted", "web1", "shop", []string{"main"}, map[string]int{"main": 0}},
		{"one that is neither", "web9", "media", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			vaults, _, ok := r.Job(c.host, c.job)
			if diff := cmp.Diff(c.vaults, vaults); diff != "" || ok != (c.vaults != nil) {
				t.Errorf("Job: ok %v (-want +got):\n%s", ok, diff)
			}
			for _, vault := range []string{"main", "old"} {
				last, want := c.in[vault]
				p, ok := r.PolicyIn(vault, c.host, c.job)
				if ok != want || p.Keep.Counts.Last != last {
					t.Errorf("in %s: got %+v, %v", vault, p.Keep.Counts, ok)
				}
			}
		})
	}
	want := []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}, {Host: "web1", Job: "shop"}, {Host: "web9", Job: "crm"}, {Host: "web9", Job: "wiki"}}
	if diff := cmp.Diff(want, r.Expected()); diff != "" {
		t.Errorf("expected (-want +got):\n%s", diff)
	}
	if !r.Adopts("web9", "wiki") || r.Adopts("web1", "shop") {
		t.Error("Adopts does not tell them apart")
	}
}

func TestAdoptProblems(t *testing.T) {
	for _, c := range []struct{ name, entries, jobs, want string }{
		{"no pattern", "      - { host: web1, job: crm }\n", "", "vaults.old.adopt[0].pattern: is missing"},
		{"no host and no job", "      - { pattern: spatie }\n", "", "vaults.old.adopt[0].host: is missing"},
		{"a pattern that there is not", "      - { host: web1, job: crm, pattern: spatei }\n", "", `pattern "spatei": want spatie, stamp, dbbackup`},
		{"a pattern without a day", "      - { host: web1, job: crm, pattern: \"{year}{month}\" }\n", "", "has no {day}"},
		{"a folder out of the vault", "      - { host: web1, job: crm, pattern: spatie, below: ../etc }\n", "", "adopt[0].below"},
		{"Holdfast's own folder", "      - { host: web1, job: crm, pattern: spatie, below: .holdfast }\n", "", "adopt[0].below"},
		{"a slash at the end", "      - { host: web1, job: crm, pattern: spatie, below: app/ }\n", "", "adopt[0].below"},
		{"a zone that there is not", "      - { host: web1, job: crm, pattern: spatie, time_zone: Paris }\n", "", "unknown time zone"},
		{"the same twice", "      - { host: web1, job: crm, pattern: spatie }\n      - { host: web2, job: wiki, pattern: spatie }\n", "", "adopt[1]: an entry before it has the same pattern"},
		{"an entry of a job that nobody adopts", "      - { host: web1, job: crm, pattern: spatie }\n", "  wiki: {}\n", "jobs.wiki: "},
		{"of a job that another host adopts", "      - { host: web1, job: crm, pattern: spatie }\n", "  web2/crm: {}\n", "jobs.web2/crm: "},
		{"of a job that is pushed and does not say where", "      - { host: web1, job: shop, pattern: spatie }\n", "  shop: {}\n", "jobs.shop.vault: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseHoldfast("h.yaml", []byte(adopting(c.entries, c.jobs)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := ParseHoldfast("h.yaml", []byte(adopting("      - { host: web1, job: crm, pattern: spatie, below: \"My App/é\" }\n", "  shop: { vault: main }\n  crm: {}\n  web1/crm: {}\n"))); err != nil {
		t.Error(err)
	}
}
