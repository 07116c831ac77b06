package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
)

// SignPart implements holdfast.Uploader. It sends no request, so it can't tell
// whether there is such an upload. The signature covers Content-Length and the
// checksum as headers, which have to be sent as they were signed; a store that
// follows AWS refuses any further header that begins with x-amz-.
func (v *Vault) SignPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	r, err := v.signPart(ctx, u, p, ttl)
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign part %d of %q: %w", p.Number, u.Key, cause(ctx, err))
	}
	return r, nil
}

func (v *Vault) signPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	if v.noUpload(u) || v.checkKey(u.Key) != nil {
		return holdfast.Request{}, holdfast.ErrNotExist
	}
	sum, err := v.checkPart(p)
	if err != nil {
		return holdfast.Request{}, err
	}
	in := &s3.UploadPartInput{
		Bucket: v.bucket, Key: v.name(u.Key), UploadId: &u.ID, PartNumber: aws.Int32(int32(p.Number)), ContentLength: &p.Size,
	}
	if v.store.Checksum == holdfast.ChecksumMD5 {
		in.ContentMD5 = &sum
	} else {
		in.ChecksumSHA256 = &sum
	}
	return v.sign(ctx, ttl, p.Size, func(how func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error) {
		return v.presign.PresignUploadPart(ctx, in, how)
	})
}

// checkPart returns the part's checksum in base64, as headers have it, or an
// error unless the part is one that the store takes.
func (v *Vault) checkPart(p holdfast.Part) (string, error) {
	if p.Number < 1 || p.Number > v.store.MaxParts {
		return "", fmt.Errorf("parts are numbered from 1 to %d", v.store.MaxParts)
	}
	most := holdfast.PartSize(p.Number, v.store.MaxParts)
	if p.Size < 1 || p.Size > most {
		return "", fmt.Errorf("%d bytes, want 1 to %d", p.Size, most)
	}
	if v.store.EqualParts && most != holdfast.PartSize(1, v.store.MaxParts) {
		return "", fmt.Errorf("%w: this store wants parts of one size, and takes no upload as large as this", holdfast.ErrFull)
	}
	length := map[string]int{holdfast.ChecksumSHA256: 32, holdfast.ChecksumMD5: 16}[v.store.Checksum]
	sum, err := hex.DecodeString(p.Sum)
	if err != nil || len(sum) != length || p.Sum != strings.ToLower(p.Sum) {
		return "", fmt.Errorf("checksum %q: want %s in lower-case hex", p.Sum, v.store.Checksum)
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// SignDownload implements holdfast.DownloadSigner.
func (v *Vault) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	return v.signDownload(ctx, key, nil, file, ttl)
}

// signDownload signs the download of a version, nil for the newest.
func (v *Vault) signDownload(ctx context.Context, key string, version *string, file string, ttl time.Duration) (holdfast.Request, error) {
	if err := v.checkKey(key); err != nil {
		return holdfast.Request{}, err
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": file})
	in := &s3.GetObjectInput{Bucket: v.bucket, Key: v.name(key), VersionId: version, ResponseContentDisposition: &disposition}
	r, err := v.sign(ctx, ttl, 0, func(how func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error) {
		return v.presign.PresignGetObject(ctx, in, how)
	})
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign download of %q: %w", key, cause(ctx, err))
	}
	return r, nil
}

// SignPage implements holdfast.PageSigner.
func (v *Vault) SignPage(ctx context.Context, key string, ttl time.Duration) (holdfast.Request, error) {
	if err := v.checkKey(key); err != nil {
		return holdfast.Request{}, err
	}
	in := &s3.GetObjectInput{
		Bucket: v.bucket, Key: v.name(key),
		ResponseContentType: aws.String("text/html; charset=utf-8"), ResponseContentDisposition: aws.String("inline"),
		ResponseCacheControl: aws.String("no-store"),
	}
	r, err := v.sign(ctx, ttl, 0, func(how func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error) {
		return v.presign.PresignGetObject(ctx, in, how)
	})
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign page %q: %w", key, cause(ctx, err))
	}
	return r, nil
}

// maxTTL is the longest that a signature can be good for.
const maxTTL = 7 * 24 * time.Hour

// newPresigner returns what signs. It is made once: making one changes the client,
// which is no longer alone then.
func newPresigner(client *s3.Client) *s3.PresignClient {
	return s3.NewPresignClient(client, s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		// Or a download would demand a header of whoever opens its URL.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}))
}

// sign signs what presign makes, whose body has length bytes.
func (v *Vault) sign(ctx context.Context, ttl time.Duration, length int64, presign func(how func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error)) (holdfast.Request, error) {
	if err := ctx.Err(); err != nil {
		return holdfast.Request{}, err
	}
	ttl = ttl.Truncate(time.Second)
	if ttl < time.Second || ttl > maxTTL {
		return holdfast.Request{}, fmt.Errorf("good for %s, want 1s to %s", ttl, maxTTL)
	}
	s := &signer{now: v.now().UTC().Truncate(time.Second), length: length, ttl: ttl}
	signed, err := presign(func(o *s3.PresignOptions) { o.Expires, o.Presigner = ttl, s })
	if err != nil {
		return holdfast.Request{}, err
	}
	r := holdfast.Request{Method: signed.Method, URL: signed.URL, Expires: s.expires}
	for name, values := range signed.SignedHeader {
		if name == "Host" || name == "Content-Length" {
			continue // the URL and the body say so by themselves
		}
		if r.Header == nil {
			r.Header = map[string]string{}
		}
		r.Header[name] = strings.Join(values, ",")
	}
	return r, nil
}

// signer signs one request by the vault's clock, with every header as a header:
// what is hoisted into the query is not checked by all stores.
type signer struct {
	now     time.Time
	length  int64 // bytes of the body, 0 if there is none
	ttl     time.Duration
	expires time.Time // when what was signed ends
}

// PresignHTTP implements s3.HTTPPresignerV4.
func (s *signer) PresignHTTP(
	ctx context.Context, credentials aws.Credentials, r *http.Request,
	payloadHash, service, region string, _ time.Time, options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	s.expires = s.now.Add(s.ttl)
	if credentials.CanExpire && credentials.Expires.Before(s.expires) {
		s.expires = credentials.Expires.UTC().Truncate(time.Second) // and nothing they signed outlives them
	}
	if r.ContentLength = s.length; s.length == 0 && len(r.Header.Values("Content-Length")) > 0 {
		return "", nil, errors.New("a length would go unsigned")
	}
	return v4.NewSigner().PresignHTTP(ctx, credentials, r, payloadHash, service, region, s.now, append(options, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping, o.DisableHeaderHoisting = true, true
	})...)
}
