package catalog

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// What is usual is taken from this many days, or backups, and from no fewer.
const (
	UsualDays  = 15
	MinSamples = 3
)

// maxFiles bounds the file names of a day that are remembered: a host may give
// each of its backups names of its own.
const maxFiles = 64

// History holds what of a job's good backups says how large the next ones should
// be, and which files they should have, however many backups there are. The zero
// value is an empty one. It is not safe for concurrent use.
type History struct {
	days []historyDay // newest first
	last []sample     // newest first
}

// historyDay is one UTC day that has backups.
type historyDay struct {
	date    string
	backups int
	size    int64 // of the largest
	files   map[string]historyFile
}

type historyFile struct {
	backups int       // of the day that have it
	size    int64     // of the largest
	newest  time.Time // of the backups that have it
}

// sample is one backup.
type sample struct {
	time  time.Time
	size  int64
	files map[string]int64
}

// Add takes in a good backup by its time and data objects. They come newest first.
func (h *History) Add(t time.Time, data []holdfast.Object) {
	date := t.Format(time.DateOnly)
	n := len(h.days)
	newDay := n == 0 || h.days[n-1].date != date
	if newDay && n > UsualDays {
		return // the newest day and those of the reference are complete
	}
	s := sample{time: t, files: FileSizes(data)}
	for _, size := range s.files {
		s.size += size
	}
	if len(h.last) <= UsualDays {
		h.last = append(h.last, s)
	}
	if newDay {
		h.days = append(h.days, historyDay{date: date, files: map[string]historyFile{}})
		n++
	}
	h.days[n-1].add(s)
}

func (d *historyDay) add(s sample) {
	d.backups++
	d.size = max(d.size, s.size)
	for name, size := range s.files {
		f, known := d.files[name]
		if !known {
			if len(d.files) == maxFiles {
				continue
			}
			f.newest = s.time
		}
		f.backups, f.size = f.backups+1, max(f.size, size)
		d.files[name] = f
	}
}

// FileSizes returns the stored sizes of data objects by the plain names of their
// files, in bytes. The plain name leaves compression and encryption out, so that
// a change of these does not look like another file.
func FileSizes(data []holdfast.Object) map[string]int64 {
	sizes := make(map[string]int64, len(data))
	for _, o := range data {
		_, file, _ := holdfast.ParseKey(o.Key)
		sizes[PlainName(file)] += o.Size
	}
	return sizes
}

// PlainName returns "crm.sql" for "crm.sql.zst.age".
func PlainName(file string) string {
	name := strings.TrimSuffix(strings.TrimSuffix(file, ".age"), ".gpg")
	for _, compressed := range []string{".zst", ".gz"} {
		if plain, ok := strings.CutSuffix(name, compressed); ok {
			return plain
		}
	}
	return name
}

// Usual is what a job's history says of its next backup.
type Usual struct {
	Size  float64 // of all data objects, bytes; 0 if there are too few samples
	Files map[string]UsualFile
}

// UsualFile is what the history says of one file, by its plain name.
type UsualFile struct {
	Size float64 // stored, bytes; 0 if there are too few samples
	// Expected says that most days of the reference have the file, Constant
	// that most of them have it in every backup.
	Expected, Constant bool
	Newest             time.Time // the newest backup before the one in question that has it
}

// Before returns what is usual for a backup of the time at, which may be part of
// the history: the median of the largest of each of the 15 days before its own
// that have backups. Whoever pushes garbage from a stolen host therefore needs
// more than a week of it, however often he pushes, before garbage is usual. Where
// fewer than three such days have a file, the median of its last 15 backups
// stands in, and of at least 3.
func (h *History) Before(at time.Time) Usual {
	date := at.Format(time.DateOnly)
	var days []historyDay
	for _, d := range h.days {
		if d.date < date && len(days) < UsualDays {
			days = append(days, d)
		}
	}
	var last []sample
	for _, s := range h.last {
		if s.time.Before(at) && len(last) < UsualDays {
			last = append(last, s)
		}
	}
	usual := Usual{Size: typical(days, last,
		func(d historyDay) int64 { return d.size }, func(s sample) int64 { return s.size })}
	usual.Files = map[string]UsualFile{}
	for _, d := range h.days {
		for name, f := range d.files {
			if _, known := usual.Files[name]; !known && d.date <= date {
				usual.Files[name] = usualFile(name, days, last, f.newest)
			}
		}
	}
	return usual
}

func usualFile(name string, days []historyDay, last []sample, newest time.Time) UsualFile {
	u := UsualFile{Newest: newest, Size: typical(days, last,
		func(d historyDay) int64 { return d.files[name].size }, func(s sample) int64 { return s.files[name] })}
	some, all := 0, 0
	if len(days) >= MinSamples {
		for _, d := range days {
			switch d.files[name].backups {
			case 0:
			case d.backups:
				all++
				fallthrough
			default:
				some++
			}
		}
		u.Expected, u.Constant = 2*some > len(days), 2*all > len(days)
	} else if len(last) >= MinSamples {
		for _, s := range last {
			if _, has := s.files[name]; has {
				some++
			}
		}
		u.Expected, u.Constant = 2*some > len(last), some == len(last)
	}
	return u
}

// typical returns the median of the days, else that of the last backups, else 0.
// A size of 0 is no sample: no good backup has an empty file.
func typical(days []historyDay, last []sample, ofDay func(historyDay) int64, of func(sample) int64) float64 {
	var byDay, byBackup []float64
	for _, d := range days {
		if size := ofDay(d); size > 0 {
			byDay = append(byDay, float64(size))
		}
	}
	for _, s := range last {
		if size := of(s); size > 0 {
			byBackup = append(byBackup, float64(size))
		}
	}
	for _, samples := range [][]float64{byDay, byBackup} {
		if len(samples) >= MinSamples {
			return Median(samples)
		}
	}
	return 0
}

// Median returns the middle of the values, of which there is at least one: the
// mean of the two middle ones of an even number. It sorts them.
func Median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
