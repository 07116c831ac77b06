package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

func TestManifestThatDoesNotFitIsNotCommitted(t *testing.T) {
	full := holdfast.PartSize(1, holdfast.MaxParts)
	cases := map[string]struct {
		change func(*holdfast.Manifest)
		key    string // that signs; web1's unless named
		status int
	}{
		"signed by another host": {change: func(*holdfast.Manifest) {}, key: "db1"},
		"of another job":         {change: func(m *holdfast.Manifest) { m.Job = "media" }},
		"of another host":        {change: func(m *holdfast.Manifest) { m.Host = "db1" }},
		"of a chosen id": {change: func(m *holdfast.Manifest) {
			m.ID = "20991231T235959Z-00000000"
			m.Started = m.ID.Time()
		}},
		"of a stream that was not begun": {change: func(m *holdfast.Manifest) { m.Streams[0].Name = "crm2" }},
		"of a file that was not begun":   {change: func(m *holdfast.Manifest) { m.Streams[0].File = "x.sql.zst.age" }},
		"with a stream more": {change: func(m *holdfast.Manifest) {
			s := m.Streams[0]
			s.Name, s.File = "more", "more.sql.zst.age"
			m.Streams = append(m.Streams, s)
		}},
		"with a part that was not sent": {change: func(m *holdfast.Manifest) { m.Streams[0].Parts[0].Sum = sum("other") }},
		"with another size": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts[0].Size, m.Streams[0].StoredSize = 21, 21
		}},
		"with another checksum": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Checksum, m.Streams[0].Parts[0].Sum = holdfast.ChecksumMD5, sum("x")[:32]
		}},
		"with a short part in between": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts = append(m.Streams[0].Parts, holdfast.Part{Number: 2, Size: 1, Sum: sum("x")})
			m.Streams[0].StoredSize++
		}},
		"with a part too long for its number": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts[0].Size, m.Streams[0].StoredSize = full+1, full+1
		}},
		"larger than max_size": {status: http.StatusRequestEntityTooLarge, change: func(m *holdfast.Manifest) {
			s := &m.Streams[0]
			s.Parts, s.StoredSize = nil, 0
			for n := 1; s.StoredSize <= 1<<30; n++ {
				s.Parts = append(s.Parts, holdfast.Part{Number: n, Size: full, Sum: sum("part")})
				s.StoredSize += full
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			begun := w.start("web1", "crm")
			w.upload("web1", w.vault, begun, 20)
			m := w.manifest("web1", "crm", begun, 20)
			c.change(&m)
			key, status := "web1", http.StatusUnprocessableEntity
			if c.key != "" {
				key = c.key
			}
			if c.status != 0 {
				status = c.status
			}
			answer[api.Problem](t, w.commit("web1", begun, w.signed(key, m)), status)
			if got := w.vault.snapshot(); len(got) != 0 {
				t.Errorf("objects were made: %v", got)
			}
		})
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

func TestPartsAreBoundByNumberSizeAndQuota(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	full := holdfast.PartSize(1, holdfast.MaxParts)
	lastNumber := int((1 << 30) / full) // the part that ends exactly at max_size
	many := make([]holdfast.Part, api.MaxPartsPerCall+1)
	for i := range many {
		many[i] = holdfast.Part{Number: i + 1, Size: full, Sum: sum("x")}
	}
	one := func(n int, size int64, sum string) []holdfast.Part {
		return []holdfast.Part{{Number: n, Size: size, Sum: sum}}
	}
	cases := map[string]struct {
		parts  []holdfast.Part
		status int
	}{
		"as many as a call may have": {many[:api.MaxPartsPerCall], http.StatusOK},
		"more than a call may have":  {many, http.StatusBadRequest},
		"none":                       {nil, http.StatusBadRequest},
		"a full part":                {one(1, full, sum("x")), http.StatusOK},
		"a byte too long":            {one(1, full+1, sum("x")), http.StatusBadRequest},
		"empty":                      {one(1, 0, sum("x")), http.StatusBadRequest},
		"of negative size":           {one(1, -1, sum("x")), http.StatusBadRequest},
		"number 0":                   {one(0, 1, sum("x")), http.StatusBadRequest},
		"number below 0":             {one(-1, 1, sum("x")), http.StatusBadRequest},
		"number above the vault's":   {one(holdfast.MaxParts+1, 1, sum("x")), http.StatusBadRequest},
		"the last that fits":         {one(lastNumber, full, sum("x")), http.StatusOK},
		"a byte beyond max_size":     {one(lastNumber+1, 1, sum("x")), http.StatusRequestEntityTooLarge},
		"the highest number":         {one(holdfast.MaxParts, 1, sum("x")), http.StatusRequestEntityTooLarge},
		"without sum":                {one(1, 1, ""), http.StatusBadRequest},
		"sum in upper case":          {one(1, 1, strings.ToUpper(sum("x"))), http.StatusBadRequest},
		"sum of another algorithm":   {one(1, 1, sum("x")[:32]), http.StatusBadRequest},
		"sum with a line end":        {one(1, 1, sum("x")[:63]+"\n"), http.StatusBadRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			req := api.PartsRequest{UploadToken: begun.UploadToken, Stream: "crm", Parts: c.parts}
			before := len(w.vault.signed)
			rec := w.call("web1", "POST", idPath(api.PathParts, begun.ID), req)
			if rec.Code != c.status {
				t.Errorf("got %d, want %d: %s", rec.Code, c.status, rec.Body)
			}
			if c.status != http.StatusOK && len(w.vault.signed) != before {
				t.Error("something was signed")
			}
		})
	}
}

