package test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// gate stands between the pusher and the server and can hold what passes. The
// broker's URL is the gate's. Where the vault is a bucket, the gate stands before
// the store too.
type gate struct {
	t      *testing.T
	proxy  *httputil.ReverseProxy
	bucket *bucket      // nil for another vault
	store  *url.URL     // of the bucket
	listen string       // address of the server behind it
	lost   atomic.Int64 // requests that were not answered behind it
	judge  atomic.Pointer[judge]
}

// judge deals with a request itself and returns true, or lets it pass.
type judge func(w http.ResponseWriter, r *http.Request) bool

// newGate puts a gate before a site that has no host yet.
func newGate(t *testing.T, s *site) *gate {
	t.Helper()
	g := &gate{t: t, listen: freeAddress(t)}
	g.proxy = &httputil.ReverseProxy{
		Rewrite:   g.route,
		Transport: &http.Transport{DisableKeepAlives: true},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			g.lost.Add(1)
			panic(http.ErrAbortHandler) // the connection breaks, as without a gate
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if j := g.judge.Load(); j == nil || !(*j)(w, r) {
			g.proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	if s.bucket != nil {
		behind, err := url.Parse(s.bucket.endpoint)
		must(t, err)
		g.bucket, g.store, s.bucket.endpoint = s.bucket, behind, server.URL
	}
	return g
}

// route sends a request on as it came: the host is part of what is signed.
func (g *gate) route(r *httputil.ProxyRequest) {
	target := &url.URL{Scheme: "http", Host: g.listen}
	if g.bucket != nil && !isBroker(r.In) {
		target = g.store
	}
	r.SetURL(target)
	r.Out.Host = r.In.Host
}

// gatedSite is a faultySite behind a gate, with its server started.
func gatedSite(t *testing.T, jobs string) (*site, *host, *gate) {
	t.Helper()
	return gated(t, newSite(t, "  crm: {}\n"), jobs)
}

func gated(t *testing.T, s *site, jobs string) (*site, *host, *gate) {
	t.Helper()
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, jobs)
	s.serve(g.listen, "holdfast")
	s.want(s.holdfast("monitor"), 0)
	return s, h, g
}

// serve starts a server program at an address that need not be the broker's URL
// and waits until it answers.
func (s *site) serve(listen, program string, env ...string) {
	s.t.Helper()
	s.writeConfig()
	s.server = exec.Command(filepath.Join(bin, program), "serve", "--config", s.config, "--listen", listen)
	s.server.Env = append(os.Environ(), env...)
	s.server.Stdout, s.server.Stderr = s.log, s.log
	s.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(s.t, s.server.Start())
	s.t.Cleanup(s.kill)
	waitFor(s.t, "the server", func() bool {
		answer, err := http.Get("http://" + listen + "/healthz")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil
	})
}

// let puts a judge in place; nil lets everything pass.
func (g *gate) let(j judge) { g.judge.Store(&j) }

// open lets everything pass again.
func (g *gate) open() { g.judge.Store(nil) }

// pass has the server answer, and keeps the answer.
func (g *gate) pass(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	g.proxy.ServeHTTP(answer, r)
	return answer
}

// deliver sends a kept answer on.
func deliver(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func isBroker(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/healthz"
}

func isStart(r *http.Request) bool  { return r.Method == http.MethodPost && r.URL.Path == "/v1/backups" }
func isCommit(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/commit") }
func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && (strings.HasPrefix(r.URL.Path, "/v/") || r.URL.Query().Has("partNumber"))
}

// barrier holds what comes to it until it is opened or the test ends.
type barrier struct {
	t       *testing.T
	once    sync.Once
	free    chan struct{}
	waiting atomic.Int64
}

func newBarrier(t *testing.T) *barrier {
	return &barrier{t: t, free: make(chan struct{})}
}

// hold waits until the barrier is opened and returns false if it never was.
func (b *barrier) hold() bool {
	b.waiting.Add(1)
	select {
	case <-b.free:
		return true
	case <-b.t.Context().Done():
		return false
	}
}

func (b *barrier) open() { b.once.Do(func() { close(b.free) }) }

// wait waits until the first one has come, which the pusher must not end before.
func (b *barrier) wait(r *running) {
	b.t.Helper()
	r.until("it came to the barrier", func() bool { return b.waiting.Load() > 0 })
}

// within makes the body of a request stop at the barrier after n bytes. It breaks
// off there if its sender is gone.
func (b *barrier) within(r *http.Request, n int64) {
	body, sender := r.Body, r.Context()
	var rest io.Reader
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, n), readerFunc(func(p []byte) (int, error) {
		if rest == nil {
			var held bytes.Buffer
			broken := make(chan error, 1)
			go func() {
				if _, err := io.Copy(&held, body); err != nil {
					broken <- err
				}
			}()
			b.waiting.Add(1)
			select {
			case err := <-broken:
				return 0, err
			case <-sender.Done():
				return 0, sender.Err()
			case <-b.t.Context().Done():
				return 0, errors.New("the test is over")
			case <-b.free:
				rest = &held
			}
		}
		return rest.Read(p)
	})), body}
}

// readerFunc is a function as a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// resetting is a TCP proxy that resets its first connections, on both sides,
// once they have carried so many bytes to the server.
type resetting struct {
	net.Listener
	server string // address
	after  int64  // bytes
	left   atomic.Int64
}

// newResetting puts such a proxy before a site that has no host yet, and returns
// it and the address for the server.
func newResetting(t *testing.T, s *site, times, after int64) *resetting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &resetting{Listener: listener, server: freeAddress(t), after: after}
	p.left.Store(times)
	t.Cleanup(func() { listener.Close() })
	s.url = "http://" + listener.Addr().String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.carry(client.(*net.TCPConn))
		}
	}()
	return p
}

func (p *resetting) carry(client *net.TCPConn) {
	defer client.Close()
	dialed, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	server := dialed.(*net.TCPConn)
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		client.Close()
	}()
	if n, _ := io.CopyN(server, client, p.after); n == p.after && p.left.Add(-1) >= 0 {
		_ = client.SetLinger(0)
		_ = server.SetLinger(0)
		return
	}
	_, _ = io.Copy(server, client)
}
