package status

import "slices"

// data is what the page's script draws from: numbers, in few bytes.
type data struct {
	At   int64     `json:"at"`   // Unix seconds
	Jobs []jobData `json:"jobs"` // in the order of the page
}

// jobData is one job in columns, oldest backup first. Sizes are whole multiples
// of Unit, of three digits at most: finer than a chart can show.
type jobData struct {
	Unit   int64   `json:"u"`
	Times  []int64 `json:"t"`           // minutes: the first since 1970, each other since the one before
	Sizes  []int64 `json:"s"`           // of Unit
	Median []int64 `json:"m"`           // usual sizes, of Unit; 0 for none; each less the one before
	Took   []int64 `json:"d,omitempty"` // seconds
	Odd    []int   `json:"o,omitempty"` // which are out of the ordinary
	Shrink float64 `json:"lo,omitempty"`
	Grow   float64 `json:"hi,omitempty"`
	Last   int64   `json:"a"` // what jobs are sorted by: newest backup, Unix seconds
	Size   int64   `json:"z"` // its size, bytes
	Stored int64   `json:"b"` // bytes
}

const maxUnits = 999

func newJobData(j Job) jobData {
	d := jobData{Unit: 1, Times: []int64{}, Sizes: []int64{}, Median: []int64{}, Shrink: j.Shrink, Grow: j.Grow, Stored: j.Stored}
	if j.Last != nil {
		d.Last, d.Size = j.Last.ID.Time().Unix(), j.Last.Size
	}
	for _, b := range j.Backups {
		d.Unit = max(d.Unit, (b.Size+maxUnits-1)/maxUnits, (b.Median+maxUnits-1)/maxUnits)
	}
	var before, median int64
	timed := false
	for i, b := range j.Backups {
		minute := b.ID.Time().Unix() / 60
		d.Times = append(d.Times, minute-before)
		before = minute
		d.Sizes = append(d.Sizes, b.Size/d.Unit)
		d.Median = append(d.Median, b.Median/d.Unit-median)
		median = b.Median / d.Unit
		d.Took = append(d.Took, b.Seconds)
		timed = timed || b.Seconds > 0
		if b.Odd || b.Fault != "" {
			d.Odd = append(d.Odd, i)
		}
	}
	if !timed {
		d.Took = nil
	}
	return d
}

// What the charts of a whole page show: so many backups of a job, and fewer,
// down to so many, where there are so many jobs that the page would grow large.
const (
	drawn      = 200
	drawnLeast = 30
	drawnAll   = 10_000
)

// spread thins the charts of a large page: older backups go, evenly, the newest stay.
func (d *data) spread() {
	each := min(drawn, max(drawnLeast, drawnAll/max(1, len(d.Jobs))))
	for i := range d.Jobs {
		d.Jobs[i].thin(each)
	}
}

func (d *jobData) thin(n int) {
	count := len(d.Times)
	if count <= n {
		return
	}
	picked := make([]int, n) // half of them the newest
	older := count - n/2
	for i := range n {
		picked[i] = i * older / (n - n/2)
		if i >= n-n/2 {
			picked[i] = count - n + i
		}
	}
	for i := 1; i < count; i++ {
		d.Times[i] += d.Times[i-1]
		d.Median[i] += d.Median[i-1]
	}
	pick := func(column []int64) []int64 {
		if column == nil {
			return nil
		}
		thinned := make([]int64, n)
		for i, from := range picked {
			thinned[i] = column[from]
		}
		return thinned
	}
	d.Times, d.Sizes, d.Median, d.Took = pick(d.Times), pick(d.Sizes), pick(d.Median), pick(d.Took)
	for i := n - 1; i > 0; i-- {
		d.Times[i] -= d.Times[i-1]
		d.Median[i] -= d.Median[i-1]
	}
	var odd []int
	for _, from := range d.Odd {
		if i := slices.Index(picked, from); i >= 0 {
			odd = append(odd, i)
		}
	}
	d.Odd = odd
}
