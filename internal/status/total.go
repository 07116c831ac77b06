package status

import (
	"math"
	"slices"
	"time"
)

// What is remembered of totals, and over how long growth is measured.
const (
	pastDays   = 35
	growthDays = 30
)

// past adds a total to those of earlier days; of one day the last stays.
func past(totals []Total, now Total, reachable bool) []Total {
	day := func(t Total) string { return t.At.UTC().Format(time.DateOnly) }
	kept := []Total{}
	for _, t := range totals {
		if now.At.Sub(t.At) < pastDays*24*time.Hour && (day(t) < day(now) || !reachable) {
			kept = append(kept, t)
		}
	}
	if reachable {
		kept = append(kept, now)
	}
	return kept
}

// growth compares with the youngest total that is old enough, to half a day.
func growth(totals []Total, stored int64, at time.Time) *int64 {
	for _, t := range slices.Backward(totals) {
		if at.Sub(t.At) >= (growthDays*24-12)*time.Hour {
			grown := stored - t.Stored
			return &grown
		}
	}
	return nil
}

func cost(p Price, stored int64, growth *int64) *Cost {
	if p.Currency == "" {
		return nil
	}
	month := func(bytes int64) float64 { return math.Round(float64(max(bytes, 0))/1e9*p.PerGB*100) / 100 }
	c := &Cost{Currency: p.Currency, Now: month(stored), Projected: month(stored)}
	if growth != nil {
		c.Projected = month(stored + *growth)
	}
	return c
}
