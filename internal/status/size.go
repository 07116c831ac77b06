package status

import (
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// medianOf is how many backups before one say what size is usual for it.
const medianOf = 15

// compare sets the median, and whether it is odd, of each of the backups, which
// come oldest first. The monitor compares file by file and day by day; whole
// sizes do for a picture.
func compare(backups []Backup, expect holdfast.Expect) {
	window := make([]float64, 0, medianOf)
	for i := range backups {
		b := &backups[i]
		window = window[:0]
		for _, before := range backups[max(0, i-medianOf):i] {
			window = append(window, float64(before.Size))
		}
		if len(window) < catalog.MinSamples {
			continue
		}
		median := catalog.Median(window)
		b.Median = int64(median)
		b.Odd = expect.Shrink > 0 && float64(b.Size) < expect.Shrink*median ||
			expect.Grow > 0 && float64(b.Size) > expect.Grow*median
	}
}

// fault marks the backups that findings say are bad.
func fault(backups []Backup, findings []holdfast.Finding) {
	for _, f := range findings {
		bad := f.Check == holdfast.CheckHash || f.Check == holdfast.CheckManifest || f.Check == holdfast.CheckStored
		if !bad || f.Severity != holdfast.Critical {
			continue
		}
		if i := slices.IndexFunc(backups, func(b Backup) bool { return b.ID == f.Backup }); i >= 0 {
			backups[i].Fault = f.Check
		}
	}
}
