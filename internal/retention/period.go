package retention

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// period is one day, week, … on the calendar of a zone. Comparable; the zero
// period is none.
type period struct {
	unit         holdfast.Unit
	year, number int // number: ISO week, month or day of the year
	hour, offset int // offset from UTC in seconds tells the two hours 02 of autumn apart
}

// periodOf returns the period of that unit in which t lies, in t's zone; none
// for a unit that is no period of retention. A week belongs to the year that ISO
// 8601 gives it, so that the week of new year is one week.
func periodOf(unit holdfast.Unit, t time.Time) period {
	p := period{unit: unit}
	switch unit {
	case holdfast.Hour:
		p.year, p.number, p.hour = t.Year(), t.YearDay(), t.Hour()
		_, p.offset = t.Zone()
	case holdfast.Day:
		p.year, p.number = t.Year(), t.YearDay()
	case holdfast.Week:
		p.year, p.number = t.ISOWeek()
	case holdfast.Month:
		p.year, p.number = t.Year(), int(t.Month())
	case holdfast.Year:
		p.year = t.Year()
	default:
		return period{}
	}
	return p
}

// String returns the period as people write it: 2026-03-01, 2026-W09, 2026-03.
func (p period) String() string {
	day := func() string {
		return time.Date(p.year, time.January, p.number, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	switch p.unit {
	case holdfast.Hour:
		return fmt.Sprintf("%s %02dh", day(), p.hour)
	case holdfast.Day:
		return day()
	case holdfast.Week:
		return fmt.Sprintf("%04d-W%02d", p.year, p.number)
	case holdfast.Month:
		return fmt.Sprintf("%04d-%02d", p.year, p.number)
	case holdfast.Year:
		return fmt.Sprintf("%04d", p.year)
	}
	return ""
}
