package broker

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestAbortDiscardsUploadsAndNeverACommittedBackup(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	req := api.AbortRequest{UploadToken: begun.UploadToken, Reason: "dump\nfailed \x1b[31m"}
	for range 2 {
		answer[struct{}](t, w.call("web1", "POST", idPath(api.PathAbort, begun.ID), req), http.StatusNoContent)
	}
	if len(w.vault.uploads) != 0 {
		t.Error("the upload is still there")
	}
	answer[api.Problem](t, w.commit("web1", begun, w.signed("web1", w.manifest("web1", "crm", begun, 20))), http.StatusNotFound)
	parts := api.PartsRequest{UploadToken: begun.UploadToken, Stream: "crm", Parts: []holdfast.Part{{Number: 1, Size: 1, Sum: sum("x")}}}
	answer[api.Problem](t, w.call("web1", "POST", idPath(api.PathParts, begun.ID), parts), http.StatusNotFound)

	begun = w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	answer[api.CommitResponse](t, w.commit("web1", begun, w.signed("web1", w.manifest("web1", "crm", begun, 20))), http.StatusOK)
	before := w.vault.snapshot()
	req.UploadToken = begun.UploadToken
	answer[struct{}](t, w.call("web1", "POST", idPath(api.PathAbort, begun.ID), req), http.StatusNoContent)
	if diff := cmp.Diff(before, w.vault.snapshot()); diff != "" {
		t.Error(diff)
	}
}
