package email

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/alert/conform"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// front stands before a mail server, and passes on what comes to it as long as it
// behaves.
type front struct {
	t       testing.TB
	l       net.Listener
	to      string
	answers map[conform.Behaviour]string // where it does not; "" is none
	taken   func() []string

	mu        sync.Mutex
	behaviour conform.Behaviour
	open      []net.Conn
}

func newFront(t testing.TB, to string, answers map[conform.Behaviour]string, taken func() []string) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, l: l, to: to, answers: answers, taken: taken}
	t.Cleanup(func() {
		_ = l.Close()
		f.hangUp()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.open = append(f.open, conn)
			behaviour := f.behaviour
			f.mu.Unlock()
			go f.serve(conn, behaviour)
		}
	}()
	return f
}

func (f *front) port() int { return f.l.Addr().(*net.TCPAddr).Port }

func (f *front) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.open {
		_ = conn.Close()
	}
	f.open = nil
}

func (f *front) serve(conn net.Conn, behaviour conform.Behaviour) {
	switch behaviour {
	case conform.Takes:
		server, err := net.Dial("tcp", f.to)
		if err != nil {
			f.t.Error(err)
			return
		}
		go func() {
			_, _ = io.Copy(server, conn)
			_ = server.Close()
		}()
		_, _ = io.Copy(conn, server)
		_ = conn.Close()
	case conform.Hangs:
		_, _ = io.Copy(io.Discard, conn)
	default:
		_, _ = io.WriteString(conn, f.answers[behaviour])
		_, _ = io.Copy(io.Discard, conn)
	}
}

// Behave implements conform.Far.
func (f *front) Behave(b conform.Behaviour) error {
	if _, ok := f.answers[b]; !ok && b != conform.Takes && b != conform.Hangs {
		return conform.ErrNotRunnable
	}
	f.mu.Lock()
	f.behaviour = b
	f.mu.Unlock()
	f.hangUp() // what was kept open behaved otherwise
	return nil
}

// Taken implements conform.Far.
func (f *front) Taken() []string { return f.taken() }

// conforms runs all checks, of which some cannot be run.
func conforms(t *testing.T, env *conform.Env, without ...string) {
	t.Helper()
	results := conform.Run(t.Context(), env)
	if len(results) == 0 || len(results) != len(conform.Checks()) {
		t.Fatalf("got %d results of %d checks", len(results), len(conform.Checks()))
	}
	skipped := ""
	for _, r := range results {
		switch {
		case r.Skipped():
			skipped += r.Name
		case r.Err != nil:
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
	want := ""
	for _, name := range without {
		want += name
	}
	if skipped != want {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
}

func TestSMTPConforms(t *testing.T) {
	s := testenv.SMTP(t)
	taken := func() []string {
		var all []string
		for _, d := range inbox(t, s) {
			all = append(all, takeApart(t, d.Raw).text)
		}
		return all
	}
	f := newFront(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.STARTTLS)), map[conform.Behaviour]string{
		conform.Refuses: "554-not for you,\r\n554 whose password is " + s.Password + "\r\n",
		conform.Fails:   "421 out of order\r\n",
		conform.Garbage: "\x00\x01\x02 HTTP/1.1 200 OK\r\n\r\n",
	}, taken)
	c := through(t, s, port(f.port(), "starttls"))
	// SMTP has no word for when to come again.
	conforms(t, &conform.Env{Channel: c, Far: f, Now: now, Secrets: []string{s.Password}}, "busy")
}
