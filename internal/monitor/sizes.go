package monitor

import (
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// What is usual is taken from this many backups, or days, and from no fewer.
const (
	maxSamples = 15
	minSamples = 3
)

// Ratios of the compression check. Encrypted files do not compress: the ratio
// of plain to stored size falls to 1.
const (
	incompressible     = 1.1 // below it a stream did not compress
	lessThanUsual      = 0.7 // of the median: together with incompressible
	muchLessThanUsual  = 0.5 // of the median: whatever the ratio is
	ratioDecimalDigits = 1000
)

// ratio returns plain to stored size, as the mean of the streams: each counts
// the same, so that large media beside it do not hide a small database.
func ratio(m holdfast.Manifest) float64 {
	sum := 0.0
	for _, s := range m.Streams {
		sum += float64(s.PlainSize) / float64(s.StoredSize)
	}
	mean := sum / float64(len(m.Streams))
	return float64(int64(mean*ratioDecimalDigits+0.5)) / ratioDecimalDigits
}

// usual returns the backups that say what is usual for the job, those before
// its newest good one; nil if there are too few. See the package comment.
func (v *view) usual() []kept {
	var days, last []kept
	day := ""
	newest := v.newest()
	for _, k := range v.kept {
		if !k.good() || k.id == newest.id {
			continue
		}
		if len(last) < maxSamples {
			last = append(last, k)
		}
		if d := k.id.Time().Format(time.DateOnly); d != day {
			if len(days) == maxSamples {
				break
			}
			day, days = d, append(days, k)
		} else if top := &days[len(days)-1]; k.size > top.size {
			*top = k
		}
	}
	for _, samples := range [][]kept{days, last} {
		if len(samples) >= minSamples {
			return samples
		}
	}
	return nil
}

// median returns the middle of the values, the mean of the two middle ones of
// an even number.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
