package conform

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func downloadChecks() []Check {
	return []Check{
		check("download", "A signed download yields the whole object, and its name to save it under.", download),
		check("download-range", "A signed download accepts Range.", downloadRange),
		check("download-method", "A signed download only reads.", downloadMethod),
		check("download-tampered", "A signed download whose URL was changed is refused.", downloadTampered),
		check("download-expired", "A signed download is refused once it has expired.", downloadExpired),
	}
}

const downloadBody = "0123456789"

// signed stores an object and signs its download.
func (s *scratch) signed(ctx context.Context, ttl time.Duration) (key string, r holdfast.Request, err error) {
	key = s.prefix + "object"
	if err := s.Vault.Put(ctx, key, []byte(downloadBody)); err != nil {
		return key, r, err
	}
	r, err = s.signDownload(ctx, key, "crm.sql.zst.age", ttl)
	return key, r, err
}

// fetches returns an error unless the request yields the body with the status.
func (s *scratch) fetches(ctx context.Context, r holdfast.Request, status int, body string) (answer, error) {
	got, err := s.send(ctx, r, nil)
	if err != nil {
		return got, err
	}
	if got.status != status || string(got.body) != body {
		return got, fmt.Errorf("download: got status %d and %s, want %d and %q", got.status, show(got.body), status, body)
	}
	return got, nil
}

func download(ctx context.Context, s *scratch) error {
	_, r, err := s.signed(ctx, time.Hour)
	if err != nil {
		return err
	}
	if r.Method != http.MethodGet {
		return fmt.Errorf("sign download: method %q, want GET", r.Method)
	}
	got, err := s.fetches(ctx, r, http.StatusOK, downloadBody)
	if err != nil {
		return err
	}
	disposition := got.header.Get("Content-Disposition")
	kind, params, err := mime.ParseMediaType(disposition)
	if err != nil || kind != "attachment" || params["filename"] != "crm.sql.zst.age" {
		return fmt.Errorf("download: Content-Disposition %q, want an attachment crm.sql.zst.age", disposition)
	}
	return nil
}

func downloadRange(ctx context.Context, s *scratch) error {
	_, r, err := s.signed(ctx, time.Hour)
	if err != nil {
		return err
	}
	for value, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=0-0": "0"} {
		piece := r
		piece.Header = maps.Clone(r.Header)
		if piece.Header == nil {
			piece.Header = map[string]string{}
		}
		piece.Header["Range"] = value
		if _, err := s.fetches(ctx, piece, http.StatusPartialContent, want); err != nil {
			return fmt.Errorf("%s: %w", value, err)
		}
	}
	return nil
}

func downloadMethod(ctx context.Context, s *scratch) error {
	key, r, err := s.signed(ctx, time.Hour)
	if err != nil {
		return err
	}
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
		other := r
		other.Method = method
		if err := s.refused(ctx, "use a signed download with "+method, other, []byte("other")); err != nil {
			return err
		}
		if err := s.holds(ctx, key, []byte(downloadBody)); err != nil {
			return err
		}
	}
	_, err = s.fetches(ctx, r, http.StatusOK, downloadBody)
	return err
}

func downloadTampered(ctx context.Context, s *scratch) error {
	_, r, err := s.signed(ctx, time.Hour)
	if err != nil {
		return err
	}
	for _, other := range tampered(r) {
		if err := s.refused(ctx, "fetch a changed URL", other, nil); err != nil {
			return err
		}
	}
	_, err = s.fetches(ctx, r, http.StatusOK, downloadBody)
	return err
}

func downloadExpired(ctx context.Context, s *scratch) error {
	_, r, err := s.signed(ctx, brief)
	if err != nil {
		return err
	}
	if _, err := s.fetches(ctx, r, http.StatusOK, downloadBody); err != nil {
		return fmt.Errorf("before it expires: %w", err)
	}
	if err := s.advance(ctx, past); err != nil {
		return err
	}
	return s.refused(ctx, "fetch after it expired", r, nil)
}
