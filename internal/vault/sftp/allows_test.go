package sftp

import (
	"context"
	"errors"
	"net"
	"testing"

	pkgsftp "github.com/pkg/sftp"
)

// yielding ends the caller's context while it is asked to rename, and answers as if it
// had found both names. It stands in for a server that no package has: OpenSSH's says
// that there is no such file.
type yielding struct {
	pkgsftp.FileCmder
	end context.CancelFunc
}

func (y yielding) Filecmd(r *pkgsftp.Request) error {
	if r.Method != "Rename" {
		return y.FileCmder.Filecmd(r)
	}
	y.end()
	return nil
}

func TestACallThatEndsWhileItIsTriedWhatTheServerAllows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	near, far := net.Pipe()
	handlers := pkgsftp.InMemHandler()
	handlers.FileCmd = yielding{handlers.FileCmd, cancel}
	server := pkgsftp.NewRequestServer(far, handlers)
	go server.Serve()
	t.Cleanup(func() { server.Close() })
	client, err := pkgsftp.NewClientPipe(near, near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	o := op{ctx: ctx, s: &session{conn: &conn{}, client: client}, root: "/"}
	if w, err := o.way(); !errors.Is(err, context.Canceled) {
		t.Errorf("got way %v and error %v, want %v", w, err, context.Canceled)
	}
}
