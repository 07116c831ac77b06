package b2

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/Backblaze/blazer/base"

	"github.com/holdfast-backup/holdfast"
)

// pageSize is how many versions a request lists. B2 charges for every 1,000.
const pageSize = 1000

// Actions of a version.
const (
	actionUpload = "upload"
	actionHide   = "hide"
	actionStart  = "start" // a large file that is not finished
)

// version is a version of a name, a hide marker, or an unfinished large file.
type version struct {
	key, id, action string
	size            int64  // bytes
	sha1, md5       string // in hex, empty where B2 does not know it
	time            time.Time
	info            map[string]string
}

// List implements holdfast.Lister: a request for every 1,000 versions.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		for of, err := range v.names(ctx, prefix) {
			if err != nil {
				yield(holdfast.Object{}, doing(ctx, "list", prefix, err))
				return
			}
			if one, ok := present(of); ok && !yield(holdfast.Object{Key: one.key, Size: one.size, ModTime: one.time}, nil) {
				return
			}
		}
	}
}

// ListUploads implements holdfast.UploadLister. It shows unfinished large files
// whichever API they were begun with. How much was received is not known.
func (v *Vault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		for one, err := range v.versions(ctx, prefix) {
			if err != nil {
				yield(holdfast.Upload{}, doing(ctx, "list uploads of", prefix, err))
				return
			}
			if one.action == actionStart && !yield(holdfast.Upload{Key: one.key, ID: one.id, Started: one.time}, nil) {
				return
			}
		}
	}
}

// present returns the version that is the object, of all of one key's, the newest
// first.
func present(of []version) (version, bool) {
	if len(of) > 0 && strings.HasPrefix(of[0].key, holdfast.StatePrefix) {
		return tip(of)
	}
	for i := len(of) - 1; i >= 0; i-- {
		if of[i].action == actionUpload {
			return of[i], true
		}
	}
	return version{}, false
}

// names yields all versions of each key with the prefix, the newest first.
func (v *Vault) names(ctx context.Context, prefix string) iter.Seq2[[]version, error] {
	return func(yield func([]version, error) bool) {
		var of []version
		for one, err := range v.versions(ctx, prefix) {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(of) > 0 && of[0].key != one.key {
				if !yield(of, nil) {
					return
				}
				of = nil
			}
			of = append(of, one)
		}
		if len(of) > 0 {
			yield(of, nil)
		}
	}
}

// versions yields all versions with the prefix, in order of their keys, the newest
// of each first.
func (v *Vault) versions(ctx context.Context, prefix string) iter.Seq2[version, error] {
	return func(yield func(version, error) bool) {
		at := marker{}
		for more := true; more; more = at.name != "" {
			page, next, err := v.page(ctx, prefix, at)
			if err != nil {
				yield(version{}, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			at = next
		}
	}
}

// marker is where a page of a listing begins; the zero one, at the beginning.
type marker struct{ name, id string }

// page returns one page of a listing and where the next begins.
func (v *Vault) page(ctx context.Context, prefix string, at marker) (page []version, next marker, err error) {
	var files []*base.File
	err = v.do(ctx, call{"b2_list_file_versions", "listFiles"}, func(ctx context.Context, s *session) (err error) {
		files, next.name, next.id, err = s.bucket.ListFileVersions(ctx, pageSize, at.name, at.id, v.prefix+prefix, "")
		return err
	})
	if err == nil && next.name != "" && (next.name < at.name || next == at) {
		err = errors.New("the store does not say where the next page begins") // it would be the same for ever
	}
	for _, f := range files {
		if key, ok := strings.CutPrefix(f.Name, v.prefix); ok {
			page = append(page, version{
				key: key, id: f.ID, action: f.Status, size: f.Size, sha1: sum(f.Info.SHA1), md5: sum(f.Info.MD5),
				time: f.Timestamp.UTC(), info: f.Info.Info,
			})
		}
	}
	return page, next, err
}

// sum returns a checksum as B2 lists it, "" where it says that there is none.
func sum(text string) string {
	if text == "none" {
		return ""
	}
	return strings.TrimPrefix(text, "unverified:")
}

// versionsOf returns all versions of exactly this key, and whether it is the
// beginning of another one.
func (v *Vault) versionsOf(ctx context.Context, key string) (of []version, begins bool, err error) {
	for one, err := range v.versions(ctx, key) {
		if err != nil {
			return nil, false, err
		}
		if one.key != key { // of all keys that begin with it, it comes first itself
			return of, true, nil
		}
		of = append(of, one)
	}
	return of, false, nil
}

// ofEach returns the versions of exactly these keys, which are sorted and each there
// once. It goes over the pages between the first and the last, and skips from one key
// to the next where more than a page lies between them.
func (v *Vault) ofEach(ctx context.Context, keys []string) (map[string][]version, error) {
	found := make(map[string][]version, len(keys))
	for _, key := range keys {
		found[key] = nil
	}
	prefix := commonPrefix(keys[0], keys[len(keys)-1])
	for at := (marker{name: v.prefix + keys[0]}); ; {
		page, next, err := v.page(ctx, prefix, at)
		if err != nil {
			return nil, err
		}
		for _, one := range page {
			if of, wanted := found[one.key]; wanted {
				found[one.key] = append(of, one)
			}
		}
		for len(keys) > 0 && v.prefix+keys[0] < next.name {
			keys = keys[1:]
		}
		if next.name == "" || len(keys) == 0 {
			return found, nil
		}
		if at = next; v.prefix+keys[0] > at.name {
			at = marker{name: v.prefix + keys[0]}
		}
	}
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return strings.ToValidUTF8(a[:n], "")
}
