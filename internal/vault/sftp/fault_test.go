package sftp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// behind returns the options of a vault on the server behind a proxy.
func behind(t testing.TB, s *testenv.SSHD) (Options, *testenv.Proxy) {
	t.Helper()
	p := testenv.NewProxy(t, s.Addr())
	o := options(s)
	o.Port, o.GiveUp = p.Port, 30*time.Second
	return o, p
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// start starts an upload of the key.
func start(t testing.TB, v *Vault, key string) holdfast.Upload {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sameBytes fails the test unless the object has that body.
func sameBytes(t testing.TB, v *Vault, key string, want []byte) {
	t.Helper()
	r, err := v.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%q: got %d bytes, want %d others", key, len(got), len(want))
	}
}

// unseekable hides that a body can be read again.
type unseekable struct{ io.Reader }

func TestAConnectionCutInTheMiddleOfAPart(t *testing.T) {
	o, proxy := behind(t, testenv.StartSSHD(t, testenv.SSHDOptions{}))
	v := open(t, o)
	body := random(12 << 20)
	parts := split(body)
	u := start(t, v, "backups/x")
	first := body[:parts[0].Size]

	proxy.CutAfter(3 << 20)
	err := v.SendPart(t.Context(), u, parts[0], unseekable{bytes.NewReader(first)})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("a body that can't be read again: got error %v, want %v", err, ErrUnreachable)
	}
	if err := v.CompleteUpload(t.Context(), u, parts[:1], parts[0].Size); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("complete with a part that was cut off: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if err := v.SendPart(t.Context(), u, parts[0], unseekable{bytes.NewReader(first)}); err != nil {
		t.Errorf("again: %v", err)
	}
	proxy.CutAfter(1 << 20)
	if err := v.SendPart(t.Context(), u, parts[1], bytes.NewReader(body[parts[0].Size:])); err != nil {
		t.Errorf("a body that can be read again: %v", err)
	}
	if !proxy.Spare() {
		t.Error("the connection was not cut")
	}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, v, "backups/x", body)
}

func TestAServerThatIsRestartedBetweenParts(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	o := options(s)
	o.GiveUp = 30 * time.Second
	v := open(t, o)
	body := random(12 << 20)
	parts := split(body)
	u := start(t, v, "backups/x")
	if err := v.SendPart(t.Context(), u, parts[0], bytes.NewReader(body[:parts[0].Size])); err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	sent := make(chan error)
	go func() { sent <- v.SendPart(t.Context(), u, parts[1], bytes.NewReader(body[parts[0].Size:])) }()
	s.Start(t)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	s.Start(t)
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	s.Start(t)
	sameBytes(t, v, "backups/x", body)
}

func TestAServerThatStaysAwayIsGivenUp(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	o := options(s)
	o.GiveUp = time.Second
	v := open(t, o)
	u := start(t, v, "backups/x")
	s.Stop(t)
	p := split([]byte("a body"))[0]
	if err := v.SendPart(t.Context(), u, p, bytes.NewReader([]byte("a body"))); !errors.Is(err, ErrUnreachable) {
		t.Errorf("send a part: got error %v, want %v", err, ErrUnreachable)
	}
	if err := v.Put(t.Context(), "backups/y", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("put: got error %v, want %v", err, ErrUnreachable)
	}
}

func TestAFullServer(t *testing.T) {
	const room = 24 << 20
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Size: room})
	v := open(t, options(s))
	body := random(32 << 20)
	parts := split(body)
	u := start(t, v, "backups/x")
	var err error
	for i := 0; err == nil && i < len(parts); i++ {
		at := holdfast.PartOffset(i+1, holdfast.MaxParts)
		err = v.SendPart(t.Context(), u, parts[i], bytes.NewReader(body[at:at+parts[i].Size]))
	}
	if !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("send a part: got error %v, want %v", err, holdfast.ErrFull)
	}
	if err := v.Put(t.Context(), "backups/y", random(4<<20)); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("put: got error %v, want %v", err, holdfast.ErrFull)
	}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(body))); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("complete: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	for o, err := range v.List(t.Context(), "") {
		t.Errorf("%+v, %v is there", o, err)
	}
	if err := v.AbortUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), "backups/y", []byte("small")); err != nil {
		t.Errorf("after there is room: %v", err)
	}
	nothingBut(t, s, "backups/y")
}

// nothingBut fails the test unless those are all the files there are on the server,
// below its own directories too.
func nothingBut(t testing.TB, s *testenv.SSHD, want ...string) {
	t.Helper()
	left := map[string]bool{}
	for _, name := range want {
		left[name] = true
	}
	err := filepath.WalkDir(s.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.Dir, path)
		if !left[name] {
			t.Errorf("%s is there", name)
		}
		delete(left, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range left {
		t.Errorf("%s is not there", name)
	}
}

func firstError[T any](all func(func(T, error) bool)) (first error) {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
