package rounds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// How a run of retention tries to leave its record.
const (
	recordTime  = 10 * time.Second // also after the deadline of the run
	recordTries = 4
)

// record leaves what a run of retention over a whole vault did, for the monitor to
// tell people of. Of two runs at once the later one's stays. A run that only had
// no more time has not failed: the next one goes on.
func record(ctx context.Context, vault holdfast.Stater, s retention.Summary, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	last := holdfast.Cleanup{Version: holdfast.CleanupVersion, At: s.Time, Freed: s.Swept.Bytes, Findings: s.Findings}
	last.Findings = last.Findings[:min(len(last.Findings), holdfast.MaxCleanupFindings)]
	for _, j := range s.Jobs {
		last.Deleted += len(j.Outcome.Deleted)
		last.Freed += j.Outcome.Bytes
	}
	if failed != nil && !errors.Is(failed, context.DeadlineExceeded) {
		last.Error = failed.Error()
	}
	body, err := json.Marshal(last)
	if err != nil {
		return fmt.Errorf("encode %q: %w", holdfast.CleanupKey, err)
	}
	// At first as if there were none: who may not list is not told that there is
	// none, but that asking is forbidden.
	_, err = vault.Swap(ctx, holdfast.CleanupKey, body, "")
	for range recordTries {
		if !errors.Is(err, holdfast.ErrConflict) {
			break
		}
		known, tag, loadErr := vault.Load(ctx, holdfast.CleanupKey)
		if loadErr != nil {
			return loadErr
		}
		var before holdfast.Cleanup
		if json.Unmarshal(known, &before) == nil && before.At.After(last.At) && !before.At.After(last.At.Add(holdfast.FutureTolerance+time.Hour)) {
			return nil // a record of much later is one of a clock that was ahead
		}
		_, err = vault.Swap(ctx, holdfast.CleanupKey, body, tag)
	}
	if err != nil {
		return fmt.Errorf("store %q: %w", holdfast.CleanupKey, err)
	}
	return nil
}
