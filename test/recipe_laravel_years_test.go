package test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The years of the Laravel recipe. A backup a night would take too many nights until
// the rule for years gives one up, so these are fewer.

// expect says in the configuration how often a backup has to come.
func (l *laravel) expect(every string) {
	l.t.Helper()
	l.fill(map[string]string{"every: 24h": "every: " + every})
	l.install()
}

// pass lets days go by, at whose end cron thins out, with this exit status: else the
// monitor would tell that nobody has for so long.
func (l *laravel) pass(days, code int) {
	l.t.Helper()
	l.ahead += time.Duration(days-1) * 24 * time.Hour
	l.nightfall()
	l.want(l.operator("clean"), code)
}

// rest is when the application is hardly used any more, and one backup in four weeks is
// enough. After the first four, of the nights before them only one a week is to stay,
// so most of what is there is to go at once. Retention refuses that until somebody has
// looked, and does not afterwards.
func (l *laravel) rest() {
	l.t.Helper()
	l.expect("4w")
	l.pass(28, 1)
	l.backup()
	all := l.held["local app"]
	if n := len(spatie(limit)(l.now(), all)); 2*n >= len(all) {
		l.t.Fatalf("of %d backups %d are to stay, which is most", len(all), n)
	}
	l.kept(l.t)
	l.want(l.operator("clean", "--force"), 0)
	l.look()
	l.clean()
	l.kept(l.t)
}

// kept compares what is there in each vault.
func (l *laravel) kept(t *testing.T) {
	t.Helper()
	for _, vault := range both {
		l.keeps(t, vault, "app")
	}
}

// years goes on with a backup every two weeks, until one that was kept for its year
// is too old for that too.
func (l *laravel) years(t *testing.T) {
	for range 110 {
		oldest := l.held["local app"][len(l.held["local app"])-1]
		l.pass(14, 0)
		l.sell(3)
		l.backup()
		l.then[l.held["local app"][0].id] = l.contents(t)
		l.clean()
		l.kept(t)
		from, to := yearly(l.now())
		if oldest.at.After(to) {
			continue
		}
		all := l.held["local app"]
		var years []int
		for _, h := range all {
			if !h.at.After(from) {
				years = append(years, h.at.Year())
			}
		}
		// The cap had no part in this, or the oldest would have gone before.
		if n := len(slices.Compact(slices.Clone(years))); n != len(years) || n < 2 || n > 3 {
			t.Errorf("kept for their years: %v", years)
		}
		last, back := all[len(all)-1], filepath.Join(l.dir, "years")
		l.want(l.operator("restore", "app@"+last.id, "--to", back, "-i", l.identity), 0)
		l.same(t, l.then[last.id], back)
		return
	}
	t.Error("none was ever too old")
}

// grow is when the application is used again and its files become more with each film,
// never by so much at once that it looks like a mistake. Night by night, and without
// anybody's doing, the oldest backups go for that, until there are three. These stay,
// though they are larger than the cap.
func (l *laravel) grow(t *testing.T) {
	l.expect("24h")
	for film, nights := range []int{8, 5, 4} {
		l.film(t, film)
		for range nights {
			l.nights(1)
			l.kept(t)
		}
	}
	var total int64
	for _, h := range l.held["local app"] {
		total += h.size
	}
	if n := len(l.held["local app"]); n != 3 || total <= limit {
		t.Errorf("%d are left, of %d bytes", n, total)
	}
}

// film adds a file that makes the archive of files two and a half times as large. Half
// of it can be compressed, as of the archive so far: else it would look encrypted.
func (l *laravel) film(t *testing.T, n int) {
	t.Helper()
	newest := l.held["local app"][0].id
	archive, err := os.Stat(filepath.Join(l.spots["local"], "backups", l.host.name, "app", newest, "files.tar.zst.age"))
	must(t, err)
	film := make([]byte, 3*archive.Size())
	_, err = rand.Read(film[:len(film)/2])
	must(t, err)
	write(t, filepath.Join(l.app, fmt.Sprintf("storage/app/public/film-%d.mp4", n)), string(film), 0o644)
}
