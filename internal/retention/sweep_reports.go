package retention

import (
	"context"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// reports deletes the old ones, a page's worth at a time.
func (s *sweeper) reports(ctx context.Context) error {
	var old []string
	flush := func() {
		for _, gone := range s.remove(ctx, old) {
			if gone {
				s.out.Reports++
			}
		}
		old = old[:0]
	}
	for o, err := range s.vault.List(ctx, holdfast.ReportsPrefix) {
		if err != nil {
			return err
		}
		ref, ok := parseReportKey(o.Key)
		switch {
		case !ok:
			s.out.Stray.add(o.Key, o.Size)
		case s.old(o.ModTime, ReportAge) && s.may(ref.Host, ref.Job):
			if old = append(old, o.Key); len(old) == 1000 {
				flush()
			}
		}
	}
	flush()
	return ctx.Err()
}

// parseReportKey splits what holdfast.ReportKey makes.
func parseReportKey(key string) (holdfast.Ref, bool) {
	parts := strings.Split(strings.TrimPrefix(key, holdfast.ReportsPrefix), "/")
	if len(parts) != 3 {
		return holdfast.Ref{}, false
	}
	id, ok := strings.CutSuffix(parts[2], ".json")
	ref := holdfast.Ref{Host: parts[0], Job: parts[1], ID: holdfast.ID(id)}
	return ref, ok && ref.Check() == nil
}
