package push

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// onServer returns the destination of a directory on a real SSH server.
func onServer(s *testenv.SSHD, hostKey string) *Direct {
	return NewDirect(DirectOptions{
		Name: "nas", Kind: KindSFTP,
		Final: func(err error) bool { return errors.Is(err, sftp.ErrHostKey) },
		Open: func(context.Context) (DirectVault, error) {
			return sftp.New(sftp.Options{
				Host: s.Host, Port: s.Port, User: s.User, Path: s.Path,
				Key: secret.New(s.Key), HostKeys: []string{hostKey}, Create: true,
			})
		},
	})
}

func TestAServerThatRestartsInTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options testenv.SSHDOptions
	}{
		{"a plain server", testenv.SSHDOptions{}},
		{"one that denies remove and rename", testenv.SSHDOptions{Deny: testenv.DenyMoves()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testenv.StartSSHD(t, tt.options)
			w := newThree(t)
			source := w.job.Sources[0].Source.(*fakeSource)
			w.job.Sources[0].Source = &fakeSource{file: "crm.sql", dump: func(ctx context.Context, out io.Writer) error {
				restart := &restarting{Writer: out, t: t, server: s}
				_, err := source.Dump(ctx, restart)
				return err
			}}
			w.deps.Destinations = []Destination{w.deps.Destinations[0], onServer(s, s.Fingerprint)}
			out := Run(t.Context(), w.job, w.deps)
			if got := statuses(out); out.Status != OK || got != "broker/main ok, broker/second ok, nas ok" {
				t.Fatalf("got %s, %+v", got, out)
			}
			// What SFTP has written can be opened as the directory that it is.
			v := diskVault(t, s.Dir)
			ref := holdfast.Ref{Host: "web1", Job: "crm", ID: testID}
			if len(tt.options.Deny) == 0 {
				wantBackup(t, v, ref, w.data())
				return
			}
			for file, body := range w.data() {
				if got := read(t, v, ref.Key(file)); string(got) != string(body) {
					t.Errorf("%s differs from what was dumped", file)
				}
			}
			if _, err := holdfast.DecodeManifest(read(t, v, ref.ManifestKey())); err != nil {
				t.Error(err)
			}
		})
	}
}

// restarting stops the server in the middle of what is written, and starts it again.
type restarting struct {
	io.Writer
	t      *testing.T
	server *testenv.SSHD
	n      int
	once   sync.Once
}

func (r *restarting) Write(p []byte) (int, error) {
	if r.n += len(p); r.n > 12<<20 {
		r.once.Do(func() { r.server.Stop(r.t); r.server.Start(r.t) })
	}
	return r.Writer.Write(p)
}

func TestAServerWithAnotherKeyIsNotAskedAgain(t *testing.T) {
	s, other := testenv.StartSSHD(t, testenv.SSHDOptions{}), testenv.StartSSHD(t, testenv.SSHDOptions{})
	w := newThree(t)
	w.deps.Destinations = []Destination{w.deps.Destinations[0], onServer(s, other.Fingerprint)}
	out := Run(t.Context(), w.job, w.deps)
	if got := statuses(out); out.Status != Partial || got != "broker/main ok, broker/second ok, nas failed start" {
		t.Errorf("got %s, %+v", got, out)
	}
	if !errors.Is(out.Err(), sftp.ErrHostKey) || strings.Contains(out.Error, "given up") || w.c.Now() != testTime {
		t.Errorf("got %q, and waited until %s", out.Error, w.c.Now())
	}
	wantNothing(t, diskVault(t, s.Dir))
}
