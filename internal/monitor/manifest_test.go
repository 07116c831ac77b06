package monitor

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestManifestIsAcceptedOnceItsKeyIsConfigured(t *testing.T) {
	h := newHouse(t)
	h.daily(2, 5000)
	keys := h.opts.HostKeys
	h.opts.HostKeys = func(string) []ed25519.PublicKey { return nil }
	find(t, h.run(), holdfast.CheckManifest)
	h.opts.HostKeys = keys
	h.now = h.now.Add(time.Hour)
	if got := states(h.run()); len(got) > 0 {
		t.Errorf("findings %v, want none", got)
	}
}
