package rehearsal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// internet is a proxy that programs reach the deployed URL through, exactly as it
// is: a CONNECT to its name ends at the gateway, with a certificate of an
// authority that only the rehearsal's programs trust. Every other name is refused.
type internet struct {
	t         testing.TB
	authority string // PEM file of the authority
	url       string
	gateway   http.Handler
	tls       *tls.Config

	mu       sync.Mutex
	host     string   // that the gateway is reached under
	strayed  []string // other names that were asked for
	incoming chan net.Conn
	closed   chan struct{}
}

func newInternet(t testing.TB, gateway http.Handler) *internet {
	t.Helper()
	n := &internet{t: t, gateway: gateway, incoming: make(chan net.Conn), closed: make(chan struct{})}
	n.makeAuthority()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.url = "http://" + listener.Addr().String()
	proxy := &http.Server{Handler: http.HandlerFunc(n.connect), ReadHeaderTimeout: time.Minute}
	go proxy.Serve(listener)
	inner := &http.Server{Handler: gateway, TLSConfig: n.tls, ReadHeaderTimeout: time.Minute, ErrorLog: nil}
	go inner.ServeTLS(tunnels{n}, "", "")
	t.Cleanup(func() { close(n.closed); _ = proxy.Close(); _ = inner.Close() })
	return n
}

// setHost says under which name the gateway is reached from now on.
func (n *internet) setHost(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.host = host
}

// environ is what makes a program use the proxy and trust its authority.
func (n *internet) environ() []string {
	return []string{"HTTPS_PROXY=" + n.url, "SSL_CERT_FILE=" + n.authority, "CURL_CA_BUNDLE=" + n.authority}
}

// elsewhere returns the other names that were asked for.
func (n *internet) elsewhere() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.strayed
}

func (n *internet) connect(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	known := r.Method == http.MethodConnect && r.Host == n.host+":443"
	if !known {
		n.strayed = append(n.strayed, r.Method+" "+r.Host)
	}
	n.mu.Unlock()
	if !known {
		http.Error(w, "no such host in the rehearsal", http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		n.t.Error(err)
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case n.incoming <- conn:
	case <-n.closed:
		_ = conn.Close()
	}
}

// tunnels is the listener of the connections that came through the proxy.
type tunnels struct{ n *internet }

func (l tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-l.n.incoming:
		return conn, nil
	case <-l.n.closed:
		return nil, net.ErrClosed
	}
}
func (l tunnels) Close() error   { return nil }
func (l tunnels) Addr() net.Addr { return &net.TCPAddr{} }

func (n *internet) makeAuthority() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of the rehearsal"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		n.t.Fatal(err)
	}
	n.authority = filepath.Join(n.t.TempDir(), "authority.pem")
	if err := os.WriteFile(n.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.tls = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return nil, fmt.Errorf("no server name")
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{hello.ServerName},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}}
}
