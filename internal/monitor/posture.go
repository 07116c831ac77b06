package monitor

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// postureEvery is how often a vault is asked how it is protected: that lists all
// versions of all objects.
const postureEvery = time.Hour

// posture asks the vault, where it can be asked, how it is protected. In between
// what was found stays.
func (r *run) posture(ctx context.Context, st *state) error {
	checks := []string{holdfast.CheckVersioning, holdfast.CheckPublic, holdfast.CheckHidden}
	vault, ok := r.vault.(holdfast.Posturer)
	if !ok {
		return nil
	}
	recent := !st.Postured.After(r.look.at) && r.look.at.Before(st.Postured.Add(postureEvery))
	if recent || !r.sawAll() {
		for _, check := range checks {
			r.look.undecided[findingKey{check: check}] = true
		}
		return nil
	}
	p, err := vault.Posture(ctx)
	if err != nil {
		return fmt.Errorf("ask how the vault is protected: %w", err)
	}
	r.look.postured = true
	if p.Versioning == holdfast.Off {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckVersioning, Severity: holdfast.Warning,
			Summary: "the bucket keeps no versions: what somebody with a key to it deletes or replaces is lost",
			Hint:    "switch the bucket's versioning on; of B2, take the lifecycle rule away: docs/b2.md",
		})
	}
	if p.Private == holdfast.Off {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckPublic, Severity: holdfast.Critical,
			Summary: "the bucket can be opened to the public",
			Hint:    "block all public access in the bucket's settings",
		})
	}
	if p.HiddenCount > 0 {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckHidden, Severity: holdfast.Critical,
			Summary: fmt.Sprintf("somebody deleted %s by name, such as %q; the contents are still there", number(p.HiddenCount, "object"), oneLine(p.Hidden[0])),
			Hint:    "find out who holds keys to the bucket; removing the delete markers brings the objects back: docs/restore.md",
		})
	}
	return nil
}
