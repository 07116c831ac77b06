package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestManifestsAreReadWithinTheBudgetTheNewestOfEachJobFirst(t *testing.T) {
	h := newHouse(t)
	for _, job := range []string{"a", "b", "c"} {
		for d := range 4 {
			ref := holdfast.Ref{Host: "web1", Job: job, ID: h.id(h.now.Add(-time.Duration(d) * day))}
			h.store(ref, h.key, dump{file: "x.age", size: 5000})
		}
	}
	h.opts.ManifestReads = 5
	for i, want := range []struct{ read, left int }{{5, 7}, {5, 2}, {2, 0}, {0, 0}} {
		r := h.run()
		if r.Checked.Manifests != want.read || r.Checked.ManifestsLeft != want.left {
			t.Errorf("run %d: %d read and %d left, want %d and %d", i+1, r.Checked.Manifests, r.Checked.ManifestsLeft, want.read, want.left)
		}
		for name, rec := range h.state().Jobs {
			if newest := rec.Facts[0].ID.Time(); !newest.Equal(start) {
				t.Errorf("run %d: newest fact of %s is of %s, want its newest backup's", i+1, name, newest)
			}
		}
	}
}

func TestFindingStaysOpenWhileTheBudgetDoesNotReachIt(t *testing.T) {
	h := newHouse(t)
	ref := h.push(time.Hour, dump{file: "a.age", size: 5000}, dump{file: "b.age", size: 5000})
	h.pushSize(0, 5000)
	h.vault.remove(ref.Key("b.age"))
	h.run()
	h.opts.ManifestReads = -1
	r := h.run()
	if f := find(t, r, holdfast.CheckStored); len(changes(r)) > 0 || f.Since != start {
		t.Errorf("changes %v, since %s", changes(r), f.Since)
	}
}

func TestBackupWithoutDataMakesNothingFreshEvenUnread(t *testing.T) {
	h := newHouse(t)
	h.pushSize(40*time.Hour, 5000)
	h.vault.remove(h.pushSize(0, 5000).Key("crm.sql.zst.age"))
	h.opts.ManifestReads = -1
	find(t, h.run(), holdfast.CheckFresh)
}

// hashing is a house in which backups have bytes and re-reads are on.
func hashing(t *testing.T, budget int64) *house {
	h := newHouse(t)
	h.opts.HashBytes, h.policy.Expect.MinSize = budget, 0
	return h
}

func (h *house) pushBytes(host string, ago time.Duration, n int) holdfast.Ref {
	ref := holdfast.Ref{Host: host, Job: "crm", ID: h.id(h.now.Add(-ago))}
	h.store(ref, h.key, dump{file: "a.age", body: bytes.Repeat([]byte("a"), n)}, dump{file: "b.age", body: bytes.Repeat([]byte("b"), n)})
	return ref
}

// flip changes a byte of a data object and leaves its size.
func (h *house) flip(key string) {
	o := h.vault.objects[key]
	body := bytes.Clone(o.body())
	body[len(body)/2] ^= 1
	h.vault.put(key, body, o.mod)
}

func TestReReadKeepsToItsBudgetAndEveryJobGetsItsTurn(t *testing.T) {
	h := hashing(t, 3000)
	hosts := []string{"h1", "h2", "h3", "h4"}
	for _, host := range hosts {
		h.pushBytes(host, 0, 2500) // 5000 bytes each
	}
	for i := range 7 { // 20,000 bytes in all
		before := h.vault.bytes
		r := h.run()
		want := int64(3000)
		if i == 6 {
			want = 2000
		}
		if read := h.vault.bytes - before; read != want || r.Checked.BytesReread != want {
			t.Errorf("run %d re-read %d bytes and says %d, want %d", i+1, read, r.Checked.BytesReread, want)
		}
		h.now = h.now.Add(5 * time.Minute)
	}
	for _, host := range hosts {
		if got := h.state().Jobs[host+"/crm"].Reread; got.ID == "" {
			t.Errorf("%s had no turn", host)
		}
	}
	if r := h.run(); r.Checked.BytesReread != 0 {
		t.Errorf("re-read %d bytes again at once", r.Checked.BytesReread)
	}
	h.now = h.now.Add(rereadAfter)
	if r := h.run(); r.Checked.BytesReread != 3000 {
		t.Errorf("after %s re-read %d bytes, want it to begin again", age(rereadAfter), r.Checked.BytesReread)
	}
}

