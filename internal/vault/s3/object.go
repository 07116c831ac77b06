package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
)

// Open implements holdfast.Reader.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	body, err := v.open(ctx, key, nil, offset, n)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", key, cause(ctx, err))
	}
	return body, nil
}

// open opens a version of the object, nil for the newest.
func (v *Vault) open(ctx context.Context, key string, version *string, offset, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if v.checkKey(key) != nil {
		return nil, holdfast.ErrNotExist
	}
	in := &s3.GetObjectInput{Bucket: v.bucket, Key: v.name(key), VersionId: version}
	switch {
	case n == 0:
		in.Range = aws.String("bytes=0-0") // no range is empty; this one tells whether it is there
	case n > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
	case offset > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	out, err := v.client.GetObject(ctx, in)
	switch {
	case absent(err):
		return nil, holdfast.ErrNotExist
	case status(err) == http.StatusRequestedRangeNotSatisfiable:
		return io.NopCloser(strings.NewReader("")), nil // all of it lies before offset
	case err != nil:
		return nil, err
	case n == 0:
		return io.NopCloser(strings.NewReader("")), out.Body.Close()
	}
	return out.Body, nil
}

// Put implements holdfast.Putter: one conditional request, and a listing only
// where the key is taken.
func (v *Vault) Put(ctx context.Context, key string, body []byte) error {
	if err := v.checkKey(key); err != nil {
		return err
	}
	if err := v.put(ctx, key, body); err != nil {
		return fmt.Errorf("put %q: %w", key, cause(ctx, err))
	}
	return nil
}

func (v *Vault) put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in := v.document(key, body)
	if v.locks(key) {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = v.lock.mode(), aws.Time(v.lock.until(v.now()))
	}
	if v.store.ConditionalWrites {
		in.IfNoneMatch = aws.String("*")
	} else if there, err := v.find(ctx, key); err != nil || there != nil {
		return v.same(ctx, key, body, there, err)
	}
	_, err := v.client.PutObject(ctx, in)
	if !taken(err) {
		return err
	}
	there, listErr := v.find(ctx, key)
	if listErr == nil && there == nil {
		return err // it was there a moment ago; trying again is the caller's to decide
	}
	return v.same(ctx, key, body, there, listErr)
}

// document returns a request that stores body, checked on the way.
func (v *Vault) document(key string, body []byte) *s3.PutObjectInput {
	in := &s3.PutObjectInput{Bucket: v.bucket, Key: v.name(key), Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body)))}
	if v.store.Checksum == holdfast.ChecksumMD5 {
		sum := md5.Sum(body)
		in.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	} else {
		sum := sha256.Sum256(body)
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	}
	if v.store.SSES3 {
		in.ServerSideEncryption = types.ServerSideEncryptionAes256
	}
	return in
}

// same returns nil if there, which a listing showed, has exactly this body, else
// holdfast.ErrExist. Only where its ETag is no MD5 of the body, and its size that
// of the body, is it read, which the caller need not be allowed to.
func (v *Vault) same(ctx context.Context, key string, body []byte, there *types.Object, err error) error {
	if err != nil {
		return err
	}
	if aws.ToInt64(there.Size) != int64(len(body)) {
		return holdfast.ErrExist
	}
	sum := md5.Sum(body)
	if strings.Trim(aws.ToString(there.ETag), `"`) == hex.EncodeToString(sum[:]) {
		return nil
	}
	present, err := v.read(ctx, key)
	switch {
	case denied(err), err == nil && !bytes.Equal(present, body):
		return holdfast.ErrExist
	case errors.Is(err, holdfast.ErrNotExist):
		return errors.New("it vanished while it was looked at")
	}
	return err
}

func (v *Vault) read(ctx context.Context, key string) ([]byte, error) {
	r, err := v.open(ctx, key, nil, 0, -1)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	return body, errors.Join(err, r.Close())
}
