package server

import (
	"net"
	"sync"
)

// maxConnections is how many connections are open at once. Beyond that the
// system lets callers wait. Each takes up to four files, see docs/serve.md.
const maxConnections = 512

// limitedListener admits no more than so many connections at a time.
type limitedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	close  func()
}

func limit(l net.Listener, connections int) net.Listener {
	closed := make(chan struct{})
	return &limitedListener{
		Listener: l, slots: make(chan struct{}, connections),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// Accept waits for a slot first: a connection that was taken and not served
// would not know that it has to wait.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	leave := sync.OnceFunc(func() { <-l.slots })
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &limitedTCP{tcp, leave}, nil
	}
	return &limitedConn{conn, leave}, nil
}

func (l *limitedListener) Close() error {
	l.close()
	return l.Listener.Close()
}

// limitedTCP keeps what net/http makes of a TCP connection: the system sends
// files by itself, and a half-closed one tells the other side why.
type limitedTCP struct {
	*net.TCPConn
	leave func()
}

func (c *limitedTCP) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
