package catalog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// dump is one file of a backup.
type dump struct {
	file string
	size int64
}

// pushed is a backup that is ago old.
type pushed struct {
	ago   time.Duration
	files []dump
}

func nightly(n int, files ...dump) (all []pushed) {
	for i := range n {
		all = append(all, pushed{time.Duration(i+1) * day, files})
	}
	return all
}

// history takes in backups, newest first.
func history(backups ...[]pushed) *catalog.History {
	var h catalog.History
	for _, run := range backups {
		for _, p := range run {
			at := noon.Add(-p.ago)
			ref := holdfast.Ref{Host: "web1", Job: "crm", ID: holdfast.ID(at.Format("20060102T150405Z") + "-00000000")}
			var data []holdfast.Object
			for _, f := range p.files {
				data = append(data, holdfast.Object{Key: ref.Key(f.file), Size: f.size})
			}
			h.Add(at, data)
		}
	}
	return &h
}

func TestUsualIsTheMedianOfTheLargestOfEachDay(t *testing.T) {
	db := func(size int64) dump { return dump{"crm.sql.zst.age", size} }
	flood := func(n int, files ...dump) (all []pushed) {
		for i := range n {
			all = append(all, pushed{time.Duration(i) * time.Minute, files})
		}
		return all
	}
	for _, c := range []struct {
		name string
		h    *catalog.History
		want float64
	}{
		{"nothing is usual without a history", history(), 0},
		{"two backups say nothing", history(nightly(2, db(100))), 0},
		{"three do", history(nightly(3, db(100))), 100},
		{"the backup's own day is aside", history(flood(100, db(9000)), nightly(3, db(100))), 100},
		{"small ones of a day do not hide its largest", history(flood(48, db(1)), nightly(20, db(100))), 100},
		{"older than fifteen days does not count", history(nightly(15, db(100)), []pushed{{16 * day, []dump{db(1)}}, {17 * day, []dump{db(1)}}}), 100},
		{"of a young job the last backups stand in, but not the newest", history(flood(4, db(100))), 100},
		{"and those must be three", history(flood(3, db(100))), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.h.Before(noon).Size; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestUsualFiles(t *testing.T) {
	db, media := dump{"db.sql.zst.age", 100}, dump{"media.tar.zst.age", 9000}
	both := nightly(20, db, media)
	var apart []pushed
	for i := range 20 {
		at := time.Duration(i+1) * day
		apart = append(apart, pushed{at, []dump{db}}, pushed{at + time.Hour, []dump{media}})
	}
	last := noon.Add(-day)
	for _, c := range []struct {
		name string
		h    *catalog.History
		want map[string]catalog.UsualFile
	}{
		{"each file has a size of its own", history(both), map[string]catalog.UsualFile{
			"db.sql":    {Size: 100, Expected: true, Constant: true, Newest: last},
			"media.tar": {Size: 9000, Expected: true, Constant: true, Newest: last},
		}},
		{"files that come apart are expected and not constant", history(apart), map[string]catalog.UsualFile{
			"db.sql":    {Size: 100, Expected: true, Newest: last},
			"media.tar": {Size: 9000, Expected: true, Newest: last.Add(-time.Hour)},
		}},
		{"what half of the days have is not expected", history(nightly(7, db), nightly(15, db, media)[7:14]), map[string]catalog.UsualFile{
			"db.sql":    {Size: 100, Expected: true, Constant: true, Newest: last},
			"media.tar": {Size: 9000, Newest: noon.Add(-8 * day)},
		}},
		{"two backups expect nothing", history(nightly(2, db)), map[string]catalog.UsualFile{"db.sql": {Newest: last}}},
		{"another compression is no other file", history(nightly(3, dump{"db.sql.gz", 100}), nightly(5, db)[3:]), map[string]catalog.UsualFile{
			"db.sql": {Size: 100, Expected: true, Constant: true, Newest: last},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.h.Before(noon).Files); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistoryOfFloodedNamesStaysSmall(t *testing.T) {
	var flood []pushed
	for i := range 1000 {
		flood = append(flood, pushed{day + time.Duration(i)*time.Second, []dump{{fmt.Sprintf("name-%d.age", i), 1}}})
	}
	if n := len(history(flood).Before(noon).Files); n > 64 {
		t.Errorf("%d names are remembered of one day", n)
	}
}
