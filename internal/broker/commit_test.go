package broker

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestBackupIsCommittedAndRepeatingItIsHarmless(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm", "crm", "media")
	if got := begun.ID.Time(); !got.Equal(noon) {
		t.Errorf("id bears %s, want the broker's %s", got, noon)
	}
	if want := noon.Add(UploadLife); !begun.Expires.Equal(want) {
		t.Errorf("token expires %s, want %s", begun.Expires, want)
	}
	w.upload("web1", w.vault, begun, 20)
	doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: begun.ID}
	if n := len(w.vault.snapshot()); n != 0 {
		t.Errorf("%d objects are visible before the commit, want none", n)
	}
	for range 3 {
		got := answer[api.CommitResponse](t, w.commit("web1", begun, doc), http.StatusOK)
		if diff := cmp.Diff(api.CommitResponse{Ref: ref, Size: 40}, got); diff != "" {
			t.Error(diff)
		}
	}
	want := map[string]int64{ref.Key("crm.sql.zst.age"): 20, ref.Key("media.sql.zst.age"): 20, ref.ManifestKey(): int64(len(doc))}
	if diff := cmp.Diff(want, w.vault.snapshot()); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(w.vault.objects[ref.ManifestKey()].body, doc) {
		t.Error("the stored manifest is not the one that was signed")
	}
	if diff := cmp.Diff([]holdfast.Ref{ref}, w.admitted); diff != "" {
		t.Errorf("Committed: %s", diff)
	}
}

func TestCommitWithOtherContentIsAConflict(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	m := w.manifest("web1", "crm", begun, 20)
	first := w.signed("web1", m)
	answer[api.CommitResponse](t, w.commit("web1", begun, first), http.StatusOK)
	m.Streams[0].PlainSize++
	p := answer[api.Problem](t, w.commit("web1", begun, w.signed("web1", m)), http.StatusConflict)
	if p.Type != api.ProblemExists {
		t.Errorf("got type %q, want %q", p.Type, api.ProblemExists)
	}
	if !bytes.Equal(w.vault.objects[m.ManifestKey()].body, first) {
		t.Error("the first manifest was replaced")
	}
}

func TestCommitIsFinishedAfterItWasCutOffAnywhere(t *testing.T) {
	boom := errors.New("store is away: secret detail")
	for _, op := range []string{"List", "CompleteUpload", "Put"} {
		for nth := 1; nth <= 2; nth++ {
			w := newWorld(t)
			begun := w.start("web1", "crm", "crm", "media")
			w.upload("web1", w.vault, begun, 20)
			doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
			seen := 0
			w.vault.fail = func(o string) error {
				if o == op {
					if seen++; seen == nth {
						return boom
					}
				}
				return nil
			}
			if rec := w.commit("web1", begun, doc); seen >= nth {
				if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "secret detail") {
					t.Errorf("%s %d: got %d %s, want 503 without details", op, nth, rec.Code, rec.Body)
				}
				ref := holdfast.Ref{Host: "web1", Job: "crm", ID: begun.ID}
				if _, ok := w.vault.snapshot()[ref.ManifestKey()]; ok {
					t.Errorf("%s %d: a manifest exists after the failure", op, nth)
				}
			}
			w.vault.fail = nil
			answer[api.CommitResponse](t, w.commit("web1", begun, doc), http.StatusOK)
		}
	}
}

func TestStoredSizeThatDiffersIsNotCommitted(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	m := w.manifest("web1", "crm", begun, 20)
	key := m.Key("crm.sql.zst.age")
	w.vault.objects[key] = fakeObject{size: 19}
	answer[api.Problem](t, w.commit("web1", begun, w.signed("web1", m)), http.StatusUnprocessableEntity)
	if diff := cmp.Diff(map[string]int64{key: 19}, w.vault.snapshot()); diff != "" {
		t.Error(diff)
	}
}

func TestETagsAreCheckedAndHandedOn(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
	for name, etags := range map[string]map[string][]string{
		"too many":          {"crm": {"a", "b"}},
		"of another stream": {"other": {"a"}},
		"not printable":     {"crm": {"a\r\nb"}},
		"too long":          {"crm": {strings.Repeat("a", maxETag+1)}},
	} {
		req := api.CommitRequest{UploadToken: begun.UploadToken, Manifest: doc, ETags: etags}
		rec := w.call("web1", "POST", idPath(api.PathCommit, begun.ID), req)
		if rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d, want 422", name, rec.Code)
		}
	}
	req := api.CommitRequest{UploadToken: begun.UploadToken, Manifest: doc, ETags: map[string][]string{"crm": {`"abc"`}}}
	answer[api.CommitResponse](t, w.call("web1", "POST", idPath(api.PathCommit, begun.ID), req), http.StatusOK)
}

func TestExpiredUploadTokenSaysSo(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
	w.clock = w.clock.Add(UploadLife)
	p := answer[api.Problem](t, w.commit("web1", begun, doc), http.StatusGone)
	if !strings.Contains(p.Title, "expired") {
		t.Errorf("got %q, want it to say that the token expired", p.Title)
	}
	if len(w.vault.snapshot()) != 0 {
		t.Error("something was committed")
	}
}
