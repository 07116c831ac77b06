package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast"
)

// dialing is a connection that is being made, for everybody who waits for it.
type dialing struct {
	done chan struct{}
	conn *conn
	err  error
}

// connect returns a connection that was alive a moment ago. One is made at a time,
// and goes on being made if the caller's ctx ends: others wait for it.
func (v *Vault) connect(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v.mu.Lock()
	switch {
	case v.closed:
		v.mu.Unlock()
		return nil, errors.New("the vault is closed")
	case v.conn != nil && v.conn.alive():
		defer v.mu.Unlock()
		return v.conn, nil
	}
	d := v.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		v.dialing = d
		go v.dial(context.WithoutCancel(ctx), d)
	}
	v.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (v *Vault) dial(ctx context.Context, d *dialing) {
	// Each attempt takes as long as it may, and a host key may take several.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(families))*v.dialTime)
	defer cancel()
	d.conn, d.err = v.reach(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dialing = nil
	if d.err == nil {
		v.conn = d.conn
		if v.closed {
			d.conn.close(ErrUnreachable)
		}
	}
	close(d.done)
}

// reach logs in, asking for each kind of host key in turn until the server shows
// one that is pinned.
func (v *Vault) reach(ctx context.Context) (*conn, error) {
	auth, err := v.login.auth(ctx)
	if err != nil {
		return nil, err
	}
	var wrong error // what the server has shown instead
	for i, algorithms := range v.pins.offers {
		c, err := v.handshake(ctx, auth, algorithms)
		var negotiation *ssh.AlgorithmNegotiationError
		switch {
		case err == nil:
			// The one that worked comes first from now on.
			v.pins.offers = append([][]string{algorithms}, slices.Delete(slices.Clone(v.pins.offers), i, i+1)...)
			return c, nil
		case errors.Is(err, ErrHostKey):
			if wrong == nil {
				wrong = err
			}
		case errors.As(err, &negotiation):
			if wrong == nil && i == len(v.pins.offers)-1 {
				wrong = fmt.Errorf("%w: it has none of that kind", ErrHostKey)
			}
		default:
			return nil, err
		}
	}
	return nil, wrong
}

// handshake makes one connection.
func (v *Vault) handshake(ctx context.Context, auth ssh.AuthMethod, algorithms []string) (*conn, error) {
	dialer := net.Dialer{Timeout: v.dialTime}
	tcp, err := dialer.DialContext(ctx, "tcp", v.addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	known := false
	config := &ssh.ClientConfig{
		User: v.o.User, Auth: []ssh.AuthMethod{auth}, HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			err := v.pins.check(host, remote, key)
			known = err == nil
			return err
		},
		BannerCallback: func(string) error { return nil },
	}
	if err := tcp.SetDeadline(time.Now().Add(v.dialTime)); err != nil {
		tcp.Close()
		return nil, err
	}
	watched := &watchedConn{Conn: tcp}
	client, channels, requests, err := ssh.NewClientConn(watched, v.addr, config)
	if err != nil {
		tcp.Close()
		return nil, loginError(err, known)
	}
	if err := tcp.SetDeadline(time.Time{}); err != nil {
		tcp.Close()
		return nil, err
	}
	return newConn(ssh.NewClient(client, channels, requests), watched, v), nil
}

// loginError tells apart why a handshake has failed: x/crypto has no error of its
// own for a key that is refused, which is what is left once the host is known.
func loginError(err error, hostKnown bool) error {
	var negotiation *ssh.AlgorithmNegotiationError
	var onNet net.Error
	switch {
	case errors.Is(err, ErrHostKey), errors.As(err, &negotiation):
		return err
	case errors.As(err, &onNet), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: log in: %w", ErrUnreachable, err)
	case hostKnown:
		return fmt.Errorf("%w: %s", ErrRefused, holdfast.Printable(err.Error()))
	}
	return fmt.Errorf("log in: %s", holdfast.Printable(err.Error()))
}
