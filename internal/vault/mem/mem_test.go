package mem

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

// The promises of the contract are checked by package conform, whose own tests
// run on this vault. Here is what is this vault's alone.

func TestListingShowsTheInjectedTime(t *testing.T) {
	now := noon
	v := New(func() time.Time { return now }, "")
	if err := v.Put(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := v.Put(t.Context(), "b", []byte("xy")); err != nil {
		t.Fatal(err)
	}
	var got []holdfast.Object
	for o, err := range v.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	want := []holdfast.Object{{Key: "a", Size: 1, ModTime: noon}, {Key: "b", Size: 2, ModTime: now}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLockForbidsDeletionUntilItsDate(t *testing.T) {
	now := noon
	v := New(func() time.Time { return now }, "")
	if err := v.Lock("a", noon); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("lock what is not there: got error %v, want %v", err, holdfast.ErrNotExist)
	}
	if err := v.Put(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if err := v.Lock("a", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	now = noon.Add(time.Hour - 1)
	if err := v.Delete(t.Context(), "a"); !errors.Is(err, holdfast.ErrLocked) {
		t.Errorf("before its date: got error %v, want %v", err, holdfast.ErrLocked)
	}
	now = noon.Add(time.Hour)
	if err := v.Delete(t.Context(), "a"); err != nil {
		t.Errorf("at its date: %v", err)
	}
}

func TestEveryCallCanBeMadeToFail(t *testing.T) {
	v := New(func() time.Time { return noon }, "")
	server := httptest.NewServer(v.Handler())
	defer server.Close()
	v.SetBaseURL(server.URL)
	ctx := t.Context()
	if err := v.Put(ctx, "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	u, err := v.StartUpload(ctx, "k2")
	if err != nil {
		t.Fatal(err)
	}
	p := holdfast.Part{Number: 1, Size: 1, Sum: v.sum([]byte("x"))}
	put, err := v.SignPart(ctx, u, p, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	get, err := v.SignDownload(ctx, "k", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	send := func(r holdfast.Request) error {
		req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader("x"))
		if err != nil {
			return err
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return errFault
		}
		return nil
	}
	calls := map[string]func() error{
		"List": func() (last error) {
			for _, err := range v.List(ctx, "k") {
				last = err
			}
			return last
		},
		"ListUploads": func() (last error) {
			for _, err := range v.ListUploads(ctx, "k") {
				last = err
			}
			return last
		},
		"Open":           func() error { _, err := v.Open(ctx, "k", 0, -1); return err },
		"Put":            func() error { return v.Put(ctx, "k", nil) },
		"StartUpload":    func() error { _, err := v.StartUpload(ctx, "k"); return err },
		"SignPart":       func() error { _, err := v.SignPart(ctx, u, p, time.Hour); return err },
		"CompleteUpload": func() error { return v.CompleteUpload(ctx, u, []holdfast.Part{p}, 1) },
		"AbortUpload":    func() error { return v.AbortUpload(ctx, u) },
		"SignDownload":   func() error { _, err := v.SignDownload(ctx, "k", "k", time.Hour); return err },
		"Delete":         func() error { return v.Delete(ctx, "k") },
		"Load":           func() error { _, _, err := v.Load(ctx, "k"); return err },
		"Swap":           func() error { _, err := v.Swap(ctx, "k", nil, ""); return err },
		"part":           func() error { return send(put) },
		"download":       func() error { return send(get) },
	}
	for op, call := range calls {
		v.Fault = func(got, key string) error {
			if got == op && strings.HasPrefix(key, "k") {
				return errFault
			}
			return nil
		}
		if err := call(); !errors.Is(err, errFault) {
			t.Errorf("%s: got error %v, want the fault", op, err)
		}
	}
	v.Fault = nil
	// Nothing happened: the object is there, and the upload still open and empty.
	if err := send(get); err != nil {
		t.Error(err)
	}
	if _, err := v.find(u); err != nil || len(v.uploads[u.ID].parts) > 0 {
		t.Errorf("upload: %v, %d parts", err, len(v.uploads[u.ID].parts))
	}
}

var errFault = errors.New("fault")

func TestUploadsWithMD5(t *testing.T) {
	v := New(func() time.Time { return noon }, "")
	v.Limits = holdfast.UploadLimits{MaxParts: 3, Checksum: holdfast.ChecksumMD5}
	server := httptest.NewServer(v.Handler())
	defer server.Close()
	v.SetBaseURL(server.URL)
	u, err := v.StartUpload(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	p := holdfast.Part{Number: 1, Size: 5, Sum: "5d41402abc4b2a76b9719d911017c592"} // of "hello"
	r, err := v.SignPart(t.Context(), u, p, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got status %d, want %d", resp.StatusCode, http.StatusOK)
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, 5); err != nil {
		t.Error(err)
	}
	if _, err := v.SignPart(t.Context(), u, holdfast.Part{Number: 4, Size: 1}, time.Hour); err == nil {
		t.Error("a part beyond the limit was signed")
	}
}
