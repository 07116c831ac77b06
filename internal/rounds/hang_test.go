package rounds_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// hanging is a vault that never answers.
type hanging struct{ holdfast.Vault }

func (hanging) List(ctx context.Context, _ string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		<-ctx.Done()
		yield(holdfast.Object{}, ctx.Err())
	}
}

func (hanging) Load(ctx context.Context, _ string) ([]byte, string, error) {
	<-ctx.Done()
	return nil, "", ctx.Err()
}

func (hanging) Swap(ctx context.Context, _ string, _ []byte, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// A server that is restarted because all hangs, a function on a new machine: they
// know nothing, and must tell all the same, within the time that a function has.
func TestAVaultThatHangsIsToldAlsoByAProcessThatHasJustBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := config.ParseHoldfast("holdfast.yaml", []byte(`
broker: { url: "https://b.example", secret: "env:S" }
vaults: { main: { disk: { path: /srv/b } } }
alerts: { channels: { ops: { shoutrrr: { url: "env:U" } } } }
`))
		if err != nil {
			t.Fatal(err)
		}
		registry, err := c.Registry()
		if err != nil {
			t.Fatal(err)
		}
		ops := &people{}
		w := rounds.NewWatcher(rounds.WatcherOptions{
			Rounds:   rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: time.Now},
			Channels: map[string]holdfast.Channel{"ops": ops},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		began := time.Now()
		if r := w.Vault(ctx, "main", hanging{}, monitor.Options{}); r.Fine() {
			t.Error("the round is fine")
		}
		if got := ops.heard(); len(got) != 1 || got[0] != "opened vault reachable" {
			t.Errorf("told %q", got)
		}
		if took := time.Since(began) - 10*time.Minute; took > 2*time.Minute {
			t.Errorf("the round took %s beyond its deadline, and a function has 150 s, 10 of them for the heartbeat", took)
		}
	})
}
