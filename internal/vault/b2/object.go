package b2

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/Backblaze/blazer/base"

	"github.com/holdfast-backup/holdfast"
)

// Put implements holdfast.Putter: a listing before and one after.
func (v *Vault) Put(ctx context.Context, key string, body []byte) error {
	if err := v.checkKey(key); err != nil {
		return err
	}
	return doing(ctx, "put", key, v.put(ctx, key, body))
}

func (v *Vault) put(ctx context.Context, key string, body []byte) error {
	of, _, err := v.versionsOf(ctx, key)
	if err != nil {
		return err
	}
	if there, ok := present(of); ok {
		return v.same(ctx, there, body)
	}
	id, err := v.store(ctx, key, body, nil)
	if err != nil {
		return err
	}
	if of, _, err = v.versionsOf(ctx, key); err != nil {
		return err
	}
	switch there, ok := present(of); {
	case !ok:
		return errors.New("it vanished as it was stored")
	case there.id == id:
		return nil
	default: // another writer's, or an attempt before whose answer was lost
		v.takeBack(ctx, key, id)
		return v.same(ctx, there, body)
	}
}

// same returns nil if the version has exactly this body, else holdfast.ErrExist.
// Only where B2 lists no checksum is it read, which the key need not be allowed to.
func (v *Vault) same(ctx context.Context, there version, body []byte) error {
	if there.size != int64(len(body)) {
		return holdfast.ErrExist
	}
	sha, md := sha1.Sum(body), md5.Sum(body)
	switch {
	case there.sha1 != "" && there.sha1 != hex.EncodeToString(sha[:]), there.md5 != "" && there.md5 != hex.EncodeToString(md[:]):
		return holdfast.ErrExist
	case there.sha1 != "" || there.md5 != "":
		return nil
	}
	present, err := v.read(ctx, there, true)
	switch {
	case refused(err), err == nil && !bytes.Equal(present, body):
		return holdfast.ErrExist
	}
	return err
}

// store stores a small file and returns the id of its version.
func (v *Vault) store(ctx context.Context, key string, body []byte, info map[string]string) (id string, err error) {
	digest := sha1.Sum(body)
	limit := v.callTime + time.Duration(len(body)/slowest)*time.Second
	err = v.doFor(ctx, call{"b2_upload_file", "writeFiles"}, limit, func(ctx context.Context, s *session) error {
		url, err := s.bucket.GetUploadURL(ctx) // a new one for each attempt
		if err != nil {
			return err
		}
		f, err := url.UploadFile(ctx, bytes.NewReader(body), len(body), v.prefix+key, kindOf(key), hex.EncodeToString(digest[:]), info)
		if err == nil {
			id = f.ID
		}
		return err
	})
	return id, err
}

// slowest is how fast a line is taken to be at least, in bytes a second.
const slowest = 128 << 10

// kindOf returns the content type under which a file is stored: a page is to be
// shown by a browser, everything else saved.
func kindOf(key string) string {
	switch path.Ext(key) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	}
	return "application/octet-stream"
}

// takeBack removes a version that this vault has stored and that does not count.
// Where the key may not, it stays until the name is deleted.
func (v *Vault) takeBack(ctx context.Context, key, id string) {
	_ = v.deleteVersion(ctx, version{key: key, id: id})
}

// Open implements holdfast.Reader.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	body, err := v.open(ctx, key, offset, n)
	if err != nil {
		return nil, doing(ctx, "open", key, err)
	}
	return body, nil
}

func (v *Vault) open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	if v.checkKey(key) != nil {
		return nil, holdfast.ErrNotExist
	}
	of, _, err := v.versionsOf(ctx, key)
	if err != nil {
		return nil, err
	}
	there, ok := present(of)
	if !ok {
		return nil, holdfast.ErrNotExist
	}
	return v.openVersion(ctx, there, newest(of, there), offset, n)
}

// newest reports whether the version is the one that a download by name yields.
func newest(of []version, one version) bool {
	for _, other := range of {
		if other.action != actionStart {
			return other.id == one.id
		}
	}
	return false
}

// openVersion opens n bytes of a version from offset on, or all to its end if n is
// negative: by its name if it is the newest, which is B2's own way, else by its id.
func (v *Vault) openVersion(ctx context.Context, one version, byName bool, offset, n int64) (io.ReadCloser, error) {
	if n < 0 || n > one.size-offset {
		n = one.size - offset
	}
	if n <= 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	body := &stream{cancel: cancel, limit: v.callTime}
	body.arm()
	var got *base.FileReader
	var err error
	if byName {
		err = v.doFor(ctx, call{"b2_download_file_by_name", "readFiles"}, 0, func(ctx context.Context, s *session) (err error) {
			body.arm()
			got, err = s.bucket.DownloadFileByName(ctx, v.prefix+one.key, offset, n, false)
			return err
		})
	}
	switch {
	case err != nil && !isStatus(err, 404):
	case got != nil && got.ID == one.id:
		if int64(got.ContentLength) != n {
			err = fmt.Errorf("%w: %d bytes were sent, not %d", holdfast.ErrCorrupt, got.ContentLength, n)
		}
		body.ReadCloser = got.ReadCloser
	default: // it is hidden or replaced, perhaps since it was listed
		if got != nil {
			got.Close()
		}
		var s *session
		if s, err = v.session(ctx); err == nil {
			body.arm()
			body.ReadCloser, err = s.s3.OpenVersion(ctx, one.key, one.id, offset, n)
		}
	}
	if err != nil {
		body.Close()
		return nil, body.late(err)
	}
	body.disarm()
	return body, nil
}

// read returns all bytes of a version.
func (v *Vault) read(ctx context.Context, one version, byName bool) ([]byte, error) {
	r, err := v.openVersion(ctx, one, byName, 0, -1)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r, one.size+1))
	return body, errors.Join(err, r.Close())
}
