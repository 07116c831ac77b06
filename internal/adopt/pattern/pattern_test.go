package pattern_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

func parse(t testing.TB, text string) pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, pattern, path string
		want, rest          string // time in UTC and Reading.Name
		err                 error
	}{
		{"spatie's own", "spatie", "My App/2025-10-28-02-00-05.zip", "2025-10-28 02:00:05", ".zip", nil},
		{"in a folder below", "spatie", "a/b/2025-10-28-02-00-05.zip", "2025-10-28 02:00:05", ".zip", nil},
		{"with a prefix it is another's", "spatie", "app/crm-2025-10-28-02-00-05.zip", "", "", pattern.ErrNoMatch},
		{"and so with anything after it", "spatie", "app/2025-10-28-02-00-05.zip.part", "", "", pattern.ErrNoMatch},
		{"other digits are no digits", "spatie", "app/٢٠٢٥-10-28-02-00-05.zip", "", "", pattern.ErrNoMatch},
		{"no such day", "spatie", "app/2025-02-29-02-00-05.zip", "", "", pattern.ErrNoTime},
		{"a leap day", "spatie", "app/2024-02-29-02-00-05.zip", "2024-02-29 02:00:05", ".zip", nil},
		{"no such hour", "spatie", "app/2025-10-28-24-00-00.zip", "", "", pattern.ErrNoTime},
		{"no leap seconds", "spatie", "app/2016-12-31-23-59-60.zip", "", "", pattern.ErrNoTime},
		{"month zero", "spatie", "app/2025-00-28-02-00-00.zip", "", "", pattern.ErrNoTime},
		{"before there were computers", "spatie", "app/0202-10-28-02-00-00.zip", "", "", pattern.ErrNoTime},

		{"dbbackup with database and server", "dbbackup", "default-web1-2025-10-28-140000.psql.gz.gpg", "2025-10-28 14:00:00", "default-web1.psql.gz.gpg", nil},
		{"dbbackup's media", "dbbackup", "web1-2025-10-28-140007.tar.gz", "2025-10-28 14:00:07", "web1.tar.gz", nil},
		{"without either", "dbbackup", "2025-10-28-140000.dump", "2025-10-28 14:00:00", ".dump", nil},
		{"without an extension", "dbbackup", "web1-2025-10-28-140000", "", "", pattern.ErrNoMatch},
		{"a date in the server's name", "dbbackup", "db-2020-01-01-000000-2025-10-28-140000.dump", "2025-10-28 14:00:00", "db-2020-01-01-000000.dump", nil},

		{"stamp", "stamp", "/var/crm_20251028_020000.sql.gz", "2025-10-28 02:00:00", "crm.sql.gz", nil},
		{"stamp of an encrypted dump", "stamp", "/var/crm_20261102_023000.sql.gz.gpg", "2026-11-02 02:30:00", "crm.sql.gz.gpg", nil},
		{"and with age", "stamp", "crm_20261102_023000.dump.zst.age", "2026-11-02 02:30:00", "crm.dump.zst.age", nil},
		{"stamp of an archive", "stamp", "media_20261101_105140.tar.gz", "2026-11-01 10:51:40", "media.tar.gz", nil},
		{"a short ending", "stamp", "media_20261101_105140.tgz", "2026-11-01 10:51:40", "media.tgz", nil},
		{"stamp of a zip", "stamp", "site_20261101_105140.zip.gpg", "2026-11-01 10:51:40", "site.zip.gpg", nil},
		{"a date in the name before it", "stamp", "crm_20200101_000000_20261101_105140.tar.xz", "2026-11-01 10:51:40", "crm_20200101_000000.tar.xz", nil},
		{"stamp needs a name", "stamp", "20261101_105140.tar.gz", "", "", pattern.ErrNoMatch},
		{"and no more after it", "stamp", "media_20261101_105140.tar.gz.partial", "", "", pattern.ErrNoMatch},
		{"and nothing between", "stamp", "media_20261101_105140-2.tar.gz", "", "", pattern.ErrNoMatch},
		{"and no other kind", "stamp", "access_20261101_105140.log.gz", "", "", pattern.ErrNoMatch},
		{"and no archive as it is written", "stamp", "media_20261101_105140.tar", "", "", pattern.ErrNoMatch},
		{"and a time that there is", "stamp", "media_20261301_105140.tar.gz", "", "", pattern.ErrNoTime},
		{"stamp is of compressed dumps", "stamp", "crm_20251028_020000.sql", "", "", pattern.ErrNoMatch},

		{"one's own", "dumps/crm_{year}{month}{day}.sql.gz", "dumps/crm_20251028.sql.gz", "2025-10-28 00:00:00", "crm.sql.gz", nil},
		{"is anchored at its start", "crm_{year}{month}{day}.sql", "xcrm_20251028.sql", "", "", pattern.ErrNoMatch},
		{"and at its end", "crm_{year}{month}{day}.sql", "crm_20251028.sqlx", "", "", pattern.ErrNoMatch},
		{"is not looked for in folders", "crm_{year}{month}{day}.sql", "old/crm_20251028.sql", "", "", pattern.ErrNoMatch},
		{"a dot is a dot", "crm.{year}{month}{day}", "crmX20251028", "", "", pattern.ErrNoMatch},
		{"* is within a folder", "*/{year}{month}{day}.sql", "a/b/20251028.sql", "", "", pattern.ErrNoMatch},
		{"* may be nothing", "crm*_{year}{month}{day}.sql", "crm_20251028.sql", "2025-10-28 00:00:00", "crm.sql", nil},
		{"the time in folders", "{year}/{month}/{day}/*.sql", "2025/10/28/crm.sql", "2025-10-28 00:00:00", "crm.sql", nil},
		{"a field twice has to agree", "{year}/crm-{year}-{month}-{day}.sql", "2025/crm-2025-10-28.sql", "2025-10-28 00:00:00", "crm.sql", nil},
		{"else it is none", "{year}/crm-{year}-{month}-{day}.sql", "2024/crm-2025-10-28.sql", "", "", pattern.ErrNoMatch},
		{"days first", "{day}.{month}.{year} {hour}h.tar", "28.10.2025 14h.tar", "2025-10-28 14:00:00", "h.tar", nil},
		{"the time at the start", "{year}-{month}-{day}-*", "2025-10-28-crm.sql", "2025-10-28 00:00:00", "crm.sql", nil},

		{"two dates are ambiguous", "*{year}{month}{day}*", "a_20251027_20251028.sql", "", "", pattern.ErrAmbiguous},
		{"the same date twice is not", "*{year}{month}{day}*", "a_20251028_20251028.sql", "2025-10-28 00:00:00", "a_20251028.sql", nil},
		{"one reading of several is possible", "*{year}{month}{day}*", "a_120251028.sql", "2025-10-28 00:00:00", "a_1.sql", nil},
		{"a number that is read in many ways", "*{year}{month}{day}*", "1999123120001231", "", "", pattern.ErrAmbiguous},
		{"an endless name ends", "*{year}*{month}*{day}*", strings.Repeat("20", 500), "", "", pattern.ErrAmbiguous},
		{"and so does one of nothing", "*{year}*{month}*{day}*", strings.Repeat("2", 1000) + "/", "", "", pattern.ErrAmbiguous},
		{"what is no text", "spatie", "app/\xff2025-10-28-02-00-05.zip", "", "", pattern.ErrNoMatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := parse(t, c.pattern).Match(c.path)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, %v, want %v", s, err, c.err)
			}
			if err != nil {
				return
			}
			if got := s.Time(time.UTC).Format(time.DateTime); got != c.want || s.Name() != c.rest {
				t.Errorf("got %s and %q, want %s and %q", got, s.Name(), c.want, c.rest)
			}
		})
	}
}

