package testenv

import (
	"net"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to a server, until it is told to cut or to hold
// them up.
type Proxy struct {
	Host string
	Port int

	listener net.Listener
	to       string

	mu    sync.Mutex
	more  sync.Cond // held or limits have changed
	conns map[net.Conn]bool
	held  bool
	left  map[way]int64 // bytes until everything is cut; none: no end
}

// way is which way bytes go.
type way bool

const (
	toServer   way = true
	fromServer way = false
)

// NewProxy starts a proxy in front of an address; it ends with the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, listener: l, to: to, conns: map[net.Conn]bool{}, left: map[way]int64{}}
	p.more.L = &p.mu
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.Release()
		p.Cut()
	})
	return p
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// CutAfter closes all connections once so many more bytes have gone to the server.
func (p *Proxy) CutAfter(bytes int64) { p.limit(toServer, bytes) }

// CutAnswersAfter closes all connections once so many more bytes have come from the
// server, which may have done more than that tells.
func (p *Proxy) CutAnswersAfter(bytes int64) { p.limit(fromServer, bytes) }

// Spare undoes CutAfter and CutAnswersAfter, and reports whether there was nothing to
// undo: the cut has been made.
func (p *Proxy) Spare() (cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut = len(p.left) == 0
	clear(p.left)
	return cut
}

func (p *Proxy) limit(to way, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[to] = bytes
}

// Hold lets nothing through in either direction until Release.
func (p *Proxy) Hold() { p.hold(true) }

// Release ends Hold.
func (p *Proxy) Release() { p.hold(false) }

func (p *Proxy) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.more.Broadcast()
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		p.conns[near], p.conns[far] = true, true
		p.mu.Unlock()
		go p.pass(near, far, toServer)
		go p.pass(far, near, fromServer)
	}
}

func (p *Proxy) pass(from, to net.Conn, where way) {
	defer p.drop(from, to)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.admit(int64(n), where) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// admit waits while everything is held, and reports whether n bytes may go on.
func (p *Proxy) admit(n int64, where way) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held {
		p.more.Wait()
	}
	left, limited := p.left[where]
	if !limited {
		return true
	}
	if left > n {
		p.left[where] = left - n
		return true
	}
	delete(p.left, where)
	p.cut()
	return false
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}
