package push

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// commit has the broker make the backup exist. An answer that got lost is asked
// for again: the same manifest commits once.
func (r *run) commit(ctx context.Context, sent []sentStream) error {
	m := holdfast.Manifest{
		Format:       holdfast.ManifestFormat,
		Ref:          holdfast.Ref{Host: r.job.Host, Job: r.job.Name, ID: r.begun.ID},
		Started:      r.begun.ID.Time(),
		HostStarted:  r.out.Started,
		HostFinished: r.Now().UTC(),
		Pusher:       r.job.Pusher,
	}
	etags := map[string][]string{}
	for _, s := range sent {
		m.Streams = append(m.Streams, s.Stream)
		if slices.ContainsFunc(s.etags, func(etag string) bool { return etag != "" }) {
			etags[s.Name] = s.etags
		}
	}
	m.Restore = manual(m)
	if err := m.Check(); err != nil {
		return err
	}
	signed, err := r.SignManifest(m)
	if err != nil {
		return fmt.Errorf("sign manifest: %w", err)
	}
	if r.job.Spool != "" && r.job.KeepLocal > 0 {
		// Before the commit, so that a copy without a manifest is never of a
		// backup that exists; a copy with one, of a backup that does not, goes
		// when the run fails.
		if err := r.spool.write(r.begun.ID, holdfast.ManifestFile, signed); err != nil {
			return err
		}
	}
	req := api.CommitRequest{UploadToken: r.begun.UploadToken, Manifest: signed, ETags: etags}
	var resp api.CommitResponse
	err = r.retrier.do(ctx, "commit", func() (err error) {
		resp, err = r.Broker.Commit(ctx, r.begun.ID, req)
		return err
	})
	if err != nil {
		return err
	}
	if resp.Ref != m.Ref {
		return fmt.Errorf("broker says it committed %s, not %s", resp.Ref, m.Ref)
	}
	return nil
}
