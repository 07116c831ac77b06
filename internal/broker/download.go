package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// downloads signs a request for each file of one backup.
func (b *Broker) downloads(ctx context.Context, c *call) (any, error) {
	var req api.DownloadRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	if err := mayRestore(c.principal, req.Ref); err != nil {
		return nil, err
	}
	name, present, err := b.find(ctx, req.Ref)
	if err != nil {
		return nil, err
	}
	answer := api.DownloadResponse{Streams: map[string]holdfast.Request{}, HostKeys: []string{}}
	for _, file := range slices.Sorted(maps.Keys(present)) {
		signed, err := b.restore[name].SignDownload(ctx, req.Ref.Key(file), file, RequestLife)
		if err != nil {
			return nil, fmt.Errorf("sign download of %q: %w", req.Ref.Key(file), err)
		}
		b.audit(c, "download", req.Ref, "file", file, "size", present[file].Size)
		if file == holdfast.ManifestFile {
			answer.Manifest = signed
			continue
		}
		answer.Streams[file] = signed
	}
	for _, key := range b.registry.HostKeys(req.Ref.Host) {
		answer.HostKeys = append(answer.HostKeys, holdfast.FormatPublicKey(key))
	}
	return answer, nil
}

func mayRestore(p holdfast.Principal, ref holdfast.Ref) error {
	if err := ref.Check(); err != nil {
		return notFound(err)
	}
	if !p.May(holdfast.ScopeRestore, ref.Host, ref.Job) {
		return notFound(fmt.Errorf("%s may not restore %s", p.Name, ref))
	}
	return nil
}

// find returns the vault of a committed backup and its files, without the mark
// that holds it. The job's own vault comes first; the others have the backups
// of jobs that were moved or are no longer configured.
func (b *Broker) find(ctx context.Context, ref holdfast.Ref) (string, map[string]holdfast.Object, error) {
	names := slices.Sorted(maps.Keys(b.restore))
	if own, _, ok := b.registry.Job(ref.Host, ref.Job); ok {
		slices.SortStableFunc(names, func(x, y string) int {
			switch own {
			case x:
				return -1
			case y:
				return 1
			}
			return 0
		})
	}
	for _, name := range names {
		present, err := files(ctx, b.restore[name], ref)
		if err != nil {
			return "", nil, err
		}
		if _, ok := present[holdfast.ManifestFile]; ok {
			delete(present, holdfast.HoldFile)
			return name, present, nil
		}
	}
	return "", nil, notFound(fmt.Errorf("%s: %w", ref, holdfast.ErrNotExist))
}
