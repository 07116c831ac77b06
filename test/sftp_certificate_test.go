package test

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// certifiedSite is a nasSite with a broker that signs certificates for a server which
// trusts its authority, and has no key of the host. As in docs/sftp.md, who thins the
// vault out is another user of the server, of the group that its directory has.
type certifiedSite struct {
	*nasSite
	authority   string // private key
	key, public string // of the host, for SSH
}

// keeper is whom retention, monitor and restores log in as: on every Debian, like the
// server's own user.
const keeper = "backup"

func newCertifiedSite(t *testing.T) *certifiedSite {
	t.Helper()
	authority, line, err := testenv.NewSSHKey("")
	must(t, err)
	c := &certifiedSite{nasSite: newNASSite(t, testenv.SSHDOptions{Loose: true, CA: line}, random("crm", "9M", ""), ""), authority: authority}
	c.key, c.public, err = testenv.NewSSHKey("")
	must(t, err)
	c.keep()
	main := *c.site
	main.config = filepath.Join(c.dir, "holdfast.yaml")
	c.site, c.local.log = &main, main.log
	write(t, filepath.Join(c.dir, "ca.key"), authority, 0o600)
	for _, name := range []string{"web2", "web3", "web4"} {
		c.addHost(name, []string{"crm"}, random("crm", "1M", ""))
	}
	nas := strings.NewReplacer("user: "+c.server.User, "user: "+keeper, " } }", ", certificates: { authority: file:ca.key, user: "+c.server.User+" } } }").
		Replace(sftpYAML(c.server, c.server.Port, "owner.key"))
	write(t, c.config, fmt.Sprintf(`broker:
  url: %s
  listen: %s
  secret: file:broker.secret
vaults:
  nas: %s
hosts:
  web1: { key: %q, jobs: [crm], addresses: [127.0.0.1] }
  web2: { key: %q, jobs: [crm], addresses: [192.0.2.1] }
  web3: { key: %q, jobs: [media] }
  web4: { key: %q, jobs: [crm], revoked: true }
jobs:
  crm: { vault: nas }
  media: { vault: nas }
`, c.url, strings.TrimPrefix(c.url, "http://"), nas, c.host.public, c.hosts["web2"].public, c.hosts["web3"].public, c.hosts["web4"].public), 0o600)
	for _, name := range []string{"web1", "web2", "web3", "web4"} {
		h := c.hosts[name]
		write(t, filepath.Join(h.dir, "nas.key"), c.key, 0o600)
		to := strings.Replace(sftpYAML(c.server, c.proxy.Port, "nas.key"), " } }", ", certificate: nas } }", 1)
		write(t, h.config, fmt.Sprintf("host: %s\nbroker: %s\nkey: %s\nencrypt_to: [%s]\nstate_dir: %s\ndestinations:\n  nas: %s\njobs:\n%s",
			name, c.url, h.key, c.recipient, filepath.Join(h.dir, "state"), to, random("crm", "9M", "    to: [nas]\n    timeout: 20s\n")), 0o600)
	}
	c.launch(func() error {
		answer, err := http.Get(c.url + "/healthz")
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
	return c
}

// keep makes the directories that docs/sftp.md has for two users, and has the keeper
// look at them on the server too.
func (c *certifiedSite) keep() {
	c.t.Helper()
	who, err := user.Lookup(keeper)
	must(c.t, err)
	uid, err := strconv.Atoi(who.Uid)
	must(c.t, err)
	gid, err := strconv.Atoi(who.Gid)
	must(c.t, err)
	info, err := os.Stat(c.server.Dir)
	must(c.t, err)
	host, _, _ := owner(info)
	for _, dir := range []string{"", ".tmp", ".uploads"} {
		must(c.t, os.Mkdir(filepath.Join(c.vault, dir), 0o700))
		must(c.t, os.Chown(filepath.Join(c.vault, dir), host, gid))
		must(c.t, os.Chmod(filepath.Join(c.vault, dir), 0o770|fs.ModeSetgid))
	}
	state := filepath.Join(c.vault, "state")
	must(c.t, os.Mkdir(state, 0o700))
	must(c.t, os.Chown(state, uid, gid))
	c.local.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, path := range []string{c.local.config, c.identity} {
		must(c.t, os.Chown(path, uid, gid))
	}
}

// certificate asks the broker for one, as a host.
func (c *certifiedSite) certificate(host, job string) answer {
	c.t.Helper()
	return newAttacker(c.hosts[host]).call("POST", api.PathCertificates, api.CertificateRequest{Job: job, Vault: "nas", PublicKey: c.public}, nil)
}

func TestSFTPCertificateAddsBackupsAndTakesNothingBack(t *testing.T) {
	c := newCertifiedSite(t)
	c.want(c.host.pusher("run"), 0)
	c.holds(1)
	c.restored()

	var got api.CertificateResponse
	answer := c.certificate("web1", "crm")
	if answer.status != 200 {
		t.Fatalf("status %d: %s", answer.status, answer.body)
	}
	answer.into(t, &got)
	client, err := sshLogin(t, c.server, c.server.User, c.key, got.Certificate)
	must(t, err)
	noWayOut(t, client)
	c.notBack(t, client)
	c.holds(1)
	c.want(c.host.pusher("run"), 0)
	c.holds(2)
	c.restored()
	c.tidied()
}

// Without the certificate's command and with its forwarding, the server lets both.
func TestSFTPCertificateIsWhatForbids(t *testing.T) {
	c := newCertifiedSite(t)
	authority, err := ssh.ParsePrivateKey([]byte(c.authority))
	must(t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.public))
	must(t, err)
	cert := &ssh.Certificate{Key: public, CertType: ssh.UserCert, ValidPrincipals: []string{c.server.User}, ValidBefore: ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-port-forwarding": ""}}}
	must(t, cert.SignCert(rand.Reader, authority))
	client, err := sshLogin(t, c.server, c.server.User, c.key, string(ssh.MarshalAuthorizedKey(cert)))
	must(t, err)
	session, err := client.NewSession()
	must(t, err)
	if out, _ := session.CombinedOutput("id"); !strings.Contains(string(out), "not available") && !strings.Contains(string(out), "uid=") {
		t.Errorf("a command ran into %q", out)
	}
	must(t, tryForward(t, client))
}

func TestSFTPCertificateIsForOneUserOfOneHostForAWhile(t *testing.T) {
	c := newCertifiedSite(t)
	var got api.CertificateResponse
	c.certificate("web1", "crm").into(t, &got)
	refused := func(what, user, certificate string) {
		t.Helper()
		if _, err := sshLogin(t, c.server, user, c.key, certificate); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
	}
	refused("no certificate", c.server.User, "")
	for _, user := range []string{keeper, "root", "daemon", "www-data"} {
		refused("as "+user, user, got.Certificate)
	}
	// The server would let the keeper in, with the keeper's key and by the authority.
	_, err := sshLogin(t, c.server, keeper, c.server.Key, "")
	must(t, err)
	keepers, err := sshca.New(secret.New(c.authority), sshca.Options{Principal: keeper})
	must(t, err)
	other, _, err := keepers.Sign("web1", c.public, nil, time.Now())
	must(t, err)
	_, err = sshLogin(t, c.server, keeper, c.key, other)
	must(t, err)
	stolen, _, err := testenv.NewSSHKey("")
	must(t, err)
	if signer, _ := ssh.ParsePrivateKey([]byte(stolen)); signer != nil {
		parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate))
		must(t, err)
		if _, err := ssh.NewCertSigner(parsed.(*ssh.Certificate), signer); err == nil {
			t.Error("it goes with another key")
		}
	}
	a, err := sshca.New(secret.New(c.authority), sshca.Options{Principal: c.server.User})
	must(t, err)
	for what, age := range map[string]time.Duration{"an hour old": -time.Hour, "of the next hour": time.Hour} {
		old, _, err := a.Sign("web1", c.public, nil, time.Now().Add(age))
		must(t, err)
		refused(what, c.server.User, old)
	}
	fresh, _, err := a.Sign("web1", c.public, nil, time.Now())
	must(t, err)
	if _, err := sshLogin(t, c.server, c.server.User, c.key, fresh); err != nil {
		t.Errorf("one of now: %v", err)
	}
	strange, _, err := testenv.NewSSHKey("")
	must(t, err)
	forger, err := sshca.New(secret.New(strange), sshca.Options{Principal: c.server.User})
	must(t, err)
	forged, _, err := forger.Sign("web1", c.public, nil, time.Now())
	must(t, err)
	refused("of another authority", c.server.User, forged)

	// web2 comes from elsewhere, as the broker knows.
	var elsewhere api.CertificateResponse
	c.certificate("web2", "crm").into(t, &elsewhere)
	refused("from another address", c.server.User, elsewhere.Certificate)
	if r := c.want(c.hosts["web2"].pusher("run"), 1); !strings.Contains(r.out+r.errOut, "refuses this user") {
		t.Errorf("outcome: %s%s", r.out, r.errOut)
	}
	for host, job := range map[string]string{"web3": "crm", "web4": "crm", "web1": "media"} {
		if got := c.certificate(host, job); got.status < 400 || got.status >= 500 || strings.Contains(got.body, "ssh-ed25519") {
			t.Errorf("%s for %s: status %d, %s", host, job, got.status, got.body)
		}
	}
	if got := newAttacker(c.hosts["web1"]).send("POST", api.PathCertificates, marshal(t, api.CertificateRequest{Job: "crm", Vault: "nas", PublicKey: c.public}), ""); got.status != 401 {
		t.Errorf("without a token: status %d", got.status)
	}
	c.want(c.hosts["web4"].pusher("run"), 1)
	c.holds(0)
}

