package sftp

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	smallPacket = 32 << 10  // bytes of a write that every server must take
	largePacket = 255 << 10 // what OpenSSH's takes: see limits@openssh.com
	// writePiece is how much is handed to SSH at once, so that headway is seen.
	writePiece = 32 << 10
	// flushPatience is how long a server may be busy writing to its disk.
	flushPatience = 10 * time.Minute
)

// session is one SFTP session of a connection. Any number of calls may use it at
// once.
type session struct {
	conn   *conn
	ssh    *ssh.Session
	client *pkgsftp.Client
	packet int // bytes of data in a request
	depth  int // requests of a transfer on their way at once

	mu        sync.Mutex
	waiting   int       // calls that wait for the server
	flushing  int       // … of which it may take long
	transfers int       // of whole parts or objects
	headway   time.Time // when a byte last went or came, or waiting began
}

func (c *conn) openSession() (*session, error) {
	channel, err := c.client.NewSession()
	if err != nil {
		return nil, err
	}
	s := &session{conn: c, ssh: channel, packet: smallPacket}
	if err := s.start(); err != nil {
		channel.Close()
		return nil, err
	}
	// The window of a channel is 2 MiB: what is beyond it only waits.
	s.depth = max(c.options.Requests*smallPacket/s.packet, 2)
	for _, set := range []pkgsftp.ClientOption{
		pkgsftp.MaxPacketUnchecked(s.packet), pkgsftp.MaxConcurrentRequestsPerFile(s.depth), pkgsftp.UseConcurrentWrites(true),
	} {
		if err := set(s.client); err != nil {
			channel.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *session) start() error {
	in, err := s.ssh.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.ssh.StdoutPipe()
	if err != nil {
		return err
	}
	said, err := s.ssh.StderrPipe()
	if err != nil {
		return err
	}
	// Read, or what a talkative server says would stop the rest in the end.
	go io.Copy(s.conn.stderr, said)
	if err := s.ssh.RequestSubsystem("sftp"); err != nil {
		return err
	}
	s.client, err = pkgsftp.NewClientPipe(noting{out, s}, &pieces{WriteCloser: in, s: s})
	if err != nil {
		return fmt.Errorf("%w: the server lets in and ends the SFTP session at once: %w", ErrUnreachable, err)
	}
	if _, known := s.client.HasExtension("limits@openssh.com"); known && s.conn.openssh {
		s.packet = largePacket
	}
	return nil
}

// load returns how much the session has to do; for a transfer only others count.
func (s *session) load(transfer bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if transfer {
		return s.transfers
	}
	// A small call should not stand in line behind a large one.
	return s.waiting + 100*s.transfers
}

// enter and leave count a call that waits for the server.
func (s *session) enter() { s.count(&s.waiting, 1) }
func (s *session) leave() { s.count(&s.waiting, -1) }

func (s *session) count(what *int, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*what += by
	s.headway = time.Now()
}

func (s *session) moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headway = time.Now()
}

// stalled reports whether calls have waited for too long without any headway.
func (s *session) stalled(timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushing > 0 {
		timeout = max(timeout, flushPatience)
	}
	return s.waiting > 0 && time.Since(s.headway) > timeout
}

// noting notes each byte that comes.
type noting struct {
	io.Reader
	s *session
}

func (n noting) Read(p []byte) (int, error) {
	got, err := n.Reader.Read(p)
	if got > 0 {
		n.s.moved()
	}
	return got, err
}

// pieces notes each piece that goes: a large packet may take a slow line long.
type pieces struct {
	io.WriteCloser
	s    *session
	left int // bytes that are still to come of a packet
}

func (w *pieces) Write(p []byte) (int, error) {
	if w.left == 0 && len(p) >= 4 {
		w.left = 4 + int(binary.BigEndian.Uint32(p))
		if w.s.conn.seals.Load() && len(p) == w.left {
			if sealed, ok := sealed(p); ok {
				w.left = 0
				_, err := w.send(sealed)
				return len(p), err
			}
		}
	}
	n, err := w.send(p)
	w.left -= n
	return n, err
}

func (w *pieces) send(p []byte) (total int, err error) {
	for len(p) > 0 {
		n, err := w.WriteCloser.Write(p[:min(len(p), writePiece)])
		total, p = total+n, p[n:]
		if err != nil {
			return total, err
		}
		w.s.moved()
	}
	return total, nil
}
