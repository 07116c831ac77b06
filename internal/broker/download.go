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
	var answer api.DownloadResponse
	err := b.find(ctx, req.Ref, req.Vault, func(ctx context.Context, p found) (err error) {
		answer, err = b.signAll(ctx, c, req.Ref, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, key := range b.registry.HostKeys(req.Ref.Host) {
		answer.HostKeys = append(answer.HostKeys, holdfast.FormatPublicKey(key))
	}
	return answer, nil
}

func (b *Broker) signAll(ctx context.Context, c *call, ref holdfast.Ref, p found) (api.DownloadResponse, error) {
	answer := api.DownloadResponse{Vault: p.vault, Streams: map[string]holdfast.Request{}, HostKeys: []string{}}
	for _, file := range slices.Sorted(maps.Keys(p.files)) {
		signed, err := b.restore[p.vault].SignDownload(ctx, ref.Key(file), file, RequestLife)
		if err != nil {
			return answer, fmt.Errorf("sign download of %q: %w", ref.Key(file), err)
		}
		b.audit(c, "download", ref, "vault", p.vault, "file", file, "size", p.files[file].Size)
		if file == holdfast.ManifestFile {
			answer.Manifest = signed
			continue
		}
		answer.Streams[file] = signed
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