// The lines that docs/sftp.md recommends for authorized_keys.
func TestSFTPKeyWithTheRecommendedLineTakesNothingBack(t *testing.T) {
	n := newNASSite(t, testenv.SSHDOptions{Loose: true}, random("crm", "9M", ""), "")
	key, public, err := testenv.NewSSHKey("")
	must(t, err)
	const example = "ssh-ed25519 AAAA… web1"
	var line string
	for text := range strings.Lines(read(t, "../docs/sftp.md")) {
		if strings.HasPrefix(text, "restrict,command=") {
			line = strings.TrimSpace(text)
		}
	}
	if !strings.HasSuffix(line, example) || !strings.Contains(line, sshca.DefaultCommand) {
		t.Fatalf("docs/sftp.md recommends %q", line)
	}
	n.server.Authorize(t, strings.Replace(line, example, public, 1))
	write(t, filepath.Join(n.host.dir, "nas.key"), key, 0o600)
	n.want(n.host.pusher("run"), 0)
	n.holds(1)
	client, err := sshLogin(t, n.server, n.server.User, key, "")
	must(t, err)
	noWayOut(t, client)
	n.notBack(t, client)
	n.holds(1)
	n.restored()
	r := n.want(n.host.pusher("doctor"), 0)
	for _, text := range []string{"overwrite", "delete", "rename"} {
		if !strings.Contains(r.out, text) {
			t.Errorf("pusher doctor does not tell of %s:\n%s", text, r.out)
		}
	}
	n.want(n.host.pusher("run"), 0)
	n.holds(2)
}
