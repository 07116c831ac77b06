package adopt_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

// world is a bucket that another program fills and that Holdfast looks at.
type world struct {
	t      *testing.T
	now    time.Time
	bucket *mem.Vault
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: noon}
	w.bucket = mem.New(w.clock, "")
	return w
}

func (w *world) clock() time.Time { return w.now }

// put stores what the bucket had for so long.
func (w *world) put(age time.Duration, key, body string) {
	w.t.Helper()
	w.now = noon.Add(-age)
	if err := w.bucket.Put(w.t.Context(), key, []byte(body)); err != nil {
		w.t.Fatal(err)
	}
	w.now = noon
}

// replace stores another body under a key.
func (w *world) replace(age time.Duration, key, body string) {
	w.t.Helper()
	if err := w.bucket.Delete(w.t.Context(), key); err != nil {
		w.t.Fatal(err)
	}
	w.put(age, key, body)
}

func (w *world) view(entries ...adopt.Entry) holdfast.Vault {
	w.t.Helper()
	v, err := adopt.New(w.bucket, adopt.Options{Entries: entries, Now: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// spatie is the entry of most tests.
var spatie = adopt.Entry{Host: "web1", Job: "crm", Pattern: "spatie"}

// idOf returns the id of what lies in a folder with a time in its name.
func idOf(folder, stamp string) holdfast.ID {
	sum := sha256.Sum256([]byte(folder))
	return holdfast.ID(stamp + "-" + hex.EncodeToString(sum[:4]))
}

func key(folder, stamp, file string) string {
	return holdfast.Ref{Host: "web1", Job: "crm", ID: idOf(folder, stamp)}.Key(file)
}

func keys(t *testing.T, v holdfast.Lister, prefix string) []string {
	t.Helper()
	var all []string
	for o, err := range v.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

func read(ctx context.Context, v holdfast.Reader, key string, offset, n int64) (string, error) {
	r, err := v.Open(ctx, key, offset, n)
	if err != nil {
		return "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	return string(body), err
}

// refused is an error unless err wraps want and says text.
func refused(err, want error, text string) error {
	if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), text) {
		return fmt.Errorf("got %v, want %q", err, text)
	}
	return nil
}
