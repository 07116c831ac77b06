package sftp

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// slowly opens a vault that is impatient with a server it has reached: to be reached,
// that has all the time that a busy machine needs.
func slowly(t testing.TB, o Options) *Vault {
	t.Helper()
	v := open(t, o)
	v.dialTime = 20 * time.Second
	return v
}

// impatient has the vault soon give up a server that does not answer any more. No call
// may be under way.
func impatient(v *Vault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dialTime, v.o.GiveUp = v.o.Timeout, time.Second
}

// current returns the connection there is.
func current(t testing.TB, v *Vault) *conn {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn == nil {
		t.Fatal("there is no connection")
	}
	return v.conn
}

// stillAlive fails the test if the connection has ended before anything was done to it.
func stillAlive(t testing.TB, c *conn) {
	t.Helper()
	if !c.alive() {
		t.Fatalf("the connection has ended before the server hung: %v", c.lost(nil))
	}
}

// stalled waits until the connection has ended, and fails the test unless that is
// because the server has stopped answering.
func stalled(t testing.TB, c *conn) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		t.Fatal("that the server hangs is not noticed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(c.cause, errStalled) {
		t.Errorf("the connection was closed for %v, want %v", c.cause, errStalled)
	}
}

func TestAServerThatHangsDoesNotHoldTheCaller(t *testing.T) {
	o, proxy := behind(t, testenv.StartSSHD(t, testenv.SSHDOptions{}))
	o.Timeout = 500 * time.Millisecond
	v := slowly(t, o)
	if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	body := random(8 << 20)
	p, u := split(body)[0], start(t, v, "backups/x")
	r, err := v.Open(t.Context(), "backups/object", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	calls := map[string]func(ctx context.Context) error{
		"send a part":     func(ctx context.Context) error { return v.SendPart(ctx, u, p, bytes.NewReader(body)) },
		"put":             func(ctx context.Context) error { return v.Put(ctx, "backups/new", body) },
		"open":            func(ctx context.Context) error { _, err := v.Open(ctx, "backups/object", 0, -1); return err },
		"list":            func(ctx context.Context) error { return firstError(v.List(ctx, "")) },
		"list uploads":    func(ctx context.Context) error { return firstError(v.ListUploads(ctx, "")) },
		"start an upload": func(ctx context.Context) error { _, err := v.StartUpload(ctx, "backups/z"); return err },
		"delete":          func(ctx context.Context) error { return v.Delete(ctx, "backups/none") },
		"read":            func(context.Context) error { _, err := r.Read(make([]byte, 1)); return err },
	}
	c := current(t, v)
	proxy.Hold()
	stillAlive(t, c)
	impatient(v)
	for name, call := range calls {
		begun := time.Now()
		err := call(t.Context())
		if err == nil || time.Since(begun) > 15*time.Second {
			t.Errorf("%s: got error %v after %s", name, err, time.Since(begun))
		}
	}
	stalled(t, c)
	proxy.Release()
	proxy.Cut()
	o.Timeout = time.Hour
	v = open(t, o)
	if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	proxy.Hold()
	delete(calls, "read") // which has a context of its own
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got error %v, want %v", name, err, context.DeadlineExceeded)
		}
		cancel()
	}
	proxy.Release()
	sameBytes(t, v, "backups/object", []byte("a body"))
}

func TestASFTPServerThatHangsBehindALiveConnection(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	o := options(s)
	o.Timeout, o.GiveUp = time.Second, 30*time.Second
	v := slowly(t, o)
	if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	c := current(t, v)
	s.Freeze(t)
	stillAlive(t, c)
	// Another server answers on the next connection.
	if err := v.Put(t.Context(), "backups/other", []byte("a body")); err != nil {
		t.Error(err)
	}
	stalled(t, c)
	s.Thaw(t)
}

func TestAnIdleConnectionThatHasDiedIsNoticed(t *testing.T) {
	o, proxy := behind(t, testenv.StartSSHD(t, testenv.SSHDOptions{}))
	o.Timeout = time.Second
	v := slowly(t, o)
	if err := v.Put(t.Context(), "backups/object", nil); err != nil {
		t.Fatal(err)
	}
	c := current(t, v)
	proxy.Hold()
	stillAlive(t, c)
	stalled(t, c)
}
