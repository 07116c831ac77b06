package retention

import (
	"context"

	"github.com/holdfast-backup/holdfast"
)

// uploads aborts those that were never finished, also one whose key the vault no
// longer knows. An upload is not its object: to abort one whose key is committed
// by now takes nothing from the backup.
func (s *sweeper) uploads(ctx context.Context) error {
	var old []holdfast.Upload
	for u, err := range s.vault.ListUploads(ctx, holdfast.BackupsPrefix) {
		if err != nil {
			return err
		}
		ref, _, ok := holdfast.ParseKey(u.Key)
		switch {
		case !s.old(u.Started, OrphanAge), ok && s.young(ref.ID):
		case !ok && u.Key != "":
			s.out.Stray.add(u.Key, u.Size)
		case s.may(ref.Host, ref.Job):
			old = append(old, u)
		}
	}
	inParallel(ctx, s.concurrency, len(old), func(i int) {
		u := old[i]
		if !s.dryRun {
			if err := s.vault.AbortUpload(ctx, u); err != nil {
				s.failed(ctx, u.Key, err)
				return
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.out.Uploads = append(s.out.Uploads, u)
	})
	return ctx.Err()
}
