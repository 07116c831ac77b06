package status

import (
	"fmt"
	"time"
)

// tiles returns the figures of some vaults together.
func tiles(vaults []Vault, now time.Time) []tile {
	var stored, grown int64
	var channels, failing, backups, deleted int
	var freed int64
	known, failed, cleaned := len(vaults) > 0, false, time.Time{}
	for _, v := range vaults {
		stored += v.Stored
		for _, j := range v.Jobs {
			backups += j.Count
		}
		if v.Growth == nil {
			known = false
		} else {
			grown += *v.Growth
		}
		for _, c := range v.Channels {
			channels++
			if c.Err != "" {
				failing++
			}
		}
		deleted, freed, failed = deleted+v.Cleaned.Deleted, freed+v.Cleaned.Freed, failed || v.Cleaned.Failed
		if cleaned.IsZero() || v.Cleaned.At.Before(cleaned) {
			cleaned = v.Cleaned.At // the one longest ago
		}
	}
	all := []tile{{Label: "Stored", Value: size(stored), Note: number(backups, "backup")}}
	growth := tile{Label: "Growth", Value: "–", Note: "not known until 30 days are over"}
	if known {
		growth.Value, growth.Note = signed(grown), "in 30 days"
	}
	all = append(all, growth)
	all = append(all, costTiles(vaults)...)
	cleanup := tile{Label: "Last cleanup", Value: "–", Note: "none yet"}
	if !cleaned.IsZero() {
		cleanup = tile{Label: "Last cleanup", When: maybe(cleaned, now), Note: fmt.Sprintf("%d deleted, %s freed", deleted, size(freed))}
	}
	if failed {
		cleanup.Bad, cleanup.Note = true, "failed"
	}
	all = append(all, cleanup)
	told := tile{Label: "Alerts", Value: number(channels, "channel"), Note: "all deliver", Bad: failing > 0}
	switch {
	case channels == 0:
		told.Value, told.Note = "–", "nobody is told"
	case failing > 0:
		told.Note = fmt.Sprintf("%d not delivering", failing)
	}
	return append(all, told)
}

// costTiles returns what the vaults cost together, one tile for each currency.
func costTiles(vaults []Vault) []tile {
	sums := map[string]*Cost{}
	var order []string
	for _, v := range vaults {
		if v.Cost == nil {
			continue
		}
		if sums[v.Cost.Currency] == nil {
			sums[v.Cost.Currency] = &Cost{}
			order = append(order, v.Cost.Currency)
		}
		sum := sums[v.Cost.Currency]
		sum.Now, sum.Projected = sum.Now+v.Cost.Now, sum.Projected+v.Cost.Projected
	}
	var all []tile
	for _, currency := range order {
		all = append(all, tile{
			Label: "Cost a month", Value: fmt.Sprintf("%.2f\u00a0%s", sums[currency].Now, line(currency)),
			Note: fmt.Sprintf("%.2f in 30 days", sums[currency].Projected),
		})
	}
	return all
}

func signed(bytes int64) string {
	switch {
	case bytes > 0:
		return "+" + size(bytes)
	case bytes < 0:
		return "−" + size(-bytes)
	}
	return "none"
}
