package monitor

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// Ratios of the compression check. Encrypted files do not compress: the ratio
// of plain to stored size falls to 1.
const (
	incompressible    = 1.1 // below it a stream did not compress
	lessThanUsual     = 0.7 // of the median: together with incompressible
	muchLessThanUsual = 0.5 // of the median: whatever the ratio is
)

// Ratios are kept within these, with three decimals: the plain size is what a
// host says, and may be absurd.
const (
	minRatio = 0.001
	maxRatio = 1e6
)

// ratios returns plain to stored size of each file, in the order of plain names.
func ratios(m holdfast.Manifest) []float64 {
	plain, stored := map[string]float64{}, map[string]float64{}
	for _, s := range m.Streams {
		name := catalog.PlainName(s.File)
		plain[name] += float64(s.PlainSize)
		stored[name] += float64(s.StoredSize)
	}
	all := make([]float64, 0, len(plain))
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		ratio := plain[name] / max(stored[name], 1)
		all = append(all, math.Round(min(max(ratio, minRatio), maxRatio)*1000)/1000)
	}
	return all
}

// ratio returns that of a file, 0 where it is not known.
func (k *kept) ratio(name string) float64 {
	if len(k.fact.Ratios) != len(k.files) {
		return 0 // the manifest is not read yet, or not of what is listed
	}
	for i, f := range k.files {
		if f.name == name {
			return k.fact.Ratios[i]
		}
	}
	return 0
}

func (k *kept) sizeOf(name string) int64 {
	for _, f := range k.files {
		if f.name == name {
			return f.size
		}
	}
	return 0
}

// compression looks for the mark of encrypted source files: what used to
// compress does not any more. Each file is compared with its own past, so that
// large media beside it do not hide a small database.
func (l *look) compression(v *view) {
	newest := v.newest()
	if newest == nil || newest.adopted {
		return
	}
	var worst *holdfast.Finding
	unknown := false
	for _, file := range newest.files {
		samples := v.samples(newest, file.name)
		var values []float64
		for _, k := range samples {
			if ratio := k.ratio(file.name); ratio > 0 {
				values = append(values, ratio)
			}
		}
		now := newest.ratio(file.name)
		switch {
		case len(samples) < catalog.MinSamples:
		case now == 0 || len(values) < catalog.MinSamples:
			unknown = true // manifests that are not read yet
		default:
			if f := l.incompressible(v, newest, file.name, now, catalog.Median(values), samples); f != nil &&
				(worst == nil || rank(f.Severity) < rank(worst.Severity)) {
				worst = f
			}
		}
	}
	switch {
	case worst != nil:
		l.note(*worst)
	case unknown:
		l.undecide(v, holdfast.CheckCompression)
	}
}

// incompressible compares a ratio with the usual one.
func (l *look) incompressible(v *view, newest *kept, name string, now, usual float64, samples []*kept) *holdfast.Finding {
	severity := holdfast.Warning
	switch {
	case now < incompressible && now < lessThanUsual*usual:
		severity = holdfast.Critical
	case now < muchLessThanUsual*usual:
	default:
		return nil
	}
	f := v.finding(holdfast.CheckCompression, severity, "%s compresses %.2f to 1, usual is %.2f", newest.part(name), now, usual)
	f.Backup, f.Expected, f.Actual = newest.id, fmt.Sprintf("about %.2f", usual), fmt.Sprintf("%.2f", now)
	f.Hint = fmt.Sprintf("see whether files on %s have been encrypted", v.name.Host)
	for _, k := range samples {
		if k.ratio(name) >= lessThanUsual*usual {
			f.Hint += fmt.Sprintf("; keep one that was not: holdfast hold %s@%s", v.name, k.id)
			break
		}
	}
	return &f
}

// samples returns the backups that say how a file usually compresses: those
// whose sizes say what is usual, as far as they are looked at closely. See
// catalog.History.
func (v *view) samples(newest *kept, name string) []*kept {
	var days, last []*kept
	day := newest.day()
	for i := range v.kept {
		k := &v.kept[i]
		if !k.good() || k.adopted || k.id >= newest.id || k.sizeOf(name) == 0 {
			continue
		}
		if len(last) < catalog.UsualDays {
			last = append(last, k)
		}
		switch d := k.day(); {
		case d == newest.day():
		case d != day:
			if len(days) < catalog.UsualDays {
				days = append(days, k)
			}
			day = d
		case len(days) > 0 && days[len(days)-1].day() == d && k.sizeOf(name) > days[len(days)-1].sizeOf(name):
			days[len(days)-1] = k
		}
	}
	if len(days) >= catalog.MinSamples {
		return days
	}
	return last
}
