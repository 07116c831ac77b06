package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"testing"
)

func listen(t *testing.T, connections int) net.Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, connections)
	t.Cleanup(func() { l.Close() })
	return l
}

type accepted struct {
	conn net.Conn
	err  error
}

func accept(l net.Listener) <-chan accepted {
	c := make(chan accepted, 1)
	go func() {
		conn, err := l.Accept()
		c <- accepted{conn, err}
	}()
	return c
}

func dial(t *testing.T, l net.Listener) {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
}

func TestAConnectionBeyondTheLimitWaitsForOneToClose(t *testing.T) {
	l := listen(t, 2)
	var open []net.Conn
	for range 2 {
		dial(t, l)
		a := <-accept(l)
		if a.err != nil {
			t.Fatal(a.err)
		}
		open = append(open, a.conn)
	}
	if got := len(l.(*limitedListener).slots); got != 2 {
		t.Fatalf("%d slots are taken, want 2", got)
	}
	dial(t, l)
	third := accept(l)
	select {
	case <-third:
		t.Fatal("a third connection was taken")
	default:
	}
	// Closing twice, as net/http may, makes room once.
	open[0].Close()
	open[0].Close()
	a := <-third
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := len(l.(*limitedListener).slots); got != 2 {
		t.Errorf("%d slots are taken, want 2", got)
	}
	if _, ok := a.conn.(interface{ CloseWrite() error }); !ok {
		t.Error("the connection cannot be half closed")
	}
	a.conn.Close()
	open[1].Close()
	if got := len(l.(*limitedListener).slots); got != 0 {
		t.Errorf("%d slots are taken, want none", got)
	}
}

func TestClosingEndsTheWaitForASlot(t *testing.T) {
	l := listen(t, 1)
	dial(t, l)
	first := <-accept(l)
	if first.err != nil {
		t.Fatal(first.err)
	}
	waiting := accept(l)
	l.Close()
	if a := <-waiting; !errors.Is(a.err, net.ErrClosed) {
		t.Errorf("got error %v, want %v", a.err, net.ErrClosed)
	}
	first.conn.Close()
}

func TestWhatTheWebServerReportsIsSeen(t *testing.T) {
	var text bytes.Buffer
	log := webLog(slog.New(slog.NewJSONHandler(&text, nil)))
	log.Printf("http: TLS handshake error from 192.0.2.1:1: EOF")
	if text.Len() > 0 {
		t.Errorf("a port scan is reported: %s", &text)
	}
	log.Printf("http: Accept error: too many open files; retrying in 5ms")
	var line struct{ Level, Err string }
	if err := json.Unmarshal(text.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &text)
	}
	if line.Level != "WARN" || line.Err != "http: Accept error: too many open files; retrying in 5ms" {
		t.Errorf("got %+v, want a warning with what was reported", line)
	}
}
