package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// nasSite is a site whose vault nas is a directory on a real SSH server, which the
// host sends to by itself. It is seen through SFTP, with the rights of its owner,
// and, as local, as the directory that it is on the server.
type nasSite struct {
	*site
	local  *site
	server *testenv.SSHD // as the host reaches it
	proxy  *testenv.Proxy
	host   *host
}

// newNASSite makes such a site with one host and one job, crm. more are further
// destinations.
func newNASSite(t *testing.T, o testenv.SSHDOptions, jobs, more string) *nasSite {
	t.Helper()
	n := &nasSite{site: newSite(t, "  crm: {}\n"), server: testenv.StartSSHD(t, o)}
	n.host = n.addHost("web1", []string{"crm"}, jobs)
	n.proxy = testenv.NewProxy(t, n.server.Addr())
	n.vault = filepath.Join(n.server.Dir, "acme")
	owner := n.server
	if len(o.Deny) > 0 { // who sweeps has other rights
		owner = testenv.StartSSHD(t, testenv.SSHDOptions{Beside: n.server, Home: o.Home})
	}
	write(t, filepath.Join(n.host.dir, "nas.key"), n.server.Key, 0o600)
	write(t, filepath.Join(n.dir, "owner.key"), owner.Key, 0o600)
	write(t, n.host.config, fmt.Sprintf("host: web1\nkey: %s\nencrypt_to: [%s]\nstate_dir: %s\ndestinations:\n  nas: %s\n%sjobs:\n%s",
		n.host.key, n.recipient, filepath.Join(n.host.dir, "state"), sftpYAML(n.server, n.proxy.Port, "nas.key"), more, jobs), 0o600)
	n.local = n.view("local", "disk: { path: "+n.vault+" }")
	n.lives(n.local)
	n.site = n.view("nas", strings.Trim(sftpYAML(owner, owner.Port, "owner.key"), "{} "))
	return n
}

func sftpYAML(s *testenv.SSHD, port int, key string) string {
	return fmt.Sprintf("{ sftp: { host: %s, port: %d, user: %s, path: %s, key: file:%s, host_key: [%q] } }",
		s.Host, port, s.User, filepath.Join(s.Path, "acme"), key, s.Fingerprint)
}

// view is the site with the vault opened in that way.
func (n *nasSite) view(name, vault string) *site {
	n.t.Helper()
	as := *n.site
	as.config = filepath.Join(n.dir, name+".yaml")
	if strings.HasPrefix(vault, "sftp") {
		vault += " }"
	}
	write(n.t, as.config, fmt.Sprintf("vaults:\n  %s: { %s }\nhosts:\n  web1: { key: %q, jobs: [crm] }\njobs:\n  crm: { vault: %s }\n",
		name, vault, n.host.public, name), 0o600)
	return &as
}

// lives has the programs of a view run as the user whose files the vault's are.
func (n *nasSite) lives(view *site) {
	n.t.Helper()
	info, err := os.Stat(n.server.Dir)
	must(n.t, err)
	uid, gid, _ := owner(info)
	view.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, path := range []string{view.config, n.identity} {
		must(n.t, os.Chown(path, uid, gid))
	}
	for _, dir := range []string{filepath.Dir(bin), bin, filepath.Dir(n.dir), n.dir} {
		must(n.t, os.Chmod(dir, 0o755))
	}
}

// holds fails the test unless both views list exactly so many backups, and all of
// them come back whole.
func (n *nasSite) holds(count int) {
	n.t.Helper()
	if count == 0 {
		if _, err := os.Stat(n.vault); os.IsNotExist(err) {
			return // nobody has come so far as to make it
		}
	}
	n.committed("crm", count)
	n.local.committed("crm", count)
}

// restored proves that the newest backup is restored, through SFTP and from the
// directory, as the same bytes.
func (n *nasSite) restored() {
	n.t.Helper()
	var was string
	for _, view := range []*site{n.site, n.local} {
		dir := n.t.TempDir()
		must(n.t, os.Chmod(dir, 0o777))
		to := filepath.Join(dir, "restored")
		view.want(view.holdfast("restore", "crm", "--to", to, "--identity", n.identity), 0)
		entries, err := os.ReadDir(to)
		must(n.t, err)
		all := ""
		for _, e := range entries {
			all += e.Name() + ":" + read(n.t, filepath.Join(to, e.Name()))
		}
		if len(all) < 1<<20 || was != "" && all != was {
			n.t.Errorf("restored %d bytes, and %d by the other view", len(all), len(was))
		}
		was = all
	}
}

// tidied proves that in three days the sweep leaves nothing that was not committed,
// and takes nothing that was. What hides a manifest is a directory beside it.
func (n *nasSite) tidied() {
	n.t.Helper()
	before := n.local.objects()
	n.want(n.local.inThreeDays("clean"), 0)
	after := n.local.objects()
	for path, sum := range before {
		dir := filepath.Dir(path)
		at := filepath.Join(n.vault, "backups", dir)
		_, begun := os.Stat(filepath.Join(at, ".manifest.json.begun"))
		_, done := os.Stat(filepath.Join(at, ".manifest.json.done"))
		whole := before[filepath.Join(dir, "manifest.json")] != "" && (begun != nil || done == nil)
		if !whole && filepath.Base(path) == "manifest.json" {
			continue // nobody sees it, and the sweep neither
		}
		if whole != (after[path] == sum) {
			n.t.Errorf("%s: of a committed backup: %t, still there after the sweep: %t", path, whole, after[path] == sum)
		}
	}
	if left := append(n.local.uploads(), n.local.uncommitted()...); len(left) > 0 {
		n.t.Errorf("left after the sweep: %v", left)
	}
	n.want(n.local.holdfast("clean"), 0) // of today: replaces what the run in three days has recorded
}

// growing returns how many bytes of an unfinished backup the server has.
func (n *nasSite) growing() (size int64) {
	for _, pattern := range []string{".uploads/*/data", "backups/*/*/*/*.age"} {
		found, _ := filepath.Glob(filepath.Join(n.vault, pattern))
		for _, path := range found {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "manifest.json")); err == nil {
				continue
			}
			if info, err := os.Stat(path); err == nil {
				size += info.Size()
			}
		}
	}
	return size
}

// halting is a job whose dump stops in the middle until the pipe is written to.
func halting(pipe, more string) string {
	return script("crm", "head -c 20M /dev/urandom; cat "+pipe+"; head -c 20M /dev/urandom", more)
}

// sshServers are the kinds of server, and whether an upload goes on over another
// connection.
var sshServers = []struct {
	name    string
	deny    []string
	resumes bool
}{
	{"ordinary", nil, true},
	{"denies remove and rename", testenv.DenyMoves(), true},
	{"lets nothing be taken back", testenv.DenyAll(), false},
}
