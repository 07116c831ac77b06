package adopt

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// List returns what a view of the source would show of the entries, without what is
// Holdfast's own.
func List(ctx context.Context, source Source, o Options) ([]holdfast.Object, error) {
	v := &Vault{source: source, shared: o.Shared}
	if err := v.take(o); err != nil {
		return nil, err
	}
	groups, err := v.below(ctx, holdfast.BackupsPrefix)
	var all []holdfast.Object
	for _, g := range groups {
		all = append(all, g.objects()...)
	}
	return all, err
}

// List implements holdfast.Lister: what is Holdfast's own and what is adopted, in one
// order.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		groups, err := v.below(ctx, prefix)
		if err != nil {
			yield(holdfast.Object{}, err)
			return
		}
		next, stop := iter.Pull2(v.own(ctx, prefix))
		defer stop()
		m := merging{prefix: prefix, yield: yield, next: next}
		m.step()
		for _, g := range groups {
			if !m.group(g) {
				return
			}
		}
		m.rest()
	}
}

// own lists what is Holdfast's own. What lies among it and is neither ours nor a
// backup that we know is nobody's business here.
func (v *Vault) own(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		for o, err := range v.Vault.List(ctx, prefix) {
			if err == nil && v.shared && !IsOwn(o.Key) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// below returns the adopted backups of which something may begin with prefix, in
// the order of their keys.
func (v *Vault) below(ctx context.Context, prefix string) ([]*group, error) {
	overlaps := func(key string) bool { return strings.HasPrefix(key, prefix) || strings.HasPrefix(prefix, key) }
	if !overlaps(holdfast.BackupsPrefix) {
		return nil, nil
	}
	if ref, ok := refOf(prefix); ok {
		g, err := v.again(ctx, ref)
		if g == nil || len(g.files) == 0 || err != nil {
			return nil, err
		}
		return []*group{g}, nil
	}
	found, err := v.find(ctx, func(n holdfast.JobName) bool { return overlaps(holdfast.JobPrefix(n.Host, n.Job)) })
	if err != nil {
		return nil, err
	}
	var all []*group
	for _, groups := range found {
		for _, g := range groups {
			if overlaps(g.ref.Key("")) {
				all = append(all, g)
			}
		}
	}
	slices.SortFunc(all, func(a, b *group) int { return strings.Compare(a.ref.Key(""), b.ref.Key("")) })
	return all, nil
}

// refOf returns the backup that all keys with the prefix belong to.
func refOf(prefix string) (holdfast.Ref, bool) {
	rest, ok := strings.CutPrefix(prefix, holdfast.BackupsPrefix)
	parts := strings.SplitN(rest, "/", 4)
	if !ok || len(parts) != 4 {
		return holdfast.Ref{}, false
	}
	ref := holdfast.Ref{Host: parts[0], Job: parts[1], ID: holdfast.ID(parts[2])}
	return ref, ref.Check() == nil
}

// merging yields two orders of keys as one.
type merging struct {
	prefix string
	yield  func(holdfast.Object, error) bool
	next   func() (holdfast.Object, error, bool)

	at   holdfast.Object // of the own ones, the next
	err  error
	more bool
}

func (m *merging) step() { m.at, m.err, m.more = m.next() }

// group yields the own objects before those of an adopted backup, and those. Where
// own data lies under the same id the own ones are shown alone: nobody may
// add to a backup that has no signature, or hide one that has.
func (m *merging) group(g *group) bool {
	dir := g.ref.Key("")
	for m.more && m.err == nil && m.at.Key < dir {
		if !m.yield(m.at, nil) {
			return false
		}
		m.step()
	}
	objects, taken := g.objects(), false
	var beside []holdfast.Object
	for m.more && m.err == nil && strings.HasPrefix(m.at.Key, dir) {
		beside, taken = append(beside, m.at), taken || m.at.Key != g.ref.HoldKey()
		m.step()
	}
	if m.more && m.err != nil {
		m.yield(holdfast.Object{}, m.err)
		return false
	}
	if taken {
		objects = nil
	}
	objects = append(objects, beside...)
	slices.SortFunc(objects, byKey)
	for _, o := range objects {
		if strings.HasPrefix(o.Key, m.prefix) && !m.yield(o, nil) {
			return false
		}
	}
	return true
}

// rest yields the own objects that are left.
func (m *merging) rest() {
	for ; m.more; m.step() {
		if !m.yield(m.at, m.err) || m.err != nil {
			return
		}
	}
}
