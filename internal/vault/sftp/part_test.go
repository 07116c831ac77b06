package sftp

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// transcript is what the server was asked to change, in order.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

var asked = regexp.MustCompile(`debug\d: request \d+: (write|fsync|rename|hardlink)\b`)

func (r *transcript) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := asked.FindStringSubmatch(line); m != nil {
		r.lines = append(r.lines, m[1])
	}
}

func (r *transcript) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func TestNothingGetsItsNameBeforeItIsFlushed(t *testing.T) {
	for name, c := range map[string]struct {
		deny []string
		want []string // what an object becomes visible by
	}{
		"by link": {nil, []string{"hardlink"}}, "by rename": {[]string{"hardlink"}, []string{"rename"}}, "in place": {testenv.DenyAll(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var said transcript
			v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{Deny: c.deny, Log: said.add})))
			// Makes the directories, and tries what the server allows.
			if err := v.Put(t.Context(), "backups/first", nil); err != nil {
				t.Fatal(err)
			}
			u, p := start(t, v, "backups/data"), split([]byte("a body"))
			said.take()
			if err := v.SendPart(t.Context(), u, p[0], strings.NewReader("a body")); err != nil {
				t.Fatal(err)
			}
			if got, want := said.take(), []string{"write", "fsync"}; !cmp.Equal(got, want) {
				t.Errorf("send a part: the server was asked to %q, want %q", got, want)
			}
			if err := v.CompleteUpload(t.Context(), u, p, 6); err != nil {
				t.Fatal(err)
			}
			if got, want := said.take(), append([]string{"fsync"}, c.want...); !cmp.Equal(got, want) {
				t.Errorf("complete: the server was asked to %q, want %q", got, want)
			}
			if err := v.Put(t.Context(), "backups/manifest.json", []byte("{}")); err != nil {
				t.Fatal(err)
			}
			if got, want := said.take(), append([]string{"write", "fsync"}, c.want...); !cmp.Equal(got, want) {
				t.Errorf("put: the server was asked to %q, want %q", got, want)
			}
		})
	}
}

func TestAPartThatIsWrittenOverDoesNotCountUntilItIsWhole(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{})))
	u, first, other := start(t, v, "backups/x"), []byte("a body"), split([]byte("b body"))[0]
	parts := split(first)
	if err := v.SendPart(t.Context(), u, parts[0], bytes.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	if err := v.SendPart(t.Context(), u, other, strings.NewReader("b boDY")); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Fatalf("got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	for _, p := range []holdfast.Part{parts[0], other} {
		if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, 6); !errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("complete with either part: got error %v, want %v", err, holdfast.ErrCorrupt)
		}
	}
}

func TestASenderThatIsLeftBehindTouchesItsBodyNoMore(t *testing.T) {
	o, proxy := behind(t, testenv.StartSSHD(t, testenv.SSHDOptions{}))
	v := open(t, o)
	u, body := start(t, v, "backups/x"), random(8<<20)
	ctx, cancel := context.WithCancel(t.Context())
	var over atomic.Bool
	from, held := bytes.NewReader(body), false
	watched := readerFunc(func(p []byte) (int, error) {
		if over.Load() {
			t.Error("the body is read after SendPart has returned")
		}
		if from.Len() < 6<<20 && !held {
			// What is on its way stays there, and the rest waits.
			held = true
			proxy.Hold()
			cancel()
		}
		return from.Read(p)
	})
	if err := v.SendPart(ctx, u, split(body)[0], watched); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	over.Store(true)
	proxy.Release()
	// The next sender of the part waits for the one before.
	if err := v.SendPart(t.Context(), u, split(body)[0], bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if err := v.CompleteUpload(t.Context(), u, split(body), 8<<20); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, v, "backups/x", body)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestUploadsThatEndTakeNoMoreParts(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{})))
	for name, end := range map[string]func(u holdfast.Upload) error{
		"abort": func(u holdfast.Upload) error { return v.AbortUpload(t.Context(), u) },
		"complete": func(u holdfast.Upload) error {
			return v.CompleteUpload(t.Context(), u, split([]byte("a body")), 6)
		},
	} {
		u := start(t, v, "backups/"+name)
		if err := v.SendPart(t.Context(), u, split([]byte("a body"))[0], strings.NewReader("a body")); err != nil {
			t.Fatal(err)
		}
		second := holdfast.Part{Number: 2, Size: 6, Sum: split([]byte("b body"))[0].Sum}
		ended := make(chan error, 1)
		began := false
		body := readerFunc(func(p []byte) (int, error) {
			if !began {
				began = true
				go func() { ended <- end(u) }()
				known := v.uploads.get(u.ID)
				for closed := false; !closed; runtime.Gosched() {
					known.mu.Lock()
					closed = known.closed
					known.mu.Unlock()
				}
			}
			return copy(p, "b body"), nil
		})
		if err := v.SendPart(t.Context(), u, second, body); !errors.Is(err, errOvertaken) {
			t.Errorf("%s: got error %v, want %v", name, err, errOvertaken)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
