package monitor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const (
	manyJobs    = 1000
	manyBackups = 50
)

// crowd is a vault of 1,000 jobs of 50 daily backups of two files.
func crowd(t testing.TB) *house {
	h := newHouse(t)
	for j := range manyJobs {
		for d := range manyBackups {
			ref := holdfast.Ref{Host: fmt.Sprintf("web%d", j/10), Job: fmt.Sprintf("job-%d", j), ID: h.id(h.now.Add(-time.Duration(d) * day))}
			h.store(ref, h.key, dump{file: "crm.sql.zst.age", size: 1_234_567}, dump{file: "media.tar.zst.age", size: 7_654_321})
		}
	}
	return h
}

func TestRequestsAreProportionalToPagesAndToWhatIsNew(t *testing.T) {
	h := crowd(t)
	h.opts.ManifestReads = manyJobs * manyBackups
	first := h.run()
	if len(first.Findings) > 0 || first.Checked.Manifests != manyJobs*keptNewest {
		t.Fatalf("first run: %d findings, %d manifests read, want 0 and %d", len(first.Findings), first.Checked.Manifests, manyJobs*keptNewest)
	}
	const pages = manyJobs*manyBackups*3/fakePage + 2 // of backups/ and reports/

	h.vault.pages, h.vault.opens, h.vault.loads, h.vault.swaps = 0, 0, 0, 0
	second := h.run()
	if h.vault.pages > pages || h.vault.opens != 0 || h.vault.loads != 2 || h.vault.swaps != 1 {
		t.Errorf("second run: %d pages, %d objects opened, %d loads, %d swaps, want at most %d, 0, 2, 1",
			h.vault.pages, h.vault.opens, h.vault.loads, h.vault.swaps, pages)
	}
	if second.Checked.Backups != manyJobs*manyBackups || second.Checked.Jobs != manyJobs {
		t.Errorf("second run: %d jobs and %d backups", second.Checked.Jobs, second.Checked.Backups)
	}

	h.now = h.now.Add(day)
	for j := range 10 {
		ref := holdfast.Ref{Host: "web0", Job: fmt.Sprintf("job-%d", j), ID: h.id(h.now)}
		h.store(ref, h.key, dump{file: "crm.sql.zst.age", size: 1_234_567}, dump{file: "media.tar.zst.age", size: 7_654_321})
	}
	h.run()
	if h.vault.opens != 10 {
		t.Errorf("after 10 new backups: %d objects opened, want 10", h.vault.opens)
	}

	size := h.vault.objects[StateKey].size
	t.Logf("state of %d jobs: %s", manyJobs, holdfast.Size(size))
	if size > 2_500_000 {
		t.Errorf("state is %s, want at most 2.5MB", holdfast.Size(size))
	}
}

func BenchmarkRun(b *testing.B) {
	h := crowd(b)
	h.opts.ManifestReads = manyJobs * manyBackups
	h.run()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(context.Background(), h.vault, h.opts); err != nil {
			b.Fatal(err)
		}
	}
}
