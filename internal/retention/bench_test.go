package retention

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// A thousand jobs of a thousand backups, planned one job at a time.
func BenchmarkPlanAMillionBackups(b *testing.B) {
	keep := examplePolicy()
	keep.MaxTotal = 1 << 40
	job := make([]holdfast.Backup, 1000)
	for i := range job {
		job[i] = exampleBackup(idAt(now.Add(-time.Duration(i)*6*time.Hour), uint32(i)), 1000, false)
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 1000 {
			if got := Plan(keep, job, now); len(got) != len(job) {
				b.Fatalf("got %d decisions, want %d", len(got), len(job))
			}
		}
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "backups/s")
}

// hugeVault lists backups that it makes up as it goes, so that what is measured
// is the memory of a run and not that of its vault.
type hugeVault struct {
	*fakeVault
	jobs, backups int
}

func (v hugeVault) List(_ context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if prefix != holdfast.BackupsPrefix {
			return
		}
		for job := range v.jobs {
			for i := range v.backups {
				at := now.Add(-time.Duration(v.backups-i) * 6 * time.Hour)
				ref := holdfast.Ref{Host: "web1", Job: fmt.Sprintf("job-%06d", job), ID: idAt(at, 0)}
				if !yield(holdfast.Object{Key: ref.Key("crm.sql.zst.age"), Size: 1000, ModTime: at}, nil) ||
					!yield(holdfast.Object{Key: ref.ManifestKey(), Size: 10, ModTime: at}, nil) {
					return
				}
			}
		}
	}
}

// A whole dry run over a million backups, and the most memory in use at the
// start of any job. The plan keeps everything, so that the summary is small.
func BenchmarkRunOverAMillionBackups(b *testing.B) {
	v := hugeVault{newVault(), 1000, 1000}
	policies := func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{}, holdfast.Expect{}, true
	}
	var peak uint64
	jobs := 0
	for b.Loop() {
		_, err := Run(b.Context(), v, policies, Options{Now: now, DryRun: true, Planned: func(string, string, []Decision) {
			if jobs++; jobs%100 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}
