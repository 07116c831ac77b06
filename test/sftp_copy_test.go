package test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

func TestSFTPVaultIsFilledFromB2AndFillsAnother(t *testing.T) {
	for _, server := range sshServers {
		t.Run(server.name, func(t *testing.T) {
			s, _ := b2Site(t, "  crm: { vault: { main: {}, nas: { copied: true }, again: { copied: true } } }\n")
			nas, again := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: server.deny}), b2.New(t, testenv.Bucket{})
			key := again.NewKey(t, "acme/", everyCapability...)
			write(t, filepath.Join(s.dir, "nas.key"), nas.Key, 0o600)
			write(t, filepath.Join(s.dir, "again.id"), key.ID, 0o600)
			write(t, filepath.Join(s.dir, "again.key"), key.Secret, 0o600)
			main := s.bucket.other
			s.bucket.other = func(endpoint string) string {
				return fmt.Sprintf("%s\n  nas: %s\n  again: { b2: { bucket: %s, prefix: acme, key_id: file:again.id, application_key: file:again.key, api: %q } }",
					main(endpoint), sftpYAML(nas, nas.Port, "nas.key"), again.Bucket, again.URL)
			}
			h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
			s.start()
			s.want(h.pusher("run"), 0)
			s.want(h.pusher("run"), 0)
			s.stop()
			want := s.contents("main")
			for _, leg := range [][2]string{{"main", "nas"}, {"nas", "again"}} {
				s.want(s.holdfast("copy", "--from", leg[0], "--to", leg[1], "--create"), 0)
				if diff := cmp.Diff(want, s.contents(leg[1])); diff != "" || len(want) != 2 {
					t.Errorf("%s: want - got +\n%s", leg[1], diff)
				}
			}
			s.want(s.holdfast("copy", "--from", "again", "--to", "main"), 0) // has them all
			s.restores("crm")
		})
	}
}

// contents verifies all backups of crm in a vault, and returns their ids and sizes.
func (s *site) contents(vault string) map[string]int64 {
	s.t.Helper()
	var answer struct{ Backups []listedBackup }
	decode(s.t, s.want(s.holdfast("list", "crm", "--json", "--vault", vault), 0).out, &answer)
	all := map[string]int64{}
	for _, b := range answer.Backups {
		s.want(s.holdfast("verify", "web1/crm@"+b.ID, "--vault", vault, "--identity", s.identity), 0)
		all[b.ID] = b.Size
	}
	return all
}