func TestTooManyBackupsADay(t *testing.T) {
	w := newWorld(t)
	// Committed, unfinished and committed again: all count, each once.
	w.backup("web1", "crm", w.vault)
	w.start("web1", "crm", "crm", "media")
	w.start("web1", "crm")
	w.start("web1", "crm")
	w.backup("web1", "crm", w.vault)
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	p := answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
	if p.Type != api.ProblemQuota {
		t.Errorf("got type %q, want %q", p.Type, api.ProblemQuota)
	}
	w.start("web1", "media") // another job has its own
	w.clock = w.clock.Add(12*time.Hour - time.Second)
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
	w.clock = w.clock.Add(time.Second)
	answer[api.StartResponse](t, w.call("web1", "POST", api.PathStart, req), http.StatusOK)
}

func TestBurstOfStartsStaysWithinTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		// Long enough that all have counted before the first has begun.
		w.vault.slow = func() { time.Sleep(time.Millisecond) }
		var group sync.WaitGroup
		for range 20 {
			body, err := json.Marshal(api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
			if err != nil {
				t.Fatal(err)
			}
			signed := w.sign("web1", "POST", api.PathStart, body, w.clock)
			group.Go(func() { w.serve("POST", api.PathStart, body, "Bearer "+signed) })
		}
		group.Wait()
		if got := len(w.vault.uploads); got != 5 {
			t.Errorf("%d backups were begun, want 5", got)
		}
	})
}

func TestPartsOfAManifestFollowTheSchedule(t *testing.T) {
	limits := holdfast.UploadLimits{MaxParts: 10, Checksum: holdfast.ChecksumSHA256}
	full := func(n int) int64 { return holdfast.PartSize(n, limits.MaxParts) }
	cases := map[string]struct {
		sizes []int64
		ok    bool
	}{
		"one short part":               {[]int64{1}, true},
		"one full part":                {[]int64{full(1)}, true},
		"one part too long":            {[]int64{full(1) + 1}, false},
		"a short part at the end":      {[]int64{full(1), full(2), 1}, true},
		"a short part in between":      {[]int64{full(1), full(2) - 1, 1}, false},
		"a long part in between":       {[]int64{full(1), full(2) + 1, 1}, false},
		"a long part at the end":       {[]int64{full(1), full(2) + 1}, false},
		"more than the vault allows":   {[]int64{full(1), full(2), full(3), full(4), full(5), full(6), full(7), full(8), full(9), full(10), 1}, false},
		"as many as the vault allows":  {[]int64{full(1), full(2), full(3), full(4), full(5), full(6), full(7), full(8), full(9), full(10)}, true},
		"the size of another's number": {[]int64{full(1), full(2), full(3), full(3), 1}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := holdfast.Stream{Checksum: limits.Checksum}
			for i, size := range c.sizes {
				s.Parts = append(s.Parts, holdfast.Part{Number: i + 1, Size: size})
			}
			if err := checkSchedule(s, limits); (err == nil) != c.ok {
				t.Errorf("got %v, want it accepted: %t", err, c.ok)
			}
		})
	}
}

func TestManifestOfFewerStreamsThanWereBegunIsNotCommitted(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm", "crm", "media")
	w.upload("web1", w.vault, begun, 20)
	m := w.manifest("web1", "crm", begun, 20)
	m.Streams = m.Streams[:1]
	answer[api.Problem](t, w.commit("web1", begun, w.signed("web1", m)), http.StatusUnprocessableEntity)
	if got := w.vault.snapshot(); len(got) != 0 {
		t.Errorf("objects were made: %v", got)
	}
}

func TestQuotaOfNothingAdmitsNothing(t *testing.T) {
	w := newWorld(t)
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	w.registry.quota = holdfast.Quota{MaxPerDay: 5}
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusRequestEntityTooLarge)
	w.registry.quota = holdfast.Quota{MaxSize: 1}
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
}

func TestStartThatFailsHalfwayLeavesNoUpload(t *testing.T) {
	w := newWorld(t)
	calls := 0
	w.vault.fail = func(op string) error {
		if op == "StartUpload" {
			if calls++; calls == 3 {
				return holdfast.ErrFull
			}
		}
		return nil
	}
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "a", File: "a"}, {Name: "b", File: "b"}, {Name: "c", File: "c"}}}
	p := answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusInsufficientStorage)
	if p.Type != api.ProblemFull {
		t.Errorf("got type %q, want %q", p.Type, api.ProblemFull)
	}
	if len(w.vault.uploads) != 0 {
		t.Errorf("%d uploads are left, want none", len(w.vault.uploads))
	}
}

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
