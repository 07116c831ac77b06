package mem

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

type upload struct {
	key     string
	started time.Time
	parts   map[int][]byte
}

// UploadLimits implements holdfast.Uploader.
func (v *Vault) UploadLimits() holdfast.UploadLimits { return v.Limits }

// StartUpload implements holdfast.Uploader.
func (v *Vault) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	if err := v.enter(ctx, "StartUpload", key); err != nil {
		return holdfast.Upload{}, err
	}
	if err := checkKey(key); err != nil {
		return holdfast.Upload{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	id := rand.Text()
	v.uploads[id] = &upload{key: key, started: v.now().UTC(), parts: map[int][]byte{}}
	return holdfast.Upload{Key: key, ID: id}, nil
}

// SignPart implements holdfast.Uploader.
func (v *Vault) SignPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	if err := v.enter(ctx, "SignPart", u.Key); err != nil {
		return holdfast.Request{}, err
	}
	if err := v.checkPart(p); err != nil {
		return holdfast.Request{}, fmt.Errorf("sign part %d of %q: %w", p.Number, u.Key, err)
	}
	v.mu.Lock()
	_, err := v.find(u)
	v.mu.Unlock()
	if err != nil {
		return holdfast.Request{}, fmt.Errorf("sign part %d of %q: %w", p.Number, u.Key, err)
	}
	return v.sign(claims{Kind: kindPart, Key: u.Key, Upload: u.ID, Number: p.Number, Size: p.Size, Sum: p.Sum}, ttl), nil
}

// SendPart implements holdfast.Receiver.
func (v *Vault) SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if err := v.enter(ctx, "SendPart", u.Key); err != nil {
		return err
	}
	if err := v.sendPart(u, p, body); err != nil {
		return fmt.Errorf("send part %d of %q: %w", p.Number, u.Key, err)
	}
	return nil
}

func (v *Vault) sendPart(u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if err := v.checkPart(p); err != nil {
		return err
	}
	stored, err := io.ReadAll(io.LimitReader(body, p.Size+1))
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if int64(len(stored)) != p.Size || v.sum(stored) != p.Sum {
		return fmt.Errorf("body: %w", holdfast.ErrCorrupt)
	}
	return v.store(claims{Key: u.Key, Upload: u.ID, Number: p.Number}, stored)
}

func (v *Vault) checkPart(p holdfast.Part) error {
	if p.Number < 1 || p.Number > v.Limits.MaxParts || p.Size < 1 {
		return fmt.Errorf("no such part of %d bytes", p.Size)
	}
	return nil
}

// CompleteUpload implements holdfast.Uploader.
func (v *Vault) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	if err := v.enter(ctx, "CompleteUpload", u.Key); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	body, err := v.assemble(u, parts, size)
	if err != nil {
		return fmt.Errorf("complete upload of %q: %w", u.Key, err)
	}
	v.objects[u.Key] = object{body: body, modTime: v.now().UTC()}
	delete(v.uploads, u.ID)
	return nil
}

// assemble returns the bytes of an upload if its parts are the given ones.
func (v *Vault) assemble(u holdfast.Upload, parts []holdfast.Part, size int64) ([]byte, error) {
	if _, taken := v.objects[u.Key]; taken {
		return nil, holdfast.ErrExist
	}
	up, err := v.find(u)
	if err != nil {
		return nil, err
	}
	var body []byte
	for i, p := range parts {
		stored, ok := up.parts[i+1]
		if !ok || p.Number != i+1 || int64(len(stored)) != p.Size || v.sum(stored) != p.Sum {
			return nil, fmt.Errorf("part %d: %w", i+1, holdfast.ErrCorrupt)
		}
		body = append(body, stored...)
	}
	if int64(len(body)) != size || size == 0 {
		return nil, fmt.Errorf("%d bytes in all, not %d: %w", len(body), size, holdfast.ErrCorrupt)
	}
	return body, nil
}

// AbortUpload implements holdfast.Uploader.
func (v *Vault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	if err := v.enter(ctx, "AbortUpload", u.Key); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := v.find(u); err == nil {
		delete(v.uploads, u.ID)
	}
	return nil
}

// ListUploads implements holdfast.UploadLister.
func (v *Vault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		if err := v.enter(ctx, "ListUploads", prefix); err != nil {
			yield(holdfast.Upload{}, err)
			return
		}
		for _, u := range v.unfinished(prefix) {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (v *Vault) unfinished(prefix string) []holdfast.Upload {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []holdfast.Upload
	for id, up := range v.uploads {
		if !strings.HasPrefix(up.key, prefix) {
			continue
		}
		u := holdfast.Upload{Key: up.key, ID: id, Started: up.started}
		for _, part := range up.parts {
			u.Size += int64(len(part))
		}
		all = append(all, u)
	}
	return all
}

// find returns the upload, which must be of the key it is said to be of.
func (v *Vault) find(u holdfast.Upload) (*upload, error) {
	up, ok := v.uploads[u.ID]
	if !ok || up.key != u.Key {
		return nil, holdfast.ErrNotExist
	}
	return up, nil
}

// store keeps a part that has come.
func (v *Vault) store(c claims, body []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	up, err := v.find(holdfast.Upload{Key: c.Key, ID: c.Upload})
	if err != nil {
		return err
	}
	up.parts[c.Number] = bytes.Clone(body)
	return nil
}

// sum returns the checksum of a part by the algorithm of the vault's limits.
func (v *Vault) sum(body []byte) string {
	if v.Limits.Checksum == holdfast.ChecksumMD5 {
		sum := md5.Sum(body)
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
