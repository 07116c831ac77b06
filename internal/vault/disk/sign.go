package disk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Kinds of what is sealed.
const (
	kindPart     = "part"
	kindDownload = "download"
)

// partClaims is what the URL of a part carries. Vault is the base URL, so that
// the URL of one vault opens nothing in another one with the same secret.
type partClaims struct {
	Vault  string `json:"vault"`
	Upload string `json:"upload"`
	Number int    `json:"n"`
	Size   int64  `json:"size"` // bytes
	Sum    string `json:"sum"`
}

// downloadClaims is what the URL of a download carries.
type downloadClaims struct {
	Vault string `json:"vault"`
	Key   string `json:"key"`
	File  string `json:"file"`
}

var errNoSealer = errors.New("this vault was opened without a secret to sign with")

var sumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// SignPart implements holdfast.Uploader.
func (v *Vault) SignPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	req, err := v.signPart(ctx, u, p, ttl)
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign part %d of %q: %w", p.Number, u.Key, cause(err))
	}
	return req, nil
}

func (v *Vault) signPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	if err := checkPart(p); err != nil {
		return holdfast.Request{}, err
	}
	if _, err := v.readUpload(u.ID, u.Key); err != nil {
		return holdfast.Request{}, err
	}
	return v.sign(ctx, http.MethodPut, "p", kindPart, partClaims{v.base.String(), u.ID, p.Number, p.Size, p.Sum}, ttl)
}

// SignDownload implements holdfast.DownloadSigner.
func (v *Vault) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	if err := checkKey(key); err != nil {
		return holdfast.Request{}, err
	}
	req, err := v.sign(ctx, http.MethodGet, "d", kindDownload, downloadClaims{v.base.String(), key, file}, ttl)
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign download of %q: %w", key, err)
	}
	return req, nil
}

func (v *Vault) sign(ctx context.Context, method, dir, kind string, claims any, ttl time.Duration) (holdfast.Request, error) {
	if err := ctx.Err(); err != nil {
		return holdfast.Request{}, err
	}
	if v.sealer == nil {
		return holdfast.Request{}, errNoSealer
	}
	// Whole seconds, which is what sealed tokens count in.
	expires := v.now().Add(ttl).UTC().Truncate(time.Second)
	sealed, err := v.sealer.Seal(kind, claims, expires)
	if err != nil {
		return holdfast.Request{}, err
	}
	u := v.base.String() + "/" + dir + "/" + url.PathEscape(sealed)
	return holdfast.Request{Method: method, URL: u, Expires: expires}, nil
}
