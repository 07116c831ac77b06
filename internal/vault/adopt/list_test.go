package adopt_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
)

const day = 24 * time.Hour

func TestAFileIsShownAsABackup(t *testing.T) {
	w := newWorld(t)
	w.put(10*time.Hour, "My App/2025-10-28-02-00-00.zip", "zip")
	w.put(day, "My App/notes.txt", "not a backup")
	job, err := catalog.Find(t.Context(), w.view(spatie), "web1", "crm")
	if err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-10 * time.Hour)
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idOf("My App", "20251028T020000Z")}
	want := catalog.Job{Host: "web1", Name: "crm", Backups: []holdfast.Backup{{
		Ref: ref, Committed: true,
		Manifest: holdfast.Object{Key: ref.ManifestKey(), ModTime: at, Adopted: &holdfast.Adopted{}},
		Data: []holdfast.Object{{Key: ref.Key("backup.zip"), Size: 3, ModTime: at,
			Adopted: &holdfast.Adopted{Key: "My App/2025-10-28-02-00-00.zip"}}},
	}}}
	if diff := cmp.Diff(want, job); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListing(t *testing.T) {
	zip := func(folder, stamp string) []string {
		return []string{key(folder, stamp, "backup.zip"), key(folder, stamp, "manifest.json")}
	}
	own := holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T040000Z-9f3c2a7d"}
	everything := adopt.Entry{Host: "web1", Job: "crm", Pattern: "backups/*/*/{year}{month}{day}T{hour}{minute}{second}Z*/*"}
	for _, c := range []struct {
		name    string
		entries []adopt.Entry
		put     map[string]string
		prefix  string
		want    []string
	}{
		{"own backups and adopted ones in one order", []adopt.Entry{spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x", own.Key("crm.sql.zst.age"): "x", own.ManifestKey(): "x", "app/2025-10-28-06-00-00.zip": "x",
		}, "backups/", slices.Concat(zip("app", "20251028T020000Z"), []string{own.Key("crm.sql.zst.age"), own.ManifestKey()}, zip("app", "20251028T060000Z"))},
		{"a hold beside an adopted backup", []adopt.Entry{spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x", key("app", "20251028T020000Z", "hold.json"): "{}",
		}, "backups/", []string{key("app", "20251028T020000Z", "backup.zip"), key("app", "20251028T020000Z", "hold.json"), key("app", "20251028T020000Z", "manifest.json")}},
		{"what is neither is not shown", []adopt.Entry{spatie}, map[string]string{
			"app/notes.txt": "x", "backups/app/readme": "x", "backups/web1/crm/x/y": "x", "reports/monthly.pdf": "x",
		}, "", nil},
		{"state, reports and scratch are shown", []adopt.Entry{spatie}, map[string]string{
			"state/monitor.json": "x", "reports/web1/crm/20251028T040000Z-9f3c2a7d.json": "x", "scratch/a": "x", "other": "x",
		}, "", []string{"reports/web1/crm/20251028T040000Z-9f3c2a7d.json", "scratch/a", "state/monitor.json"}},
		{"a pattern that matches Holdfast's own files", []adopt.Entry{everything}, map[string]string{
			own.Key("crm.sql.zst.age"): "x", own.ManifestKey(): "x",
		}, "backups/", []string{own.Key("crm.sql.zst.age"), own.ManifestKey()}},
		{"files in a folder that is called backups", []adopt.Entry{spatie}, map[string]string{
			"backups/app/2025-10-28-02-00-00.zip": "x",
		}, "backups/", zip("backups/app", "20251028T020000Z")},
		{"of one folder and one second are one backup", []adopt.Entry{{Host: "web1", Job: "crm", Pattern: "stamp"}}, map[string]string{
			"d/crm_20251028_020000.sql.gz": "x", "d/shop_20251028_020000.sql.gz": "x", "e/crm_20251028_020000.sql.gz": "x",
		}, "backups/", []string{
			key("d", "20251028T020000Z", "crm.sql.gz"), key("d", "20251028T020000Z", "manifest.json"), key("d", "20251028T020000Z", "shop.sql.gz"),
			key("e", "20251028T020000Z", "crm.sql.gz"), key("e", "20251028T020000Z", "manifest.json"),
		}},
		{"of two entries for a job too", []adopt.Entry{
			{Host: "web1", Job: "crm", Pattern: "crm_{year}{month}{day}.sql"}, {Host: "web1", Job: "crm", Pattern: "media-{year}-{month}-{day}.tar"},
		}, map[string]string{"crm_20251028.sql": "x", "media-2025-10-28.tar": "x"}, "backups/",
			[]string{key(".", "20251028T000000Z", "crm.sql"), key(".", "20251028T000000Z", "manifest.json"), key(".", "20251028T000000Z", "media.tar")}},
		{"the first entry counts", []adopt.Entry{{Host: "web1", Job: "crm", Pattern: "spatie", Below: "app"}, {Host: "web1", Job: "other", Pattern: "spatie"}}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x",
		}, "backups/", zip("app", "20251028T020000Z")},
		{"also when only the second's job is asked for", []adopt.Entry{{Host: "web1", Job: "other", Pattern: "spatie", Below: "app"}, spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x",
		}, "backups/web1/crm/", nil},
		{"below a folder alone", []adopt.Entry{{Host: "web1", Job: "crm", Pattern: "spatie", Below: "a/app"}}, map[string]string{
			"a/app/2025-10-28-02-00-00.zip": "x", "a/app2/2025-10-28-03-00-00.zip": "x", "app/2025-10-28-04-00-00.zip": "x",
		}, "backups/", zip("a/app", "20251028T020000Z")},
		{"one backup alone", []adopt.Entry{spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x", "app/2025-10-28-03-00-00.zip": "x",
		}, key("app", "20251028T030000Z", ""), zip("app", "20251028T030000Z")},
		{"one day alone", []adopt.Entry{spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x", "app/2025-10-27-03-00-00.zip": "x",
		}, "backups/web1/crm/20251027T", zip("app", "20251027T030000Z")},
		{"another host", []adopt.Entry{spatie}, map[string]string{"app/2025-10-28-02-00-00.zip": "x"}, "backups/web2/", nil},
		{"own data under the id of an adopted backup stands alone", []adopt.Entry{spatie}, map[string]string{
			"app/2025-10-28-02-00-00.zip": "x", key("app", "20251028T020000Z", "z.age"): "x",
		}, "backups/", []string{key("app", "20251028T020000Z", "z.age")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for key, body := range c.put {
				w.put(2*time.Hour, key, body)
			}
			got := keys(t, w.view(c.entries...), c.prefix)
			if !slices.IsSorted(got) {
				t.Errorf("not in order: %q", got)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsYoungDoesNotCountYet(t *testing.T) {
	for _, c := range []struct {
		name string
		age  time.Duration
		want bool
	}{
		{"written a minute ago", time.Minute, false},
		{"written just within ten minutes", 10*time.Minute - 1, false},
		{"written ten minutes ago", 10 * time.Minute, true},
		{"written in time to come", -time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(c.age, "app/2025-10-28-02-00-00.zip", "x")
			job, err := catalog.Find(t.Context(), w.view(spatie), "web1", "crm")
			if err != nil || len(job.Backups) != 1 {
				t.Fatalf("got %v, %v", job, err)
			}
			if got := job.Backups[0].Good(noon); got != c.want {
				t.Errorf("good: got %v, want %v", got, c.want)
			}
		})
	}
}

func TestNamesOfTimesToCome(t *testing.T) {
	w := newWorld(t)
	w.put(time.Hour, "app/2025-10-28-13-00-00.zip", "x")
	w.put(time.Hour, "app/9999-12-31-23-59-59.zip", "x")
	job, err := catalog.Find(t.Context(), w.view(spatie, adopt.Entry{Host: "web1", Job: "west", Pattern: "stamp"}), "web1", "crm")
	if err != nil || len(job.Backups) != 2 || !job.Backups[0].Future(noon) || !job.Backups[1].Future(noon) {
		t.Errorf("got %v, %v", job.Backups, err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	if got := keys(t, w.view(adopt.Entry{Host: "web1", Job: "crm", Pattern: "spatie", Zone: newYork}), "backups/"); len(got) != 2 {
		t.Errorf("the year 10000 is shown: %q", got)
	}
}

func TestZone(t *testing.T) {
	w := newWorld(t)
	w.put(time.Hour, "app/2025-10-28-02-00-00.zip", "x")
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	entry := spatie
	entry.Zone = paris
	if got := keys(t, w.view(entry), "backups/"); len(got) == 0 || got[0] != key("app", "20251028T010000Z", "backup.zip") {
		t.Errorf("got %q", got)
	}
}

// Two files whose names differ in what their names have lost still are two.
func TestFilesOfOneBackupHaveNamesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	entry := adopt.Entry{Host: "web1", Job: "crm", Pattern: "*{year}{month}{day}*"}
	for _, name := range []string{"crm_20251028.sql", "crm-20251028.sql", "20251028manifest.json", "20251028hold.json", "é ü20251028", "a20251028" + strings.Repeat("b", 180)} {
		w.put(time.Hour, name, name)
	}
	job, err := catalog.Find(t.Context(), w.view(entry), "web1", "crm")
	if err != nil || len(job.Backups) != 1 || len(job.Stray) > 0 || job.Backups[0].Held || len(job.Backups[0].Data) != 6 {
		t.Fatalf("got %+v, %v", job, err)
	}
	for _, o := range job.Backups[0].Data {
		body, err := read(t.Context(), w.view(entry), o.Key, 0, -1)
		if err != nil || body != o.Adopted.Key {
			t.Errorf("%s: got %q, %v, want %q", o.Key, body, err, o.Adopted.Key)
		}
	}
}

func TestHalfAListingIsNone(t *testing.T) {
	w := newWorld(t)
	w.put(time.Hour, "app/2025-10-28-02-00-00.zip", "x")
	down := errors.New("down")
	for _, prefix := range []string{"backups/", ""} { // own, the source's
		w.bucket.Fault = func(op, key string) error {
			if op == "List" && key == prefix {
				return down
			}
			return nil
		}
		_, err := catalog.Find(t.Context(), w.view(spatie), "web1", "crm")
		if prefix == "" && !errors.Is(err, down) {
			t.Errorf("find: got %v", err)
		}
		for _, err = range w.view(spatie).List(t.Context(), "backups/") {
		}
		if !errors.Is(err, down) {
			t.Errorf("list, with %q failing: got %v", prefix, err)
		}
	}
}

func TestTooManyAreASlip(t *testing.T) {
	w := newWorld(t)
	for i := range 100_001 {
		w.put(time.Hour, fmt.Sprintf("photo-20251028-%06d.jpg", i), "")
	}
	var err error
	for _, err = range w.view(adopt.Entry{Host: "web1", Job: "crm", Pattern: "photo-{year}{month}{day}-*.jpg"}).List(t.Context(), "backups/") {
	}
	if err == nil || !strings.Contains(err.Error(), "matches more than 100000 files") {
		t.Errorf("got %v", err)
	}
}
