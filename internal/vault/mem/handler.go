package mem

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Kinds of signed requests, which also are the last segment of their paths.
const (
	kindPart     = "part"
	kindDownload = "download"
)

// claims is what a signed URL carries.
type claims struct {
	Kind    string
	Key     string
	Upload  string
	Number  int
	Size    int64
	Sum     string
	File    string
	Expires time.Time
}

// SignDownload implements holdfast.DownloadSigner.
func (v *Vault) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	if err := v.enter(ctx, "SignDownload", key); err != nil {
		return holdfast.Request{}, err
	}
	return v.sign(claims{Kind: kindDownload, Key: key, File: file}, ttl), nil
}

func (v *Vault) sign(c claims, ttl time.Duration) holdfast.Request {
	c.Expires = v.now().Add(ttl).UTC()
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // no field of claims can fail
	}
	v.mu.Lock()
	base := v.base
	v.mu.Unlock()
	method := http.MethodGet
	if c.Kind == kindPart {
		method = http.MethodPut
	}
	query := url.Values{
		"claims": {base64.RawURLEncoding.EncodeToString(text)},
		"sig":    {base64.RawURLEncoding.EncodeToString(v.mac(text))},
	}
	return holdfast.Request{Method: method, URL: base + "/" + c.Kind + "?" + query.Encode(), Expires: c.Expires}
}

func (v *Vault) mac(text []byte) []byte {
	mac := hmac.New(sha256.New, v.secret)
	mac.Write(text)
	return mac.Sum(nil)
}

// verify returns the claims of a signed request of the given kind.
func (v *Vault) verify(r *http.Request, kind string) (claims, error) {
	var c claims
	text, err := base64.RawURLEncoding.Strict().DecodeString(r.URL.Query().Get("claims"))
	if err != nil {
		return c, fmt.Errorf("claims: %v", err)
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(r.URL.Query().Get("sig"))
	if err != nil || !hmac.Equal(sig, v.mac(text)) {
		return c, fmt.Errorf("signature is wrong")
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("claims: %v", err)
	}
	if c.Kind != kind || !v.now().Before(c.Expires) {
		return c, fmt.Errorf("signature is of another kind or has expired")
	}
	return c, nil
}

// Handler serves the signed requests. Serve it under the base URL's path.
func (v *Vault) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /"+kindPart, v.servePart)
	mux.HandleFunc("GET /"+kindDownload, v.serveDownload)
	return mux
}

func (v *Vault) servePart(w http.ResponseWriter, r *http.Request) {
	c, err := v.verify(r, kindPart)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if err := v.enter(r.Context(), kindPart, c.Key); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.Size))
	if err != nil || int64(len(body)) != c.Size || v.sum(body) != c.Sum {
		http.Error(w, "other bytes than were signed", http.StatusBadRequest)
		return
	}
	if err := v.store(c, body); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
}

func (v *Vault) serveDownload(w http.ResponseWriter, r *http.Request) {
	c, err := v.verify(r, kindDownload)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if err := v.enter(r.Context(), kindDownload, c.Key); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	v.mu.Lock()
	o, ok := v.objects[c.Key]
	v.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": c.File}))
	http.ServeContent(w, r, "", o.modTime, bytes.NewReader(o.body))
}
