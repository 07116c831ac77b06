package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

// several is a server with the vaults main, usb and nas, to which hosts send by
// themselves.
func several(rest string) string {
	return strings.Replace(server(rest), "vaults: {", "vaults: { usb: { disk: { path: /usb } }, "+
		"nas: { sftp: { host: nas, user: u, key: env:KEY, host_key: ['SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI'] } },", 1)
}

func TestAJobLivesInSeveralVaults(t *testing.T) {
	r := registry(t, several(`jobs:
  crm: { vault: [usb, main], keep: { last: 5 } }
  media: { vault: { usb: {}, nas: { keep: { last: 2 }, expect: { every: 1w } }, main: }, keep: { last: 5 } }
`))
	for _, test := range []struct {
		job, vault string
		known      bool
		last       int
		every      holdfast.Span
	}{
		{"crm", "usb", true, 5, holdfast.Span{N: 24, Unit: holdfast.Hour}},
		{"crm", "main", true, 5, holdfast.Span{N: 24, Unit: holdfast.Hour}},
		{"crm", "nas", false, 0, holdfast.Span{}},
		{"media", "main", true, 5, holdfast.Span{N: 24, Unit: holdfast.Hour}},
		{"media", "nas", true, 2, holdfast.Span{N: 1, Unit: holdfast.Week}},
		{"payroll", "main", false, 0, holdfast.Span{}},
	} {
		p, ok := r.PolicyIn(test.vault, "web1", test.job)
		if ok != test.known || p.Keep.Counts.Last != test.last || p.Expect.Every != test.every {
			t.Errorf("%s in %s: got %v, keep last %d, every %v; want %+v", test.job, test.vault, ok, p.Keep.Counts.Last, p.Expect.Every, test)
		}
	}
	for job, want := range map[string][]string{"crm": {"usb", "main"}, "media": {"usb", "nas", "main"}} {
		vaults, p, ok := r.Job("web1", job)
		if !ok || !slices.Equal(vaults, want) || p.Keep.Counts.Last != 5 {
			t.Errorf("%s: got %q, keep last %d, %v; want %q in the order of the file", job, vaults, p.Keep.Counts.Last, ok, want)
		}
		vaults[0] = "changed"
		if again, _, _ := r.Job("web1", job); again[0] == "changed" {
			t.Errorf("%s: what Job returns is the registry's own", job)
		}
	}
	for vault, want := range map[string]bool{"main": true, "usb": true, "nas": false, "none": false} {
		if got := r.Signs(vault); got != want {
			t.Errorf("signs for %s: got %v, want %v", vault, got, want)
		}
	}
}

func TestAVaultThatIsCopiedToIsOneOfTheJob(t *testing.T) {
	r := registry(t, several(`jobs:
  crm: { vault: { main: {}, usb: { copied: true, keep: { last: 9 } } }, keep: { last: 5 } }
  web1/media: { vault: { usb: {}, main: { copied: true } } }
  media: { vault: usb }
`))
	if vaults, _, _ := r.Job("web1", "crm"); !slices.Equal(vaults, []string{"main", "usb"}) {
		t.Errorf("got vaults %q, want both", vaults)
	}
	if p, ok := r.PolicyIn("usb", "web1", "crm"); !ok || p.Keep.Counts.Last != 9 {
		t.Errorf("in usb: got %v, keep last %d, want 9", ok, p.Keep.Counts.Last)
	}
	for at, want := range map[[3]string]bool{
		{"usb", "web1", "crm"}: true, {"main", "web1", "crm"}: false, {"nas", "web1", "crm"}: false,
		{"main", "web1", "media"}: true, {"main", "web2", "media"}: false, {"usb", "web1", "none"}: false,
	} {
		if got := r.Copied(at[0], at[1], at[2]); got != want {
			t.Errorf("%q: got copied %v, want %v", at, got, want)
		}
	}
}

func TestVaultsOfAJobThatAreWrong(t *testing.T) {
	for _, test := range []struct{ name, vault, want string }{
		{"an empty list", "[]", "h.yaml:8: jobs.crm.vault: is empty; want the name of a vault, or several"},
		{"an empty map", "{}", "h.yaml:8: jobs.crm.vault: is empty; want the name of a vault, or several"},
		{"one of a list", "[main, ubs]", `h.yaml:8: jobs.crm.vault: unknown vault "ubs", did you mean "usb"?`},
		{"one of a map", "{ main: {}, ubs: {} }", `h.yaml:8: jobs.crm.vault: unknown vault "ubs", did you mean "usb"?`},
		{"one twice", "[main, usb, main]", `h.yaml:8: jobs.crm.vault: vault "main" occurs twice`},
		{"one twice in a map", "{ main: {}, main: {} }", "h.yaml:8: jobs.crm.vault.main: given twice, first on line 8"},
		{"a list of what are no names", "[{ main: {} }]", "h.yaml:8: jobs.crm.vault[0]: want a single plain value"},
		{"an unknown term", "{ main: { kepe: { last: 1 } } }", `h.yaml:8: jobs.crm.vault.main.kepe: unknown key "kepe", did you mean "keep"?`},
		{"terms that make no sense", "{ main: { keep: { last: 1, daily: 7d } } }", "h.yaml:8: jobs.crm.vault.main.keep.daily: is a length of time, but last is a number of backups; want all of one kind"},
		{"copies alone", "{ main: { copied: true }, usb: { copied: true } }", "h.yaml:8: jobs.crm.vault: no host sends to any of them; want one that is not copied"},
		{"an expectation that makes none", "{ main: { expect: { every: 0h } } }", "h.yaml:8: jobs.crm.vault.main.expect.every: want more than 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseHoldfast("h.yaml", []byte(several("jobs:\n  crm: { vault: "+test.vault+" }\n  media: { vault: main }\n")))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}
