package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// SMTPServer is an exim that takes mail in for ops, dev and boss at example.com
// and keeps it. It refuses busy@example.com for now, and everybody else for good.
type SMTPServer struct {
	Host     string // what its certificate names; it is 127.0.0.1, which is not named
	User     string
	Password string // with awkward characters in it
	CA       *x509.CertPool
	// Certificate is what its certificate is verified with, as PEM, for programs.
	Certificate string

	// Ports, which differ in what they offer and demand.
	STARTTLS int // STARTTLS, and to log in after it
	TLS      int // TLS from the beginning, and to log in
	Open     int // neither
	Bare     int // to log in, without TLS

	dir string

	mu   sync.Mutex
	seen map[string]bool // files of all
	all  []Delivery
}

// Delivery is a mail as it was delivered.
type Delivery struct {
	To  []string // whom it was delivered to, in order
	Raw string   // with line ends of one character
}

// SMTP starts a mail server of the test's own, which ends with it.
func SMTP(t testing.TB) *SMTPServer {
	t.Helper()
	program, err := find("exim4-daemon-light", "exim4", "/usr/sbin")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSMTP(program)
	if err != nil {
		t.Fatalf("start exim: %v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(s.dir)
	})
	return s
}

func newSMTP(program string) (*SMTPServer, error) {
	as, err := serverUser("Debian-exim")
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("holdfast-smtp-", as)
	if err != nil {
		return nil, err
	}
	s := &SMTPServer{Host: "localhost", User: "holdfast", Password: awkward(), dir: dir, seen: map[string]bool{}}
	for _, port := range []*int{&s.STARTTLS, &s.TLS, &s.Open, &s.Bare} {
		if *port, err = freePort(); err != nil {
			return nil, err
		}
	}
	certificate, key, err := s.certify()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{
		"password": s.Password, "certificate": certificate, "key": key, "conf": s.config(program, as),
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return nil, err
		}
		if as != nil {
			if err := os.Chown(file, int(as.Uid), int(as.Gid)); err != nil {
				return nil, err
			}
		}
	}
	// The shell becomes exim, so that its process id is known.
	err = supervise(dir, "TERM", as, "/bin/sh", "-c", `echo $$ >pid; exec "$@"`, "sh", program, "-C", filepath.Join(dir, "conf"), "-bdf")
	if err != nil {
		return nil, err
	}
	for range 600 {
		if s.listens() {
			return s, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("no answer on port %d\n%s", s.STARTTLS, logOf(dir))
}

func (s *SMTPServer) listens() bool {
	for _, port := range []int{s.STARTTLS, s.TLS, s.Open, s.Bare} {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

// Kill ends the server, and what is being received, at once.
func (s *SMTPServer) Kill() {
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	if group, err := syscall.Getpgid(pid); err == nil && group != syscall.Getpgrp() {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// Delivered waits until all that the server has taken is delivered, and returns
// it, what an earlier call returned first. Safe for concurrent use.
func (s *SMTPServer) Delivered() ([]Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := filepath.Join(s.dir, "spool", "input")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if waiting, err := os.ReadDir(queue); len(waiting) == 0 && (err == nil || os.IsNotExist(err)) {
			break
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "exim.main"))
			return nil, fmt.Errorf("exim does not deliver:\n%s", log)
		}
	}
	// Exim's ids of mails, which name the files, sort by time.
	files, err := filepath.Glob(filepath.Join(s.dir, "mail", "*"))
	for _, file := range files {
		if s.seen[file] {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s.seen[file] = true
		envelope, rest, _ := strings.Cut(string(raw), "\nReceived:")
		var to []string
		for address := range strings.SplitSeq(strings.TrimPrefix(envelope, "Envelope-to:"), ",") {
			to = append(to, strings.TrimSpace(address))
		}
		s.all = append(s.all, Delivery{To: to, Raw: "Received:" + rest})
	}
	return slices.Clone(s.all), err
}

// certify makes a certificate for the server and what it is verified with.
func (s *SMTPServer) certify() (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: s.Host}, DNSNames: []string{s.Host},
		// Longer than any clock of a test is moved.
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "", "", err
	}
	s.CA = x509.NewCertPool()
	s.CA.AddCert(parsed)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	s.Certificate = encode("CERTIFICATE", der)
	return s.Certificate, encode("PRIVATE KEY", pkcs8), nil
}

// config returns exim's configuration.
func (s *SMTPServer) config(program string, as *syscall.Credential) string {
	uid, gid := os.Getuid(), os.Getgid()
	if as != nil {
		uid, gid = int(as.Uid), int(as.Gid)
	}
	return strings.NewReplacer(
		"PROGRAM", program, "DIR", s.dir, "UID", strconv.Itoa(uid), "GID", strconv.Itoa(gid), "USER", s.User,
		"STARTTLS", strconv.Itoa(s.STARTTLS), "TLSPORT", strconv.Itoa(s.TLS),
		"OPEN", strconv.Itoa(s.Open), "BARE", strconv.Itoa(s.Bare),
	).Replace(eximConfig)
}

const eximConfig = `exim_path = PROGRAM
exim_user = UID
exim_group = GID
never_users =
deliver_drop_privilege
keep_environment =
primary_hostname = mail.example.com
spool_directory = DIR/spool
log_file_path = DIR/exim.%s
local_interfaces = 127.0.0.1
daemon_smtp_ports = STARTTLS : TLSPORT : OPEN : BARE
tls_on_connect_ports = TLSPORT
tls_certificate = DIR/certificate
tls_privatekey = DIR/key
tls_advertise_hosts = ${if eq{$received_port}{STARTTLS}{*}{}}
auth_advertise_hosts = ${if or{{!eq{$tls_in_cipher}{}}{eq{$received_port}{BARE}}}{*}{}}
acl_smtp_rcpt = rcpt
host_lookup =
rfc1413_query_timeout = 0s

begin acl
rcpt:
  deny    message = log in first
          condition = ${if eq{$received_port}{OPEN}{no}{yes}}
          !authenticated = *
  defer   message = that mailbox is busy
          local_parts = busy
  deny    message = no such user here
          !local_parts = ops : dev : boss
  accept

begin routers
all:
  driver = accept
  transport = file

begin transports
file:
  driver = appendfile
  file = DIR/mail/$message_exim_id
  create_directory
  directory_mode = 0755
  message_prefix =
  message_suffix =
  batch_max = 100
  envelope_to_add
  user = UID
  group = GID

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{USER}}{eq{$auth3}{${readfile{DIR/password}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{USER}}{eq{$auth2}{${readfile{DIR/password}}}}}}
  server_set_id = $auth1
`