func TestCorruptDataIsFoundWhereverTheBudgetCutsTheReading(t *testing.T) {
	for _, budget := range []int64{1, 7, 99, 100, 101, 200, 1000} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			h := hashing(t, budget)
			bad := h.pushBytes("web1", 0, 100)
			h.pushBytes("web2", 0, 100)
			h.flip(bad.Key("b.age"))
			for range 400/budget + 2 {
				h.run()
			}
			want := []string{"critical web1/crm hash", "critical web1/crm missing"}
			h.now = h.now.Add(27 * time.Hour)
			h.pushBytes("web2", 0, 100)
			h.opts.HashBytes = 0
			if diff := cmp.Diff(want, states(h.run())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReReadOfAnObjectGoesOnWhenANewerBackupArrives(t *testing.T) {
	h := hashing(t, 90)
	old := h.pushBytes("web1", 0, 100)
	h.flip(old.Key("b.age"))
	for range 3 {
		h.run()
		h.now = h.now.Add(time.Hour)
		h.pushBytes("web1", 0, 100)
	}
	if f := find(t, h.run(), holdfast.CheckHash); f.Backup != old.ID {
		t.Errorf("finding is about %s, want %s", f.Backup, old.ID)
	}
}

func TestReReadOfADeletedBackupIsGivenUp(t *testing.T) {
	h := hashing(t, 90)
	old := h.pushBytes("web1", time.Hour, 100)
	h.run()
	for _, file := range []string{"a.age", "b.age", holdfast.ManifestFile} {
		h.vault.remove(old.Key(file))
	}
	newer := h.pushBytes("web1", 0, 100)
	for range 3 {
		h.run()
	}
	if st := h.state(); st.Reading != nil || st.Jobs["web1/crm"].Reread.ID != newer.ID {
		t.Errorf("reading %v, last re-read %v, want none and %s", st.Reading, st.Jobs["web1/crm"].Reread, newer.ID)
	}
}

func TestCorruptBackupIsOpenUntilItIsGoneOrReadsWell(t *testing.T) {
	arrange := func(t *testing.T) (*house, holdfast.Ref) {
		h := hashing(t, 1<<20)
		ref := h.pushBytes("web1", 0, 100)
		h.flip(ref.Key("a.age"))
		find(t, h.run(), holdfast.CheckHash)
		h.now = h.now.Add(time.Hour)
		h.pushBytes("web1", 0, 100)
		find(t, h.run(), holdfast.CheckHash)
		return h, ref
	}
	t.Run("gone", func(t *testing.T) {
		h, ref := arrange(t)
		for _, file := range []string{"a.age", "b.age", holdfast.ManifestFile} {
			h.vault.remove(ref.Key(file))
		}
		if diff := cmp.Diff([]string{"resolved web1/crm hash"}, changes(h.run())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("reads well", func(t *testing.T) {
		h, ref := arrange(t)
		h.flip(ref.Key("a.age"))
		h.now = h.now.Add(doubtAfter)
		if diff := cmp.Diff([]string{"resolved web1/crm hash"}, changes(h.run())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestDataThatTheVaultCallsCorruptIsCritical(t *testing.T) {
	h := hashing(t, 1<<20)
	ref := h.pushBytes("web1", 0, 100)
	h.vault.failOpen = failOn(ref.Key("a.age"), fmt.Errorf("read: %w", holdfast.ErrCorrupt))
	if f := find(t, h.run(), holdfast.CheckHash); f.Severity != holdfast.Critical {
		t.Errorf("severity %s, want critical", f.Severity)
	}
}

func TestDataThatCannotBeReadIsAWarningUntilItCan(t *testing.T) {
	h := hashing(t, 1<<20)
	ref := h.pushBytes("web1", 0, 100)
	h.vault.failOpen = failOn(ref.Key("a.age"), errors.New("timeout"))
	if f := find(t, h.run(), holdfast.CheckHash); f.Severity != holdfast.Warning {
		t.Errorf("severity %s, want a warning", f.Severity)
	}
	h.opts.HashBytes = 0 // nothing is read, so nothing is known to be better
	find(t, h.run(), holdfast.CheckHash)
	h.opts.HashBytes, h.vault.failOpen = 1<<20, nil
	if diff := cmp.Diff([]string{"resolved web1/crm hash"}, changes(h.run())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReportsAreOpenedOnceAndOnlyAFew(t *testing.T) {
	h := newHouse(t)
	h.pushSize(2*time.Hour, 5000)
	for range 50 {
		h.fail(time.Hour, "flood")
	}
	if r := h.run(); r.Checked.Reports != 50 || r.Checked.ReportsRead != reportsPerJob {
		t.Errorf("%d listed and %d to be read, want 50 and %d", r.Checked.Reports, r.Checked.ReportsRead, reportsPerJob)
	}
	opens := h.vault.opens
	if r := h.run(); r.Checked.ReportsRead != 0 || h.vault.opens != opens {
		t.Errorf("second run read %d reports", r.Checked.ReportsRead)
	}
	h.now = h.now.Add(time.Minute)
	h.fail(0, "and another")
	if f := find(t, h.run(), holdfast.CheckFailedRun); !strings.Contains(f.Summary, "and another") {
		t.Errorf("summary %q, want the newest reason", f.Summary)
	}
}

func TestReportThatCannotBeReadNowIsReadLater(t *testing.T) {
	h := newHouse(t)
	h.pushSize(2*time.Hour, 5000)
	h.fail(time.Hour, "disk full")
	h.vault.failOpen = func(key string) error {
		if strings.HasPrefix(key, holdfast.ReportsPrefix) {
			return errors.New("timeout")
		}
		return nil
	}
	h.run()
	h.vault.failOpen = nil
	find(t, h.run(), holdfast.CheckFailedRun)
}

func TestListingOfReportsHasAnEnd(t *testing.T) {
	h := newHouse(t)
	h.pushSize(2*time.Hour, 5000)
	h.fail(time.Hour, "disk full")
	h.run()
	for i := range maxReportsListed {
		id := holdfast.ID(fmt.Sprintf("20251001T000000Z-%08x", i))
		h.vault.put(holdfast.ReportKey("aaa", "flood", id), nil, start)
	}
	h.opts.Policies = func(host, _ string) (holdfast.Policy, bool) { return h.policy, host == "web1" }
	r := h.run()
	find(t, r, holdfast.CheckReports)
	find(t, r, holdfast.CheckFailedRun) // was not looked at, so it is not resolved
}
