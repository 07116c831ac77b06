package adopt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

// group is one adopted backup.
type group struct {
	ref    holdfast.Ref
	files  []file // by name
	young  bool   // one of them may still be written to
	delete bool   // all of them may be deleted
}

// file is one file of it.
type file struct {
	name string          // as the vault shows it
	at   holdfast.Object // as it lies there
}

// objects returns what a listing shows of the group, in order.
func (g *group) objects() []holdfast.Object {
	all := make([]holdfast.Object, 0, len(g.files)+1)
	var newest time.Time
	for _, f := range g.files {
		all = append(all, holdfast.Object{Key: g.ref.Key(f.name), Size: f.at.Size, ModTime: f.at.ModTime,
			Adopted: &holdfast.Adopted{Key: f.at.Key, Delete: g.delete}})
		if f.at.ModTime.After(newest) {
			newest = f.at.ModTime
		}
	}
	if !g.young {
		all = append(all, holdfast.Object{Key: g.ref.ManifestKey(), ModTime: newest, Adopted: &holdfast.Adopted{Delete: g.delete}})
	}
	slices.SortFunc(all, byKey)
	return all
}

func byKey(a, b holdfast.Object) int { return cmp.Compare(a.Key, b.Key) }

// file returns the file of that name, nil if there is none.
func (g *group) file(name string) *file {
	for i := range g.files {
		if g.files[i].name == name {
			return &g.files[i]
		}
	}
	return nil
}

// find lists what is adopted for the jobs for which wanted returns true, and
// remembers it.
func (v *Vault) find(ctx context.Context, wanted func(holdfast.JobName) bool) (map[holdfast.JobName]map[holdfast.ID]*group, error) {
	found, count := map[holdfast.JobName]map[holdfast.ID]*group{}, map[holdfast.JobName]int{}
	var prefixes []string
	for _, e := range v.entries {
		if wanted(e.name) {
			found[e.name] = map[holdfast.ID]*group{}
			prefixes = append(prefixes, e.rule.Prefix())
		}
	}
	for _, prefix := range outermost(prefixes) {
		for o, err := range v.source.List(ctx, prefix) {
			if err != nil {
				return nil, fmt.Errorf("adopt: %w", err)
			}
			e, r, ok := v.match(o.Key)
			if !ok || found[e.name] == nil {
				continue
			}
			if count[e.name]++; count[e.name] > maxFiles {
				return nil, fmt.Errorf("adopt %s: pattern %q matches more than %d files, which is too many for the backups of a job", e.name, e.Pattern, maxFiles)
			}
			e.add(found[e.name], o, r, v.now())
		}
	}
	for _, groups := range found {
		for _, g := range groups {
			g.name()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, groups := range found {
		v.known[name] = groups
	}
	for ref := range v.granted { // those that are gone
		if groups, listed := found[holdfast.JobName{Host: ref.Host, Job: ref.Job}]; listed && groups[ref.ID] == nil {
			delete(v.granted, ref)
		}
	}
	return found, nil
}

// outermost returns the prefixes that lie in no other one, so that nothing is
// listed twice.
func outermost(prefixes []string) []string {
	slices.Sort(prefixes)
	var out []string
	for _, p := range prefixes {
		if n := len(out); n == 0 || !strings.HasPrefix(p, out[n-1]) {
			out = append(out, p)
		}
	}
	return out
}

// match returns the first entry that reads a time in the path, and what it reads.
func (v *Vault) match(key string) (e *entry, r pattern.Reading, ok bool) {
	if !Usable(key) || v.shared && IsOwn(key) {
		return nil, r, false
	}
	for i := range v.entries {
		if r, err := v.entries[i].rule.Match(key); err == nil {
			return &v.entries[i], r, true
		}
	}
	return nil, r, false
}

// add adds a file to its backup.
func (e *entry) add(groups map[holdfast.ID]*group, o holdfast.Object, r pattern.Reading, now time.Time) {
	sum := sha256.Sum256([]byte(path.Dir(o.Key)))
	id, err := holdfast.ParseID(r.Time(e.Zone).Format("20060102T150405Z") + "-" + hex.EncodeToString(sum[:4]))
	if err != nil {
		return // the year 10000
	}
	g := groups[id]
	if g == nil {
		g = &group{ref: holdfast.Ref{Host: e.Host, Job: e.Job, ID: id}, delete: true}
		groups[id] = g
	}
	g.files = append(g.files, file{name: fileName(r.Name()), at: o})
	g.delete = g.delete && e.Delete
	g.young = g.young || isYoung(o, now)
}

// isYoung reports whether a file may still be written to. One of a time to come
// may, for whatever reason.
func isYoung(o holdfast.Object, now time.Time) bool {
	return !o.ModTime.IsZero() && now.Sub(o.ModTime) < settled
}

// name gives each file of the group a name of its own.
func (g *group) name() {
	slices.SortFunc(g.files, func(a, b file) int { return byKey(a.at, b.at) })
	taken := map[string]bool{}
	for i := range g.files {
		f := &g.files[i]
		if taken[f.name] {
			sum := sha256.Sum256([]byte(f.at.Key))
			f.name = hex.EncodeToString(sum[:8]) + "-" + f.name
			if holdfast.CheckFile(f.name) != nil {
				f.name = hex.EncodeToString(sum[:8])
			}
		}
		taken[f.name] = true
	}
}
