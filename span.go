package holdfast

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unit is a unit of a Span, by its suffix in configuration.
type Unit string

// The units. Second, minute and hour are fixed lengths; the others follow the
// calendar of the time they are counted from.
const (
	Second Unit = "s"
	Minute Unit = "m"
	Hour   Unit = "h"
	Day    Unit = "d"
	Week   Unit = "w"
	Month  Unit = "mo"
	Year   Unit = "y"
)

// Span is a length of time as people say it: "26h", "16d", "8w", "4mo", "2y".
// The zero Span has no length.
type Span struct {
	N    int
	Unit Unit
}

// Limits of a Span that is parsed: enough for 11 years in hours, and far from
// what a time.Duration holds (292 years).
const (
	maxSpan   = 100_000
	spanYears = 100
)

// ParseSpan returns the span s names: a whole number and one unit.
func ParseSpan(s string) (Span, error) {
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	unit := Unit(s[len(number):])
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > maxSpan || strings.ContainsAny(number, "+-") {
		return Span{}, fmt.Errorf("length of time %q: want a whole number and s, m, h, d, w, mo or y, such as 26h or 4mo", s)
	}
	switch unit {
	case Second, Minute, Hour, Day, Week, Month, Year:
		if n > 0 && (Span{1, unit}).Duration() > (Span{spanYears, Year}).Duration()/time.Duration(n) {
			return Span{}, fmt.Errorf("length of time %q: more than %d years", s, spanYears)
		}
		return Span{n, unit}, nil
	case "":
		if n == 0 {
			return Span{}, nil
		}
	}
	return Span{}, fmt.Errorf("length of time %q: unknown unit %q, want s, m, h, d, w, mo or y", s, unit)
}

// String returns the span as ParseSpan reads it; "0" for the zero Span.
func (s Span) String() string {
	if s.N == 0 {
		return "0"
	}
	return strconv.Itoa(s.N) + string(s.Unit)
}

// IsZero reports whether the span has no length.
func (s Span) IsZero() bool { return s.N == 0 }

// Before returns the time one span before t, on the calendar of t's location.
// Months and years clamp to the end of a shorter month: one month before
// 31 March is 28 or 29 February, never 3 March.
func (s Span) Before(t time.Time) time.Time {
	switch s.Unit {
	case Day:
		return t.AddDate(0, 0, -s.N)
	case Week:
		return t.AddDate(0, 0, -7*s.N)
	case Month:
		return addMonths(t, -s.N)
	case Year:
		return addMonths(t, -12*s.N)
	}
	return t.Add(-s.Duration())
}

// Duration returns the span as a fixed length, a day being 24 hours, a month
// 30 days and a year 365 days: for thresholds, where calendars do not matter.
func (s Span) Duration() time.Duration {
	const day = 24 * time.Hour
	unit := map[Unit]time.Duration{
		Second: time.Second, Minute: time.Minute, Hour: time.Hour,
		Day: day, Week: 7 * day, Month: 30 * day, Year: 365 * day,
	}[s.Unit]
	return time.Duration(s.N) * unit
}

// addMonths moves t by whole months and clamps the day to the target month's end.
func addMonths(t time.Time, months int) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, t.Location()).Day()
	return time.Date(year, month+time.Month(months), min(day, last), hour, minute, second, t.Nanosecond(), t.Location())
}

// UnmarshalText implements encoding.TextUnmarshaler, for configuration.
func (s *Span) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSpan(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
