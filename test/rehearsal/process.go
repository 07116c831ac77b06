package rehearsal

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// serve starts a server that ends with the test, and waits until url answers.
func serve(t testing.TB, url, program string, args ...string) {
	t.Helper()
	log := &Log{}
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = command.Wait(); close(gone) }()
	t.Cleanup(func() { _ = command.Process.Kill(); <-gone })
	for deadline := time.Now().Add(time.Minute); ; {
		answer, err := http.Get(url)
		if err == nil {
			_ = answer.Body.Close()
			return
		}
		select {
		case <-gone:
			t.Fatalf("%s ended: %s\n%s", program, command.ProcessState, log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v\n%s", program, err, log)
		}
	}
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// listen serves a handler on loopback until the test ends and returns its URL.
func listen(t testing.TB, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return fmt.Sprintf("http://%s", listener.Addr())
}
