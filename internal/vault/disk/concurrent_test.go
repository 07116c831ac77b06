package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// twins opens one directory twice, as two processes would.
func twins(t *testing.T) [2]*Vault {
	root := t.TempDir()
	a, _ := newVault(t, root, newClock())
	b, _ := newVault(t, root, newClock())
	return [2]*Vault{a, b}
}

// claimed is body as part n of the upload.
func claimed(u holdfast.Upload, n int, body []byte) partClaims {
	p := part(n, body)
	return partClaims{Upload: u.ID, Number: n, Size: p.Size, Sum: p.Sum}
}

func TestTwoInstancesPutOneObject(t *testing.T) {
	vaults := twins(t)
	for round := range 20 {
		key := fmt.Sprintf("backups/%d/x", round)
		var errs [8]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = vaults[i%2].Put(t.Context(), key, bytes.Repeat([]byte{byte(i)}, 5000)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case !errors.Is(err, holdfast.ErrExist):
				t.Errorf("got error %v, want %v", err, holdfast.ErrExist)
			}
		}
		if got := content(t, vaults[0], key); winner < 0 || !bytes.Equal(got, bytes.Repeat([]byte{byte(winner)}, 5000)) {
			t.Errorf("round %d: winner %d, got %d bytes of %v", round, winner, len(got), got[:1])
		}
	}
}

func TestTwoInstancesLoseNoStateChange(t *testing.T) {
	vaults := twins(t)
	const writers, rounds = 4, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				body, tag, err := vaults[i%2].Load(t.Context(), "state/n")
				if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(body))
				_, err = vaults[i%2].Swap(t.Context(), "state/n", []byte(strconv.Itoa(n+1)), tag)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, holdfast.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := string(content(t, vaults[0], "state/n")); got != strconv.Itoa(writers*rounds) {
		t.Errorf("got %s, want %d", got, writers*rounds)
	}
}

func TestTwoInstancesReceiveOnePart(t *testing.T) {
	vaults := twins(t)
	for range 20 {
		u := start(t, vaults[0], "backups/x")
		bodies := [2][]byte{random(300_000), random(300_000)}
		var wg sync.WaitGroup
		for i, v := range vaults {
			wg.Go(func() {
				err := v.storePart(t.Context(), claimed(u, 1, bodies[i]), bytes.NewReader(bodies[i]), func() {})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		last := bodies[0]
		err := vaults[0].CompleteUpload(t.Context(), u, []holdfast.Part{part(1, last)}, int64(len(last)))
		if errors.Is(err, holdfast.ErrCorrupt) {
			last = bodies[1]
			err = vaults[0].CompleteUpload(t.Context(), u, []holdfast.Part{part(1, last)}, int64(len(last)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(content(t, vaults[1], u.Key), last) {
			t.Fatal("the object is not what the receipt says")
		}
		if err := vaults[1].Delete(t.Context(), u.Key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompletingWaitsForThePartsThatAnotherInstanceReceives(t *testing.T) {
	vaults := twins(t)
	u, body := start(t, vaults[0], "backups/x"), []byte("a body")
	looked := false
	reader := readerFunc(func(p []byte) (int, error) {
		looked = true
		if unlock, ok := vaults[0].tryLock(layout.UploadPath(u.ID, lockFile)); ok {
			unlock()
			t.Error("the upload could be completed while a part is written")
		}
		if unlock, ok := vaults[0].tryLock(layout.UploadPath(u.ID, partFile(1, "lock"))); ok {
			unlock()
			t.Error("the part could be written twice at once")
		}
		return copy(p, body), io.EOF
	})
	if err := vaults[1].storePart(t.Context(), claimed(u, 1, body), reader, func() {}); err != nil || !looked {
		t.Fatalf("got error %v, looked %v", err, looked)
	}
	if err := vaults[0].CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, 6); err != nil {
		t.Error(err)
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	vaults := twins(t)
	u, body := start(t, vaults[0], "backups/x"), []byte("a body")
	reader := readerFunc(func(p []byte) (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
		defer cancel()
		if err := vaults[0].AbortUpload(ctx, u); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
		}
		return copy(p, body), io.EOF
	})
	if err := vaults[1].storePart(t.Context(), claimed(u, 1, body), reader, func() {}); err != nil {
		t.Error(err)
	}
}

func TestDeletingAndPuttingInOneDirectoryDoNotGetInEachOthersWay(t *testing.T) {
	vaults := twins(t)
	const rounds = 60
	var wg sync.WaitGroup
	for i, v := range vaults {
		wg.Go(func() {
			key := fmt.Sprintf("backups/web1/crm/%d", i)
			for range rounds {
				if err := v.Put(t.Context(), key, []byte("x")); err != nil {
					t.Error(err)
				}
				if _, err := v.stat(key); err != nil {
					t.Errorf("after put: %v", err)
				}
				if err := v.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			for _, err := range vaults[0].List(t.Context(), "") {
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Wait()
	if _, err := vaults[0].root.Lstat("backups"); err == nil {
		t.Error("an empty directory was left")
	}
}
