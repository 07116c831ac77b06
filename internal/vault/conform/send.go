package conform

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// answer is what a store said to a signed request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// send sends a signed request.
func (s *scratch) send(ctx context.Context, r holdfast.Request, body []byte) (answer, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, reader)
	if err != nil {
		return answer{}, err
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, got}, err
}

// refused returns an error if the store accepts the request. A connection that
// the store closes while it still receives is a refusal too.
func (s *scratch) refused(ctx context.Context, doing string, r holdfast.Request, body []byte) error {
	got, err := s.send(ctx, r, body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && got.ok() {
		return fmt.Errorf("%s: got status %d, want a refusal", doing, got.status)
	}
	return nil
}

// part describes body as part n.
func (s *scratch) part(n int, body []byte) holdfast.Part {
	p := holdfast.Part{Number: n, Size: int64(len(body))}
	if s.Vault.UploadLimits().Checksum == holdfast.ChecksumMD5 {
		sum := md5.Sum(body)
		p.Sum = hex.EncodeToString(sum[:])
		return p
	}
	sum := sha256.Sum256(body)
	p.Sum = hex.EncodeToString(sum[:])
	return p
}

// sign signs body as part n of the upload.
func (s *scratch) sign(ctx context.Context, u holdfast.Upload, n int, body []byte) (holdfast.Request, error) {
	return s.signPart(ctx, u, s.part(n, body), time.Hour)
}

// signPart is the vault's SignPart; ErrNotRunnable where there is nothing to sign
// and the vault receives parts instead.
func (s *scratch) signPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	r, err := s.Vault.SignPart(ctx, u, p, ttl)
	return r, s.unsigned(err)
}

// signDownload is signPart for SignDownload.
func (s *scratch) signDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	r, err := s.Vault.SignDownload(ctx, key, file, ttl)
	return r, s.unsigned(err)
}

func (s *scratch) unsigned(err error) error {
	if _, receives := s.Vault.(holdfast.Receiver); receives && errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("needs a vault that signs: %w", ErrNotRunnable)
	}
	return err
}

// sendPart signs body as part n and sends it, or hands it to the vault where that
// signs nothing.
func (s *scratch) sendPart(ctx context.Context, u holdfast.Upload, n int, body []byte) (holdfast.Part, error) {
	r, err := s.sign(ctx, u, n, body)
	if errors.Is(err, ErrNotRunnable) {
		return s.receive(ctx, u, n, body)
	}
	if err != nil {
		return holdfast.Part{}, err
	}
	return s.sendSigned(ctx, r, n, body)
}

// receiver returns the vault as one that receives parts.
func (s *scratch) receiver() (holdfast.Receiver, error) {
	receiver, ok := s.Vault.(holdfast.Receiver)
	if !ok {
		return nil, fmt.Errorf("needs a vault that receives parts by itself: %w", ErrNotRunnable)
	}
	return receiver, nil
}

// receive hands body to the vault as part n.
func (s *scratch) receive(ctx context.Context, u holdfast.Upload, n int, body []byte) (holdfast.Part, error) {
	receiver, err := s.receiver()
	if err != nil {
		return holdfast.Part{}, err
	}
	p := s.part(n, body)
	return p, receiver.SendPart(ctx, u, p, bytes.NewReader(body))
}

// sendSigned sends part n, which the store has to accept.
func (s *scratch) sendSigned(ctx context.Context, r holdfast.Request, n int, body []byte) (holdfast.Part, error) {
	got, err := s.send(ctx, r, body)
	if err != nil {
		return holdfast.Part{}, fmt.Errorf("send part %d: %w", n, err)
	}
	if !got.ok() {
		return holdfast.Part{}, fmt.Errorf("send part %d: status %d: %s", n, got.status, show(got.body))
	}
	p := s.part(n, body)
	p.ETag = got.header.Get("ETag")
	return p, nil
}

// begin starts an upload and sends body as its only part.
func (s *scratch) begin(ctx context.Context, key string, body []byte) (holdfast.Upload, []holdfast.Part, error) {
	u, err := s.Vault.StartUpload(ctx, key)
	if err != nil {
		return holdfast.Upload{}, nil, err
	}
	p, err := s.sendPart(ctx, u, 1, body)
	return u, []holdfast.Part{p}, err
}

// upload uploads body in one part.
func (s *scratch) upload(ctx context.Context, key string, body []byte) (holdfast.Upload, error) {
	u, parts, err := s.begin(ctx, key, body)
	if err != nil {
		return u, err
	}
	return u, s.Vault.CompleteUpload(ctx, u, parts, int64(len(body)))
}

// tampered returns the request with its URL changed, in every place that may
// matter, one at a time.
func tampered(r holdfast.Request) (all []holdfast.Request) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil
	}
	with := func(change func(u *url.URL)) {
		other := *u
		change(&other)
		next := r
		next.URL = other.String()
		all = append(all, next)
	}
	with(func(u *url.URL) {
		dir := strings.LastIndexByte(u.Path, '/') + 1
		u.Path, u.RawPath = u.Path[:dir]+flip(u.Path[dir:]), ""
	})
	for name := range u.Query() {
		with(func(u *url.URL) {
			q := u.Query()
			q.Set(name, flip(q.Get(name)))
			u.RawQuery = q.Encode()
		})
		with(func(u *url.URL) {
			q := u.Query()
			q.Del(name)
			u.RawQuery = q.Encode()
		})
	}
	return all
}

// flip changes a letter or digit in the middle of s: at the end of base64 a
// change may mean nothing.
func flip(s string) string {
	if s == "" {
		return "1"
	}
	b := []byte(s)
	if i := len(b) / 2; b[i] == '1' {
		b[i] = '2'
	} else {
		b[i] = '1'
	}
	return string(b)
}
