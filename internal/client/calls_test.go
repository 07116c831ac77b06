package client

import (
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestAStartThatCannotBeUsedIsAnError(t *testing.T) {
	one := api.StreamPlan{Name: "crm"}
	for name, test := range map[string]struct {
		answer api.StartResponse
		want   string // of the error; "" for none
	}{
		"one vault":             {api.StartResponse{Vaults: []api.VaultUpload{{Vault: "main", Uploads: []api.StreamPlan{one}}}}, ""},
		"direct vaults alone":   {api.StartResponse{Direct: []string{"nas"}}, ""},
		"no vault":              {api.StartResponse{Unavailable: []api.Unavailable{{Vault: "main"}}}, "to no vault"},
		"a vault twice":         {api.StartResponse{Vaults: []api.VaultUpload{{Vault: "main", Uploads: []api.StreamPlan{one}}, {Vault: "main", Uploads: []api.StreamPlan{one}}}}, `twice for the vault "main"`},
		"a stream not answered": {api.StartResponse{Vaults: []api.VaultUpload{{Vault: "main"}}}, "0 uploads for 1 streams"},
	} {
		err := checkStart(test.answer, api.StartRequest{Streams: []api.StartStream{{Name: "crm"}}})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
