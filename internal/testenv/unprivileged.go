package testenv

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Unprivileged runs f on a thread for which file permissions count, also where
// the test runs as root. f must do its work in its own goroutine.
func Unprivileged(t testing.TB, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		unix.Setfsuid(65534)
		f()
	}()
	<-done
}
