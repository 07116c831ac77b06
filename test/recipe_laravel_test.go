package test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// laravel is the application of the recipe: a database and files in one directory.
type laravel struct {
	*recipe
	app  string // its directory
	db   *sql.DB
	mail *mailbox
	free []held // what would be left in each vault without the cap

	backups int                 // how many were made
	then    map[string]contents // by id: what those of the years were made of
}

// limit stands for the 5 GB of the example, since the application is that much smaller.
const limit = 7_500_000

var both = []string{"local", "cloud"}

func newLaravel(t *testing.T) *laravel {
	t.Helper()
	r := newRecipe(t, "laravel", "web1")
	l := &laravel{recipe: r, app: filepath.Join(r.dir, "app"), mail: r.mailed(), then: map[string]contents{}}
	store := newStore(t, r.clock)
	bucket := store.NewBucket(t, testenv.Bucket{Versioned: true})
	r.spots = map[string]string{"local": filepath.Join(r.dir, "vault"), "cloud": filepath.Join(store.Dir, bucket)}
	write(t, filepath.Join(r.dir, "bucket.id"), store.AccessKey, 0o600)
	write(t, filepath.Join(r.dir, "bucket.secret"), store.SecretKey, 0o600)
	r.fill(map[string]string{
		"https://backup.example.com": r.url,
		"127.0.0.1:8420":             r.listen,
		"/etc/holdfast/web1.key":     r.host.key,
		"/var/lib/holdfast":          filepath.Join(r.host.dir, "state"),
		"/var/www/app":               l.app,
		"/srv/backups":               r.spots["local"],
		"example-app-backups":        bucket,
		"region: eu-west-3":          fmt.Sprintf("region: eu-west-3\n      store: aws\n      endpoint: %s\n      path_style: true", store.URL),
		"https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5": newPulse(t).URL + "/success",
		"5GB": fmt.Sprintf("%dB", limit), "6GB": fmt.Sprintf("%dB", 2*limit),
	})
	return l
}

// plant makes the application: code, uploads, and what is not to be backed up.
func (l *laravel) plant() {
	for path, text := range map[string]string{
		".env": "APP_KEY=base64:0123456789\n", "artisan": "#!/usr/bin/env php\n", "app/Models/Order.php": "<?php class Order {}\n",
		"config/app.php": "<?php return [];\n", "vendor/laravel/framework/src/big.php": strings.Repeat("x", 4000),
		"node_modules/vite/big.js": strings.Repeat("y", 4000), "storage/framework/cache/data/1a": "cached",
		"storage/framework/sessions/s1": "session", "storage/framework/views/v.php": "view", "storage/logs/laravel.log": "log\n",
		"public/index.php": "<?php\n", "database/migrations/1.php": "<?php\n",
	} {
		write(l.t, filepath.Join(l.app, path), text, 0o644)
	}
	must(l.t, os.Symlink("../storage/app/public", filepath.Join(l.app, "public/storage")))
	l.db = openSQLite(l.t, l.database())
	l.migrate()
	l.sell(300)
}

func (l *laravel) database() string { return filepath.Join(l.app, "database/database.sqlite") }

// migrate is what `php artisan migrate:fresh` does.
func (l *laravel) migrate() {
	execSQL(l.t, l.db, `PRAGMA journal_mode = wal; DROP TABLE IF EXISTS orders;
		CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, note BLOB); VACUUM`)
}

