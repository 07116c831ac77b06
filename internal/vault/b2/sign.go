package b2

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// maxTTL is the longest that a download authorization can be good for.
const maxTTL = 7 * 24 * time.Hour

// SignDownload implements holdfast.DownloadSigner. It gives out a download
// authorization of B2's, which is good for all names that begin with the key, and for
// the newest version of each. Where that would open more than the object, or another
// version than the one that counts, it signs the download of that version over S3.
func (v *Vault) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	if err := v.checkKey(key); err != nil {
		return holdfast.Request{}, err
	}
	r, err := v.signDownload(ctx, key, file, ttl)
	return r, doing(ctx, "sign download of", key, err)
}

func (v *Vault) signDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	ttl = ttl.Truncate(time.Second)
	if ttl < time.Second || ttl > maxTTL {
		return holdfast.Request{}, fmt.Errorf("good for %s, want 1s to %s", ttl, maxTTL)
	}
	of, begins, err := v.versionsOf(ctx, key)
	if err != nil {
		return holdfast.Request{}, err
	}
	one, ok := present(of)
	if !ok {
		return holdfast.Request{}, holdfast.ErrNotExist
	}
	if begins || !newest(of, one) {
		s, err := v.session(ctx)
		if err != nil {
			return holdfast.Request{}, err
		}
		return s.s3.SignVersion(ctx, key, one.id, file, ttl)
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": file})
	expires := v.now().Add(ttl).UTC().Truncate(time.Second)
	var token, address string
	err = v.do(ctx, call{"b2_get_download_authorization", "shareFiles"}, func(ctx context.Context, s *session) (err error) {
		address = s.bucket.BaseURL()
		token, err = s.bucket.GetDownloadAuthorization(ctx, v.prefix+key, ttl, disposition)
		return err
	})
	if err != nil {
		return holdfast.Request{}, err
	}
	// In the URL, and not in a header, so that it can be opened from anywhere.
	query := url.Values{"Authorization": {token}}
	if disposition != "" {
		query.Set("b2ContentDisposition", disposition)
	}
	return holdfast.Request{
		Method: http.MethodGet, Expires: expires,
		URL: address + "/file/" + url.PathEscape(v.options.Bucket) + "/" + escape(v.prefix+key) + "?" + query.Encode(),
	}, nil
}

// escape writes a name for a URL, in which B2 takes + for a space.
func escape(name string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(name))
}

// SignPage implements holdfast.PageSigner: over S3, which lets the answer say that
// nobody should keep it. What it opens is the newest version.
func (v *Vault) SignPage(ctx context.Context, key string, ttl time.Duration) (r holdfast.Request, err error) {
	err = v.overS3(ctx, "sign page", key, func(ctx context.Context, store *s3.Vault) (err error) {
		r, err = store.SignPage(ctx, key, ttl)
		return err
	})
	return r, err
}

var _ holdfast.PageSigner = (*Vault)(nil)
