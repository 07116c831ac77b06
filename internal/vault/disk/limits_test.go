package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

func TestOneByteOfEachPartMakesNoThousandsOfFiles(t *testing.T) {
	root := t.TempDir()
	v, client := newVault(t, root, newClock())
	u := start(t, v, "backups/x")
	send(t, v, client, u, 7, []byte("s"))
	before := len(files(t, root))
	for n := 8; n < 100; n++ {
		status, text := do(t, client, http.MethodPut, sign(t, v, u, n, []byte("s")).URL, strings.NewReader("s"))
		if status != http.StatusConflict {
			t.Fatalf("short part %d: got status %d, want %d: %s", n, status, http.StatusConflict, text)
		}
	}
	if got := len(files(t, root)); got != before {
		t.Errorf("%d files, want %d", got, before)
	}
	// The claim outlives the process.
	again, againClient := newVault(t, root, newClock())
	if status, _ := do(t, againClient, http.MethodPut, sign(t, again, u, 8, []byte("s")).URL, strings.NewReader("s")); status != http.StatusConflict {
		t.Errorf("after a restart: got status %d, want %d", status, http.StatusConflict)
	}
	// And binds neither the same part nor full ones.
	send(t, again, againClient, u, 7, []byte("other bytes"))
	send(t, again, againClient, u, 1, random(int(holdfast.PartSize(1, holdfast.MaxParts))))
}

func TestOfShortPartsSentAtOnceToTwoInstancesOneIsTaken(t *testing.T) {
	vaults := twins(t)
	for range 10 {
		u := start(t, vaults[0], "backups/x")
		var errs [maxSenders]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				errs[i] = vaults[i%2].storePart(t.Context(), claimed(u, i+1, []byte("s")), strings.NewReader("s"), func() {})
			})
		}
		wg.Wait()
		taken := 0
		for _, err := range errs {
			switch {
			case err == nil:
				taken++
			case !errors.Is(err, errShort):
				t.Errorf("got error %v, want %v", err, errShort)
			}
		}
		if taken != 1 {
			t.Errorf("%d short parts were taken, want 1", taken)
		}
	}
}

func TestALockFileIsThereOnlyWhileAPartIsSent(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u := start(t, v, "backups/x")
	body := random(1000)
	if status, _ := do(t, client, http.MethodPut, sign(t, v, u, 3, body).URL, bytes.NewReader(random(1000))); status != http.StatusBadRequest {
		t.Errorf("other bytes: got status %d", status)
	}
	send(t, v, client, u, 3, body)
	for _, name := range files(t, v.root.Name()) {
		if strings.HasSuffix(name, ".lock") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestALockOfAPartHasOneHolderThoughItsFileIsRemoved(t *testing.T) {
	vaults := twins(t)
	u := start(t, vaults[0], "backups/x")
	var wg sync.WaitGroup
	var inside, most int // guarded by the lock under test
	var mu sync.Mutex
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				unlock, err := vaults[i%2].lockPart(t.Context(), u.ID, 1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				for range 50 { // long enough for the others to look for the lock
					if _, err := vaults[i%2].root.Lstat(layout.UploadPath(u.ID, partFile(1, "lock"))); err != nil {
						t.Errorf("held without its file: %v", err)
					}
				}
				mu.Lock()
				inside--
				mu.Unlock()
				unlock()
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once, want 1", most)
	}
}

func TestAnUploadThatSendsTooMuchAtOnceIsAskedToWait(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u, other := start(t, v, "backups/x"), start(t, v, "backups/y")
	full := random(int(holdfast.MinPartSize))
	for n := 1; n <= maxSenders; n++ {
		halfway(t, sign(t, v, u, n, full).URL, full)
	}
	one := sign(t, v, u, maxSenders+1, []byte("one more"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, one.URL, strings.NewReader("one more"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got status %d, Retry-After %q, want 429 and when", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	send(t, v, client, other, 1, []byte("of another upload"))
	v.sending.cut(u.ID)
	if err := v.AbortUpload(t.Context(), u); err != nil {
		t.Error(err)
	}
	// Whoever has gone makes room.
	u = start(t, v, "backups/x")
	for n := 1; n <= 2*maxSenders; n++ {
		send(t, v, client, u, 1, []byte(fmt.Sprint("attempt ", n)))
	}
}

func TestListingUploadsCountsWhatTheyOccupyAndReadsNoReceipt(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u := start(t, v, "backups/x")
	// Far out, so that the file is mostly a hole.
	p := send(t, v, client, u, 1000, random(int(holdfast.MinPartSize)))
	for n := 2; n < 500; n++ {
		name := filepath.Join(v.root.Name(), layout.UploadPath(u.ID, partFile(n, "json")))
		if err := os.WriteFile(name, []byte(`{"size":1000000000000}`), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	for got, err := range v.ListUploads(t.Context(), "backups/") {
		if err != nil {
			t.Fatal(err)
		}
		if found++; got.Size < p.Size || got.Size > p.Size+1<<20 {
			t.Errorf("got %d bytes, want about %d", got.Size, p.Size)
		}
	}
	if found != 1 {
		t.Errorf("%d uploads are listed, want 1", found)
	}
}

// deadlined is a ResponseWriter that notes its deadlines.
type deadlined struct {
	*httptest.ResponseRecorder
	deadlines int
	written   int // since the last deadline
	most      int
}

func (d *deadlined) SetWriteDeadline(time.Time) error {
	d.deadlines, d.written = d.deadlines+1, 0
	return nil
}

func (d *deadlined) Write(b []byte) (int, error) {
	d.written += len(b)
	d.most = max(d.most, d.written)
	return d.ResponseRecorder.Write(b)
}

// sender is one that takes over from the reader, as a TCP connection does.
type sender struct{ *deadlined }

func (s sender) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s.deadlined}, r)
}

func TestADownloadHasTimeOnlyAsLongAsItMakesHeadway(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	body := random(3*stallBytes + 12345)
	if err := v.Put(t.Context(), "backups/x", body); err != nil {
		t.Fatal(err)
	}
	r, err := v.SignDownload(context.Background(), "backups/x", "x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, wrap := range map[string]func(*deadlined) http.ResponseWriter{
		"by writing": func(d *deadlined) http.ResponseWriter { return d },
		"by sending": func(d *deadlined) http.ResponseWriter { return sender{d} },
	} {
		t.Run(name, func(t *testing.T) {
			d := &deadlined{ResponseRecorder: httptest.NewRecorder()}
			v.Handler().ServeHTTP(wrap(d), httptest.NewRequest(http.MethodGet, r.URL, nil))
			if !bytes.Equal(d.Body.Bytes(), body) {
				t.Errorf("got %d other bytes", d.Body.Len())
			}
			if d.deadlines < 4 || d.most > stallBytes {
				t.Errorf("%d deadlines, %d bytes under one, want a deadline for each %d", d.deadlines, d.most, stallBytes)
			}
		})
	}
}