// sell adds orders, and a picture to the uploads.
func (l *laravel) sell(orders int) {
	l.t.Helper()
	execSQL(l.t, l.db, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO orders (customer, note) SELECT 'customer ' || i, randomblob(200) FROM n`, orders))
	picture := make([]byte, 700)
	_, err := rand.Read(picture)
	must(l.t, err)
	write(l.t, filepath.Join(l.app, l.picture(l.now())), string(picture), 0o644)
}

// picture is the path of the upload of a day.
func (*laravel) picture(at time.Time) string {
	return "storage/app/public/" + at.Format(time.DateOnly) + ".jpg"
}

// orders returns what the database at a path holds.
func orders(t *testing.T, path string) string {
	t.Helper()
	db := openSQLite(t, path)
	defer db.Close()
	var text string
	must(t, db.QueryRow("SELECT count(*) || ' ' || group_concat(id || customer || hex(note)) FROM orders").Scan(&text))
	return text
}

// contents is what the application holds of what is backed up.
type contents struct {
	files  map[string]string
	orders string
}

func (l *laravel) contents(t *testing.T) contents {
	t.Helper()
	tree := describe(t, l.app)
	maps.DeleteFunc(tree, func(path, _ string) bool {
		for _, without := range []string{
			"vendor", "node_modules", "storage/framework/cache/", "storage/framework/sessions/", "storage/framework/views/", "storage/logs/", "database/database.sqlite",
		} {
			if strings.HasPrefix(path, without) {
				return true
			}
		}
		return false
	})
	return contents{tree, orders(t, l.database())}
}

// same compares what came back into a directory.
func (l *laravel) same(t *testing.T, want contents, dir string) {
	t.Helper()
	if diff := cmp.Diff(want.files, describe(t, filepath.Join(dir, "files", l.app))); diff != "" {
		t.Errorf("files: want - got +\n%s", diff)
	}
	if orders(t, filepath.Join(dir, "database.sqlite")) != want.orders {
		t.Error("the orders are not what they were")
	}
}

// nights are ordinary ones.
func (l *laravel) nights(n int) {
	l.t.Helper()
	for range n {
		l.nightfall()
		l.sell(3)
		l.backup()
		l.clean()
	}
}

// clean is what should have become of the backups after a night on which nothing has
// kept retention from its work.
func (l *laravel) clean() {
	l.thin(spatie(limit), "app", both...)
	l.free = spatie(1<<40)(l.now(), l.free)
}

// backup is what is done each night.
func (l *laravel) backup() {
	l.t.Helper()
	l.served()
	l.arrived("app", both...)
	l.backups++
	l.free = append([]held{l.held["local app"][0]}, l.free...)
	l.look()
}

func TestTheLaravelRecipeOverTheYears(t *testing.T) {
	t.Parallel()
	l := newLaravel(t)
	l.plant()
	l.begin()
	l.want(l.host.pusherAt(l.clock, "doctor"), 0)
	l.nights(30)

	l.failed()
	l.nights(30)

	l.missed()
	l.nights(38)

	t.Run("a database that was emptied comes back", l.emptied)
	l.nights(50)
	for _, vault := range both {
		t.Run("what is kept in "+vault, func(t *testing.T) {
			l.keeps(t, vault, "app")
			// Of the weeks some have to be there and some not, or either rule shows nothing.
			if n := len(l.held[vault+" app"]); n < 7+16+4 || n > len(l.free)-2 {
				t.Errorf("%d are left, and %d would be without the cap", n, len(l.free))
			}
		})
	}
	l.rest()
	t.Run("the years are reached, and end", l.years)
	t.Run("the cap is met, but the newest three stay", l.grow)
	t.Run("mails", l.mails)
	t.Run("all comes back", l.all)
	t.Run("one file comes back", l.one)
	t.Run("the host is gone", l.disaster)
}

// failed is a night on which the first run fails and the second does not.
func (l *laravel) failed() {
	l.nightfall()
	must(l.t, os.Rename(l.database(), l.database()+".away"))
	l.serve()
	l.want(l.host.pusherAt(l.clock, "run", "--quiet"), 1)
	l.stop()
	l.look()
	l.later(time.Hour)
	must(l.t, os.Rename(l.database()+".away", l.database()))
	l.backup()
	l.clean()
}

// missed is a night on which the cron job did not run, and on which something was to be
// given up, as on each but one in a week. Retention refuses that then, which follows from
// the missed night and is no news of its own.
func (l *laravel) missed() {
	due := func() bool {
		all := l.held["local app"]
		return len(spatie(limit)(l.now().Add(27*time.Hour), all)) < len(all)
	}
	for !due() {
		l.nights(1)
	}
	l.nightfall()
	l.later(3 * time.Hour)
	l.look()
}

// emptied is a night before which somebody has emptied the database. The next morning
// it is restored from the backup of the night before, and backed up again.
func (l *laravel) emptied(t *testing.T) {
	lost := orders(t, l.database())
	l.nightfall()
	l.migrate()
	l.backup()
	before := l.stored("cloud", "app")[1].ID

	l.later(6 * time.Hour)
	must(t, l.db.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(l.database() + suffix)
	}
	l.want(l.operator("restore", "app@"+before, "--stream", "database", "--into", "sqlite:"+l.database(), "-i", l.identity), 0)
	if got := orders(t, l.database()); got != lost {
		t.Errorf("restored %d bytes of rows, want %d", len(got), len(lost))
	}
	l.db = openSQLite(l.t, l.database())
	l.backup()
	l.clean()
}

// mails proves that of what went wrong everything was told once in each vault, and its
// end once, and that mails of all six kinds came.
func (l *laravel) mails(t *testing.T) {
	got := tally(t, l.mail)
	for pattern, want := range map[string]int{
		"CRITICAL: web1/app: the newest good backup is 27h old":                                             1,
		"RESOLVED: web1/app: the newest good backup is … old":                                               1,
		"WARNING: web1/app: database.sqlite of the newest good backup is …, much smaller than the usual …":  1,
		"RESOLVED: web1/app: database.sqlite of the newest good backup is …, much smaller than the usual …": 1,
		"WARNING: web1/app: the last run failed: …":                                                         1,
		"RESOLVED: web1/app: the last run failed: …":                                                        1,
		"OK: web1/app: a good backup has arrived, …":                                                        l.backups,
		"WARNING: web1/app: refused to delete … of … good backups at once":                                  1,
		"RESOLVED: web1/app: refused to delete … of … good backups at once":                                 1,
		"OK: web1/app: nothing is wrong any more":                                                           4,
		"OK: web1/app: its first good backup is there":                                                      1,
	} {
		if n := got.take(pattern); n != want*len(both) {
			t.Errorf("told %d times, want %d: %s", n, want*len(both), pattern)
		}
	}
	if got.take("OK: vault: retention deleted …") == 0 {
		t.Error("nobody was told that retention has deleted anything")
	}
	if len(got) > 0 {
		t.Errorf("told besides: %v", got)
	}
}

func (l *laravel) all(t *testing.T) {
	back := filepath.Join(l.dir, "back")
	l.want(l.operator("restore", "app", "--to", back, "-i", l.identity), 0)
	l.same(t, l.contents(t), back)
}

func (l *laravel) one(t *testing.T) {
	picture := filepath.Join(l.app, l.picture(l.now().AddDate(0, 0, -5)))
	dir := filepath.Join(l.dir, "one")
	l.want(l.operator("restore", "app", "--path", picture, "--to", dir, "-i", l.identity), 0)
	if read(t, filepath.Join(dir, "files", picture)) != read(t, picture) {
		t.Error("the picture is not what it was")
	}
	if n := len(describe(t, filepath.Join(dir, "files", l.app))); n != 5 { // and the directories above it
		t.Errorf("with the picture came %d entries", n)
	}
}

// disaster loses the host and restores on machines that have nothing of it.
func (l *laravel) disaster(t *testing.T) {
	want := l.contents(t)
	l.serve()
	must(t, l.db.Close())
	must(t, os.RemoveAll(l.app))
	must(t, os.RemoveAll(l.host.dir))
	t.Run("with a ticket and the identity alone", func(t *testing.T) {
		m := l.bare(t)
		m.paste(t, l.ticket("app"))
		l.same(t, want, m.dir)
	})
	t.Run("with holdfast and an operator's key", func(t *testing.T) {
		m := l.bare(t)
		l.want(m.holdfast("restore", "app", "--to", "back", "-i", "identity.txt"), 0)
		l.same(t, want, filepath.Join(m.dir, "back"))
	})
}
