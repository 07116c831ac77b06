package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nas = "{ sftp: { host: nas, user: u, key: file:nas.key, host_key: ['SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI'] } }"

// sending is a pusher.yaml with a broker, the destinations nas and here, and a
// job with more keys.
func sending(more string) string {
	return head + "destinations:\n  nas: " + nas + "\n  here: { disk: { path: /srv/b, keep: { last: 3 } } }\n" +
		"jobs:\n  crm: { sources: [{ files: { include: [/a] } }]" + more + " }\n"
}

func TestDestinationsOfAJob(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"all of them", sending(""), []string{"broker", "here", "nas"}},
		{"some, in the job's order", sending(", to: [nas, broker]"), []string{"nas", "broker"}},
		{"without a broker", strings.Replace(sending(""), "broker: https://b.example\n", "", 1), []string{"here", "nas"}},
		{"the broker alone", head + jobs("{files: {include: [/a]}}"), []string{"broker"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParsePusher("/etc/p.yaml", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.To(c.Jobs["crm"]); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	c, err := ParsePusher("/etc/p.yaml", []byte(sending("")))
	if err != nil {
		t.Fatal(err)
	}
	to := c.Destinations["nas"].SFTP
	if to.Port != 22 || to.Requests != 64 || to.Key != "file:/etc/nas.key" {
		t.Errorf("sftp: got port %d, %d requests, key %s; want the defaults and a path from the file's directory", to.Port, to.Requests, to.Key)
	}
	if keep := c.Destinations["here"].Disk.Keep; keep.Last.Number != 3 {
		t.Errorf("disk: keeps %+v", keep)
	}
}

func TestDestinationsThatAreWrong(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(sending(""), old, new, 1) }
	for _, test := range []struct{ name, text, want string }{
		{"an unknown one in to", sending(", to: [nsa]"), `p.yaml:9: jobs.crm.to[0]: unknown destination "nsa", did you mean "nas"?`},
		{"one twice in to", sending(", to: [nas, nas]"), "p.yaml:9: jobs.crm.to[1]: nas occurs twice"},
		{"nothing in to", sending(", to: []"), "p.yaml:9: jobs.crm.to: is empty; leave it out for all destinations"},
		{"no kind", swap(nas, "{}"), "p.yaml:6: destinations.nas: names no kind of destination, want broker, sftp or disk"},
		{"two kinds", swap("disk: {", "broker: { url: https://c.example }, disk: {"), "p.yaml:7: destinations.here: is broker and disk at once, want one of them"},
		{"a broker over plain http", swap("disk: { path: /srv/b, keep: { last: 3 } }", "broker: { url: http://c.example }"), "p.yaml:7: destinations.here.broker.url: plain http is accepted for loopback addresses only; want https://c.example"},
		{"the name of the broker", swap("here:", "broker:"), "p.yaml:7: destinations.broker: the key broker is the destination of that name"},
		{"a relative path", swap("/srv/b", "srv/b"), `p.yaml:7: destinations.here.disk.path: "srv/b": want an absolute path`},
		{"no host", swap("host: nas, ", ""), "p.yaml:6: destinations.nas.sftp.host: is missing"},
		{"a user in the host", swap("host: nas", "host: u@nas"), `p.yaml:6: destinations.nas.sftp.host: "u@nas": want a name or address; user, port and path have keys of their own`},
		{"a port that is none", swap("host: nas", "host: nas, port: 65536"), "p.yaml:6: destinations.nas.sftp.port: 65536: want 1 to 65535"},
		{"a path that leaves", swap("host: nas", "host: nas, path: a/../../b"), `p.yaml:6: destinations.nas.sftp.path: "a/../../b": want a path without ..`},
		{"a key itself", swap("file:nas.key", "'-----BEGIN'"), "p.yaml:6: destinations.nas.sftp.key: want env:NAME or file:PATH, where the secret is, not the secret itself"},
		{"a host key that is none", swap("SHA256:u", "MD5:u"), "p.yaml:6: destinations.nas.sftp.host_key[0]: want a fingerprint (SHA256:…) or a public key (ssh-ed25519 AAAA…)"},
		{"both ways to pin", swap("host: nas", "host: nas, known_hosts: k"), "p.yaml:6: destinations.nas.sftp.known_hosts: host_key is given too, want one of them"},
		{"too many requests", swap("host: nas", "host: nas, requests: 257"), "p.yaml:6: destinations.nas.sftp.requests: 257: want 1 to 256"},
	} {
		t.Run(test.name, func(t *testing.T) { wantPusherError(t, test.text, test.want) })
	}
}

func wantPusherError(t *testing.T, text, want string) {
	t.Helper()
	_, err := ParsePusher("p.yaml", []byte(text))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

// Whoever answers must never be taken for the server unproven.
func TestAServerWithoutAPinnedKeyIsRefused(t *testing.T) {
	text := strings.Replace(sending(""), ", host_key: ['SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI']", "", 1)
	wantPusherError(t, text, "p.yaml:6: destinations.nas.sftp.host_key: is missing; want the server's fingerprint or public key, or a known_hosts file: without one anybody could pass for the server")
}

func TestEncryptTo(t *testing.T) {
	parse := func(value string) (EncryptTo, error) {
		c, err := ParsePusher("/etc/p.yaml", []byte(strings.Replace(head, "none", value, 1)+jobs("{files: {include: [/a]}}")))
		if err != nil {
			return EncryptTo{}, err
		}
		return c.EncryptTo, nil
	}
	for value, want := range map[string]EncryptTo{
		"none":                                   {None: true},
		"[age1a, 'ssh-ed25519 AAAA']":            {Recipients: []string{"age1a", "ssh-ed25519 AAAA"}},
		"{ openpgp: key.asc }":                   {OpenPGP: []string{"/etc/key.asc"}},
		"{ openpgp: [key.asc, /srv/other.gpg] }": {OpenPGP: []string{"/etc/key.asc", "/srv/other.gpg"}},
		"{ passphrase: file:backup.pass }":       {Passphrase: "file:/etc/backup.pass"},
	} {
		got, err := parse(value)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, want - got +\n%s", value, err, diff)
		}
	}
	for value, want := range map[string]string{
		"{}":                                "p.yaml:4: encrypt_to: names no kind of encryption, want openpgp or passphrase",
		"{ openpgp: [] }":                   "p.yaml:4: encrypt_to.openpgp: is empty; want the path of a public key",
		"{ openpgp: k, passphrase: env:P }": "p.yaml:4: encrypt_to: is openpgp and passphrase at once, want one of them",
		"{ passphrase: hunter2 }":           "p.yaml:4: encrypt_to.passphrase: want env:NAME or file:PATH, where the secret is, not the secret itself",
		"{ pgp: k }":                        `p.yaml:4: encrypt_to.pgp: unknown key "pgp", want openpgp or passphrase`,
		"AGE-SECRET-KEY-1":                  "p.yaml:4: encrypt_to: want a list of age recipients, [age1…], or { openpgp: key.asc }, { passphrase: file:… }, or none",
	} {
		t.Run(value, func(t *testing.T) {
			wantPusherError(t, strings.Replace(head, "none", value, 1)+jobs("{files: {include: [/a]}}"), want)
		})
	}
}
