package operator

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// View is what the broker shows an operator of one of its vaults: names, sizes and
// manifests of backups. The monitor can judge jobs by it from anywhere; it has no
// reports, no data and no memory.
type View struct {
	Client *client.Client
	Vault  string
	// Adopts reports whether backups of a job may be adopted ones, which nothing has
	// to prove; nil for none. The broker does not decide that.
	Adopts func(host, job string) bool
}

// List implements holdfast.Lister.
func (v View) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if !strings.HasPrefix(prefix, holdfast.BackupsPrefix) {
			return
		}
		answer, err := v.Client.List(ctx, "", "")
		if err != nil {
			yield(holdfast.Object{}, err)
			return
		}
		for _, u := range answer.Unavailable {
			if u.Vault == v.Vault {
				yield(holdfast.Object{}, errors.New(holdfast.Printable(u.Reason)))
				return
			}
		}
		var objects []holdfast.Object
		for _, b := range answer.Backups {
			if v.Adopts == nil || !v.Adopts(b.Host, b.Job) {
				b.Manifest.Adopted = nil
			}
			if b.Vault != v.Vault {
				continue
			}
			objects = append(objects, b.Data...)
			if b.Committed {
				objects = append(objects, b.Manifest)
			}
			if b.Held {
				objects = append(objects, holdfast.Object{Key: b.HoldKey()})
			}
		}
		slices.SortFunc(objects, func(a, b holdfast.Object) int { return cmp.Compare(a.Key, b.Key) })
		for _, o := range objects {
			if strings.HasPrefix(o.Key, prefix) && !yield(o, nil) {
				return
			}
		}
	}
}

// Open implements holdfast.Reader, for manifests alone.
func (v View) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	ref, file, ok := holdfast.ParseKey(key)
	if !ok || file != holdfast.ManifestFile {
		return nil, fmt.Errorf("open %q: only manifests are read through the broker", key)
	}
	doc, _, err := restore.Signed(copyIn{v.Client, v.Vault}, ref, nil).Manifest(ctx)
	if err != nil {
		return nil, err
	}
	end := int64(len(doc))
	offset = min(offset, end)
	if n >= 0 {
		end = min(end, offset+n)
	}
	return io.NopCloser(bytes.NewReader(doc[offset:end])), nil
}

// Load implements holdfast.Stater: there is nothing to remember.
func (v View) Load(context.Context, string) ([]byte, string, error) {
	return nil, "", holdfast.ErrNotExist
}

// Swap implements holdfast.Stater.
func (v View) Swap(context.Context, string, []byte, string) (string, error) {
	return "", errors.New("write state: not offered through the broker")
}
