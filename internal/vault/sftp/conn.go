package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// maxSessions is how many SFTP sessions one connection has: each has a window of
	// its own, so that several parts at once fill a long line.
	maxSessions = 4
	// keepAlive is how often an idle server is asked whether it is there, which also
	// keeps routers from forgetting the connection.
	keepAlive = 15 * time.Second
)

// errStalled is why a connection is closed from this side.
var errStalled = errors.New("the server has stopped answering")

// conn is one connection, with its sessions.
type conn struct {
	client  *ssh.Client
	tcp     *watchedConn
	timeout time.Duration // for what it is asked
	opens   time.Duration // for a further session
	options Options
	openssh bool
	stderr  io.Writer     // what the SFTP server says beside the protocol
	done    chan struct{} // closed when the connection has ended
	opening chan struct{} // holds a token while a session is being opened
	seals   atomic.Bool   // new files are made with sealedMode

	mu       sync.Mutex
	sessions []*session
	full     bool  // the server gives no further session
	cause    error // why it was closed from here
	allows   *allows
}

func newConn(client *ssh.Client, tcp *watchedConn, v *Vault) *conn {
	c := &conn{
		client: client, tcp: tcp, timeout: v.o.Timeout, opens: v.dialTime, options: v.o, stderr: v.stderr, done: make(chan struct{}),
		openssh: bytes.HasPrefix(client.ServerVersion(), []byte("SSH-2.0-OpenSSH_")), opening: make(chan struct{}, 1),
	}
	go func() {
		_ = client.Wait()
		close(c.done)
	}()
	go c.watch()
	go c.keepAlive()
	return c
}

func (c *conn) alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// close ends the connection, and with it everything that waits for it.
func (c *conn) close(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	c.client.Close()
}

// lost returns why the connection has ended.
func (c *conn) lost(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		err = c.cause
	}
	return &lostError{err}
}

// session returns the session with the least to do, a new one for a transfer if
// all have one already.
func (c *conn) session(ctx context.Context, transfer bool) (*session, error) {
	s, more := c.pick(transfer)
	if !more {
		return s, nil
	}
	select {
	case c.opening <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.opening }()
	if s, more = c.pick(transfer); !more {
		return s, nil
	}
	// A server that does not answer must not hold the caller.
	stop := time.AfterFunc(c.opens, func() { c.close(errStalled) })
	defer stop.Stop()
	opened, err := c.openSession()
	if err != nil && s == nil {
		return nil, c.lost(fmt.Errorf("open SFTP: %w", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.full = true
		return s, nil
	}
	c.sessions = append(c.sessions, opened)
	return opened, nil
}

// pick returns the session with the least to do, and whether another one should be
// opened.
func (c *conn) pick(transfer bool) (least *session, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	load := 0
	for _, s := range c.sessions {
		if l := s.load(transfer); least == nil || l < load {
			least, load = s, l
		}
	}
	return least, least == nil || transfer && load > 0 && len(c.sessions) < maxSessions && !c.full
}

// watch closes the connection once a session has been waiting for too long.
func (c *conn) watch() {
	tick := time.NewTicker(max(c.timeout/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		stalled := false
		for _, s := range c.sessions {
			stalled = stalled || s.stalled(c.timeout)
		}
		c.mu.Unlock()
		if stalled {
			c.close(errStalled)
		}
	}
}

// keepAlive asks the server whether it is there, and closes the connection if
// nothing comes at all any more.
func (c *conn) keepAlive() {
	tick := time.NewTicker(min(keepAlive, c.timeout))
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		asked := time.Now()
		patience := time.AfterFunc(c.timeout, func() {
			if c.tcp.lastRead().Before(asked) {
				c.close(errStalled)
			}
		})
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		patience.Stop()
		if err != nil {
			return
		}
	}
}

// watchedConn knows when something last came.
type watchedConn struct {
	net.Conn
	read atomic.Int64 // UnixNano
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.read.Store(time.Now().UnixNano())
	}
	return n, err
}

func (w *watchedConn) lastRead() time.Time { return time.Unix(0, w.read.Load()) }