func TestTimesInZones(t *testing.T) {
	for _, c := range []struct{ name, zone, stamp, want string }{
		{"UTC", "UTC", "20251028_020000", "2025-10-28T02:00:00Z"},
		{"winter", "Europe/Paris", "20251028_020000", "2025-10-28T01:00:00Z"},
		{"summer", "Europe/Paris", "20250728_020000", "2025-07-28T00:00:00Z"},
		{"another day there", "Asia/Tokyo", "20251028_020000", "2025-10-27T17:00:00Z"},
		{"before the gap", "Europe/Paris", "20250330_015959", "2025-03-30T00:59:59Z"},
		{"within the gap", "Europe/Paris", "20250330_023000", "2025-03-30T01:30:00Z"},
		{"after the gap", "Europe/Paris", "20250330_030000", "2025-03-30T01:00:00Z"},
		{"an hour that comes twice", "Europe/Paris", "20251026_023000", "2025-10-26T00:30:00Z"},
		{"after that hour", "Europe/Paris", "20251026_030000", "2025-10-26T02:00:00Z"},
		{"a gap at midnight", "America/Santiago", "20250907_000000", "2025-09-07T04:00:00Z"},
		{"west, twice", "America/New_York", "20251102_013000", "2025-11-02T05:30:00Z"},
		{"west, within the gap", "America/New_York", "20250309_023000", "2025-03-09T07:30:00Z"},
		{"a gap of half an hour", "Australia/Lord_Howe", "20251005_021500", "2025-10-04T15:45:00Z"},
		{"a day that is left out", "Pacific/Apia", "20111230_120000", "2011-12-30T22:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parse(t, "stamp").Match("crm_" + c.stamp + ".sql.gz")
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Time(zone).Format(time.RFC3339); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "want spatie, stamp, dbbackup, or a pattern",
		"spatei":                           "want spatie, stamp, dbbackup, or a pattern",
		"*.sql":                            "want spatie, stamp, dbbackup, or a pattern",
		"{year}{month}.sql":                "has no {day}",
		"{month}{day}.sql":                 "has no {year}",
		"{year}{month}{day}{minute}":       "has no {hour}",
		"{year}{month}{day}{hour}{second}": "has no {minute}",
		"{year}{month}{dya}":               "unknown {dya}",
		"{year}{month}{day":                "unknown {day}",
		"a}{year}{month}{day}":             "has a } without its {",
		"/{year}{month}{day}":              "want names between slashes",
		"a//{year}{month}{day}":            "want names between slashes",
		"**{year}{month}{day}":             "has ** in it",
		"*a*b*c*d*{year}{month}{day}":      "more than 4 *",
		"{year}{month}{day}" + strings.Repeat("a", 500): "longer than 500 bytes",
	} {
		if _, err := pattern.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestRule(t *testing.T) {
	r, err := pattern.ParseRule("crm_{year}{month}{day}.sql", "My App/dumps")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Prefix(); got != "My App/dumps/crm_" {
		t.Errorf("prefix: got %q", got)
	}
	for path, want := range map[string]bool{
		"My App/dumps/crm_20251028.sql": true, "crm_20251028.sql": false, "My App/crm_20251028.sql": false,
		"My App/dumps2/crm_20251028.sql": false, "x/My App/dumps/crm_20251028.sql": false, "My App/dumps/old/crm_20251028.sql": false,
	} {
		if _, err := r.Match(path); (err == nil) != want {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"spatie": "", "dumps/crm_{year}{month}{day}": "dumps/crm_", "*{year}{month}{day}": "", "{year}/{month}/{day}": "",
	} {
		if got := parse(t, text).Prefix(); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// FuzzMatch: whatever a name is, reading it ends, twice with the same outcome, and
// what is read is a time that there is.
func FuzzMatch(f *testing.F) {
	for _, text := range append(pattern.Known(), "*{year}{month}{day}*", "{year}/*/*{month}*{day}", "a{year}{month}{day}.{hour}{minute}{second}") {
		for _, name := range []string{
			"app/2025-10-28-02-00-05.zip", "crm_20251028_020000.sql.gz", "default-web1-2025-10-28-140000.psql.gz",
			"a20251028.235959", "2025/x/1028", "\xff\x00\x1b[2J", "9999-12-31-23-59-59.zip", strings.Repeat("2025", 99), "",
		} {
			f.Add(text, name)
		}
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := pattern.Parse(text)
		if err != nil || len(name) > 2000 {
			return
		}
		s, err := p.Match(name)
		again, errAgain := p.Match(name)
		if s != again || !errors.Is(errAgain, err) {
			t.Fatalf("%q: %v, %v, then %v, %v", name, s, err, again, errAgain)
		}
		if err != nil {
			return
		}
		if at := s.Time(time.UTC); at.Year() < 1970 || at.Year() > 9999 {
			t.Errorf("%q is of %s", name, at)
		}
		if len(s.Name()) > len(name) || strings.Contains(s.Name(), "/") {
			t.Errorf("%q has the name %q", name, s.Name())
		}
	})
}
