package pattern_test

import (
	"testing"

	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

func TestSuggest(t *testing.T) {
	for path, want := range map[string]string{
		"dumps/crm-20251028.sql":       "dumps/crm-{year}{month}{day}.sql",
		"crm_2025-10-28_0230.sql.gz":   "crm_{year}-{month}-{day}_{hour}{minute}.sql.gz",
		"crm.2025-10-28T02:30:05.dump": "crm.{year}-{month}-{day}T{hour}:{minute}:{second}.dump",
		"crm-20251028-023000.log.gz":   "crm-{year}{month}{day}-{hour}{minute}{second}.log.gz",
		"20251028/crm-2025_10_28.tar":  "20251028/crm-{year}_{month}_{day}.tar",
		"v20200101/crm 2025.10.28.tar": "v20200101/crm {year}.{month}.{day}.tar",
		"a_20251027_b_20251028.sql":    "a_20251027_b_{year}{month}{day}.sql",
		"crm_20251028_990000.sql":      "",
		"crm.sql":                      "",
		"2025-10-28/crm.sql":           "",
		"crm-20251399.sql":             "",
		"crm-{20251028}.sql":           "",
		"order-1234567.pdf":            "",
		"crm-2025-10-28-02-00-00.zip":  "crm-{year}-{month}-{day}-{hour}-{minute}-{second}.zip",
	} {
		got, ok := pattern.Suggest(path)
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", path, got, ok, want)
			continue
		}
		if !ok {
			continue
		}
		if _, err := parse(t, got).Match(path); err != nil {
			t.Errorf("%s: %s: %v", path, got, err)
		}
	}
}
