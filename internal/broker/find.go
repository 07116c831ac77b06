package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// found is a committed backup in one vault.
type found struct {
	vault string
	files map[string]holdfast.Object // without the mark that holds it
}

func (f found) file(ref holdfast.Ref, name string) (holdfast.Object, error) {
	object, ok := f.files[name]
	if !ok {
		return object, notFound(fmt.Errorf("%s has no file %q", ref, name))
	}
	return object, nil
}

// find calls use with a committed backup in one vault after the other until use
// can do with it what it has to: a vault that is down, or cannot sign now, is no
// reason to leave a copy in another alone. only, where it is not empty, is the
// one vault to look into.
func (b *Broker) find(ctx context.Context, ref holdfast.Ref, only string, use func(context.Context, found) error) error {
	names, direct := b.places(ref)
	if only != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return name != only })
	}
	var errs []error
	for _, name := range names {
		here, err := b.tryPlace(ctx, ref, name, len(names), use)
		if err == nil && here {
			return nil
		}
		if err != nil {
			errs = append(errs, err)
			if len(names) > 1 { // else it is the answer, which is logged
				b.log.Error("vault passed over", "vault", name, "host", ref.Host, "job", ref.Job, "id", ref.ID, "err", said(err.Error()))
			}
		}
	}
	switch {
	case len(errs) > 0:
		return mostHopeful(errs)
	case len(direct) > 0:
		return unreachableHere(ref, direct)
	}
	return notFound(fmt.Errorf("%s: %w", ref, holdfast.ErrNotExist))
}

// tryPlace reports whether the vault has the backup and use could use it.
func (b *Broker) tryPlace(ctx context.Context, ref holdfast.Ref, name string, vaults int, use func(context.Context, found) error) (bool, error) {
	if vaults > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, placeTime)
		defer cancel()
	}
	present, err := ask(ctx, b, "", name, func(ctx context.Context) (map[string]holdfast.Object, error) {
		return files(ctx, b.restore[name], ref)
	})
	if err != nil {
		return false, err
	}
	// An adopted backup is listed with a manifest that nobody can fetch.
	if manifest, ok := present[holdfast.ManifestFile]; !ok || manifest.Adopted != nil {
		return false, nil
	}
	delete(present, holdfast.HoldFile)
	return true, use(ctx, found{name, present})
}

// places returns the vaults to look for a backup in: the job's own in its order,
// then the others, which have the backups of jobs that were moved or are no
// longer configured. direct are those of the job that are not among them.
func (b *Broker) places(ref holdfast.Ref) (names, direct []string) {
	own, _, _ := b.registry.Job(ref.Host, ref.Job)
	signed, direct := b.split(own)
	for _, name := range append(signed, slices.Sorted(maps.Keys(b.restore))...) {
		if _, there := b.restore[name]; there && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, direct
}

// unreachableHere says that the backup may lie where the broker can't look. Only
// who may restore it gets to hear so.
func unreachableHere(ref holdfast.Ref, direct []string) *refusal {
	r := notFound(fmt.Errorf("%s: %w", ref, holdfast.ErrNotExist))
	r.Detail = fmt.Sprintf("no vault that the broker can sign for has it; its job also lives in %s, which the broker cannot sign for", strings.Join(direct, ", "))
	r.Hint = "restore it without --broker, where holdfast.yaml and the key of that vault are"
	return r
}
