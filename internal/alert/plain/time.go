package plain

import (
	"fmt"
	"time"
)

// Age returns a length of time as people say it, and as findings have it, rounded
// down: "10m", "31h", "3d".
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Age(-d)
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 72*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// When returns a time on the calendar of loc, UTC where that is nil: "2025-10-28
// 15:00 CET".
func When(t time.Time, loc *time.Location) string {
	if loc == nil {
		loc = time.UTC
	}
	return t.In(loc).Format("2006-01-02 15:04 MST")
}

// ago returns t and, set in by format, how long before at that was; t alone within
// the last minute, and after at.
func ago(t, at time.Time, loc *time.Location, format string) string {
	if at.Sub(t) < time.Minute {
		return When(t, loc)
	}
	return fmt.Sprintf(format, When(t, loc), Age(at.Sub(t)))
}
