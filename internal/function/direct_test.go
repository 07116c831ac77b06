package function

import (
	"slices"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/api"
)

// The function that hosts call has no use for a vault that it cannot sign for:
// its key is not even asked for, and the vault not seen.
func TestAVaultThatHostsReachByThemselvesIsNotTheBrokers(t *testing.T) {
	w := newWorld(t)
	w.vaults += "  nas: { sftp: { host: nas.example, user: u, key: 'env:NO_SUCH_KEY', host_key: ['SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI'] } }\n"
	w.jobs = "  crm: { vault: [nas, main] }\n  media: { vault: nas }\n"
	w.write()
	for name, half := range map[string]func(Env) Handler{"push": Push, "restore": Restore} {
		health, err := (&gateway{w: w, handle: half(w.env())}).client(t, "web1").Health(t.Context())
		if _, seen := health.Vaults["nas"]; err != nil || seen || !health.OK || health.Vaults["main"] != "ok" {
			t.Errorf("%s: got %+v, %v, want main alone", name, health, err)
		}
	}
	web1 := (&gateway{w: w, handle: Push(w.env())}).client(t, "web1")
	for job, vaults := range map[string]int{"crm": 1, "media": 0} {
		begun, err := web1.Start(t.Context(), api.StartRequest{Job: job, Streams: []api.StartStream{{Name: job, File: job + ".sql"}}})
		if err != nil || len(begun.Vaults) != vaults || !slices.Equal(begun.Direct, []string{"nas"}) {
			t.Errorf("%s: got %+v, %v", job, begun, err)
		}
	}
}
