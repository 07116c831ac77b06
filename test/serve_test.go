package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// notesSite has one host with one small job.
func notesSite(t *testing.T) (*site, *host) {
	t.Helper()
	s := newSite(t, "  notes: {}\n")
	write(t, filepath.Join(s.dir, "notes", "a.txt"), "remember\n", 0o644)
	h := s.addHost("web1", []string{"notes"}, "  notes: { sources: [{ files: { include: ["+s.dir+"/notes] } }] }\n")
	return s, h
}

// reload sends SIGHUP and waits for the server to say what came of it.
func (s *site) reload() string {
	s.t.Helper()
	before := strings.Count(s.log.String(), "reload")
	must(s.t, s.server.Process.Signal(syscall.SIGHUP))
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if log := s.log.String(); strings.Count(log, "reload") > before {
			return log[strings.LastIndex(log, "reload"):]
		}
	}
	s.t.Fatalf("the server said nothing of a reload\n%s", s.log.tail())
	return ""
}

func TestAReloadCutsARevokedHostOffAndKeepsItsBackups(t *testing.T) {
	s, h := notesSite(t)
	s.start()
	s.want(h.pusher("run"), 0)
	text := read(t, s.config)
	write(t, s.config, strings.Replace(text, "jobs: [notes]", "jobs: [notes], revoked: true", 1), 0o600)
	if said := s.reload(); !strings.HasPrefix(said, "reloaded") {
		t.Fatalf("reload: %s", said)
	}
	s.want(h.pusher("run"), 1)
	if n := len(s.listed("notes")); n != 1 {
		t.Errorf("backups: got %d, want the 1 from before", n)
	}
	s.restores("notes")

	t.Run("and one with a mistake changes nothing", func(t *testing.T) {
		write(t, s.config, strings.Replace(text, "hosts:", "hots:", 1), 0o600)
		if said := s.reload(); !strings.Contains(said, "old configuration stays") || !strings.Contains(said, "hosts") {
			t.Errorf("reload: %s", said)
		}
		s.want(h.pusher("run"), 1) // still revoked
	})
}

func TestTheServerStopsCleanly(t *testing.T) {
	s, h := notesSite(t)
	s.start()
	s.want(h.pusher("run"), 0)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code at SIGTERM: got %d, want 0\n%s", code, s.log.tail())
	}
	r := s.want(h.pusher("doctor"), 1)
	if !strings.Contains(r.out, "FAIL  broker") {
		t.Errorf("doctor without a server:\n%s", r.out)
	}
}

func TestTheServerThinsOutAndWatchesByItself(t *testing.T) {
	s, h := notesSite(t)
	s.jobs = "  notes: { keep: { last: 2 }, expect: { min_size: 1GB } }\nschedule: { retention: 1s, monitor: 1s }\n"
	s.start()
	for range 2 {
		s.want(h.pusher("run"), 0)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited for %s\n%s", what, s.log.tail())
			}
		}
	}
	wait("the monitor to find the backup too small", func() bool { return strings.Contains(s.log.String(), "min-size") })
	if _, err := os.Stat(filepath.Join(s.vault, "state/monitor.json")); err != nil {
		t.Errorf("the monitor remembers nothing: %v", err)
	}
}

func TestThePusherGoesThroughAnHTTPProxyToATLSServer(t *testing.T) {
	s, h := notesSite(t)
	const name = "backup.example.test"
	backend := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(backend)
	must(t, err)
	selfSigned(t, s.dir, name)
	var tunnels atomic.Int64
	proxy := httptest.NewServer(connectProxy(backend, &tunnels))
	t.Cleanup(proxy.Close)

	s.url = "https://" + name + ":" + port
	h.setJobs("  notes: { sources: [{ files: { include: [" + s.dir + "/notes] } }] }\n")
	s.writeConfig()
	listen := "listen: " + s.url
	write(t, s.config, strings.Replace(read(t, s.config), listen, "listen: "+backend+"\n  tls: { cert: "+s.dir+"/cert.pem, key: "+s.dir+"/key.pem }", 1), 0o600)
	s.launch(func() error { return dial(backend) })

	h.env = []string{"SSL_CERT_FILE=" + s.dir + "/cert.pem", "HTTPS_PROXY=" + proxy.URL, "https_proxy="}
	s.want(h.pusher("doctor"), 0)
	s.want(h.pusher("run"), 0)
	if tunnels.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
	if n := len(s.listed("notes")); n != 1 {
		t.Errorf("backups: got %d, want 1", n)
	}

	t.Run("and trusts no certificate that it should not", func(t *testing.T) {
		h.env[0] = "SSL_CERT_FILE=/dev/null"
		if r := s.want(h.pusher("run"), 1); !strings.Contains(r.errOut, "certificate") {
			t.Errorf("stderr: %s", r.errOut)
		}
	})
	t.Run("nor speaks plain http to another machine", func(t *testing.T) {
		write(t, h.config, strings.Replace(read(t, h.config), "https://"+name, "http://"+name, 1), 0o600)
		if r := s.want(h.pusher("run"), 2); !strings.Contains(r.errOut, "https") {
			t.Errorf("stderr: %s", r.errOut)
		}
	})
}

func dial(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// connectProxy is an HTTP proxy that opens every tunnel to backend.
func connectProxy(backend string, tunnels *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		server, err := net.Dial("tcp", backend)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			server.Close()
			return
		}
		tunnels.Add(1)
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			defer client.Close()
			_, _ = io.Copy(client, server)
		}()
		defer server.Close()
		_, _ = io.Copy(server, client)
	})
}

// selfSigned writes cert.pem and key.pem for a name.
func selfSigned(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o644)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
}
