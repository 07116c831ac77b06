package test

import (
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// django is the site of the recipe: a database whose user may do little, and uploads.
type django struct {
	*recipe
	server   *testenv.MariaDBServer
	database string
	media    string // directory of the uploads
	mail     *mailbox
	tunnels  atomic.Int64 // through the proxy
	night    int
}

const djangoTables = `
	CREATE TABLE auth_user (id INT PRIMARY KEY AUTO_INCREMENT, username VARCHAR(50) NOT NULL, UNIQUE (username)) ENGINE=InnoDB;
	CREATE TABLE blog_post (id INT PRIMARY KEY AUTO_INCREMENT, author_id INT NOT NULL, body TEXT, FOREIGN KEY (author_id) REFERENCES auth_user (id)) ENGINE=InnoDB;
	CREATE TRIGGER no_empty_post BEFORE INSERT ON blog_post FOR EACH ROW SET NEW.body = IFNULL(NEW.body, 'empty');`

const djangoRows = `SELECT * FROM auth_user ORDER BY id; SELECT * FROM blog_post ORDER BY id`

func newDjango(t *testing.T) *django {
	t.Helper()
	r := newRecipe(t, "django-pythonanywhere", "pythonanywhere")
	d := newAccount(t, r)
	r.spots = map[string]string{"home": filepath.Join(r.dir, "vault")}
	selfSigned(t, r.dir, "backup.example.com")
	r.trust(read(t, filepath.Join(r.dir, "cert.pem")))
	proxy := httptest.NewServer(connectProxy(r.listen, &d.tunnels))
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	// There is no way to the name of the server but through the proxy.
	r.host.env = []string{"SSL_CERT_FILE=" + filepath.Join(r.dir, "cert.pem"), "HTTPS_PROXY=" + proxy.URL, "https_proxy=" + proxy.URL, "NO_PROXY=", "no_proxy="}
	r.env = append(r.env, r.host.env[1:]...)
	r.public = "https://backup.example.com:8443"
	r.fill(map[string]string{
		`":8443"`:                     r.listen,
		"/etc/holdfast/fullchain.pem": filepath.Join(r.dir, "cert.pem"),
		"/etc/holdfast/privkey.pem":   filepath.Join(r.dir, "key.pem"),
		"/srv/backups":                r.spots["home"],
	})
	return d
}

// newAccount makes the account: database, uploads, and mail for its people.
func newAccount(t *testing.T, r *recipe) *django {
	t.Helper()
	d := &django{recipe: r, server: testenv.MariaDB(t), media: filepath.Join(r.dir, "site/media"), mail: r.mailed()}
	d.database = d.server.Database(t) + "$default" // as it is called there
	testenv.Mysql(t, "", "CREATE DATABASE `"+d.database+"` CHARACTER SET utf8mb4")
	testenv.Mysql(t, d.database, djangoTables)
	write(t, filepath.Join(r.host.dir, "database.url"), d.server.URL("limited", d.database), 0o600)
	r.fill(map[string]string{
		"/home/acme/.config/holdfast/pythonanywhere.key":           r.host.key,
		"/home/acme/.local/state/holdfast":                         filepath.Join(r.host.dir, "state"),
		"/home/acme/site/media":                                    d.media,
		"https://hc-ping.com/0b4ff0c1-3b6e-4a5b-8d2c-a0b1c2d3e4f5": newPulse(t).URL + "/success",
	})
	d.post(200)
	write(t, filepath.Join(d.media, "CACHE/images/small.jpg"), "made again", 0o644)
	write(t, filepath.Join(d.media, "upload.tmp"), "half", 0o644)
	return d
}

// post writes posts, each by a user of its own, and uploads a picture.
func (d *django) post(n int) {
	d.t.Helper()
	testenv.Mysql(d.t, d.database, fmt.Sprintf(`INSERT INTO auth_user (username) SELECT UUID() FROM seq_1_to_%d;
		INSERT INTO blog_post (author_id, body) SELECT id, CONCAT('größe 🎈 ', username, SHA2(RAND(), 512)) FROM auth_user ORDER BY id DESC LIMIT %d`, n, n))
	picture := make([]byte, 2000)
	_, err := rand.Read(picture)
	must(d.t, err)
	write(d.t, filepath.Join(d.media, d.picture(d.now())), string(picture), 0o644)
}

func (*django) picture(at time.Time) string { return "photos/" + at.Format("2006/01/02") + ".jpg" }

// nights are ordinary ones: the database each, the uploads each seventh.
func (d *django) nights(n int) {
	d.t.Helper()
	for range n {
		d.sunset()
		d.post(3)
		d.backup()
		d.thin(lastDays(30), "db", "home")
		d.thin(lastOnes(10), "media", "home")
	}
}

func (d *django) sunset() {
	d.night++
	d.nightfall()
}

// backup is what PythonAnywhere's tasks do of a night, and cron at home.
func (d *django) backup() {
	d.t.Helper()
	d.served("db")
	d.arrived("db", "home")
	if d.night%7 == 1 {
		d.served("media")
		d.arrived("media", "home")
	}
	d.look()
}

func TestTheDjangoRecipeOverFiveMonths(t *testing.T) {
	t.Parallel()
	d := newDjango(t)
	d.begin()
	d.want(d.host.pusherAt(d.clock, "doctor"), 0)
	d.nights(60)

	d.sunset() // and the task did not run
	d.later(3 * time.Hour)
	d.look()
	d.nights(30)

	t.Run("a table that was emptied comes back", d.emptied)
	d.nights(40)
	if d.tunnels.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
	t.Run("what is kept", d.kept)
	t.Run("mails", d.mails)
	t.Run("one file comes back", d.one)
	t.Run("the host is gone", d.disaster)
}

// emptied is a night before which somebody has deleted posts.
func (d *django) emptied(t *testing.T) {
	lost := testenv.Mysql(t, d.database, djangoRows)
	d.sunset()
	testenv.Mysql(t, d.database, "DELETE FROM blog_post; DELETE FROM auth_user WHERE id > 5")
	d.backup()
	before := d.stored("home", "db")[1].ID

	d.later(6 * time.Hour)
	testenv.Mysql(t, "", "DROP DATABASE `"+d.database+"`; CREATE DATABASE `"+d.database+"` CHARACTER SET utf8mb4")
	d.want(d.into("db@"+before, d.database, d.operator), 0)
	if got := testenv.Mysql(t, d.database, djangoRows); got != lost {
		t.Errorf("restored %d bytes of rows, want %d", len(got), len(lost))
	}
	d.served("db")
	d.arrived("db", "home")
	d.look()
	d.thin(lastDays(30), "db", "home")
}

// into restores a backup into a database.
func (d *django) into(backup, database string, holdfast func(args ...string) result) result {
	d.t.Helper()
	write(d.t, filepath.Join(d.dir, "restore.url"), d.server.URL("boss", database), 0o600)
	return holdfast("restore", backup, "--into", "file:"+filepath.Join(d.dir, "restore.url"), "-i", d.identity)
}

func (d *django) mails(t *testing.T) {
	got := tally(t, d.mail)
	for pattern, want := range map[string]int{
		"CRITICAL: pythonanywhere/db: the newest good backup is 27h old":                          1,
		"RESOLVED: pythonanywhere/db: the newest good backup is … old":                            1,
		"WARNING: pythonanywhere/db: the newest good backup is …, much smaller than the usual …":  1,
		"RESOLVED: pythonanywhere/db: the newest good backup is …, much smaller than the usual …": 1,
	} {
		if n := got.take(pattern); n != want {
			t.Errorf("told %d times, want %d: %s", n, want, pattern)
		}
	}
	if len(got) > 0 {
		t.Errorf("told besides: %v", got)
	}
}

func (d *django) one(t *testing.T) {
	newest := d.held["home media"][0].at
	picture := filepath.Join(d.media, d.picture(newest.AddDate(0, 0, -20)))
	dir := filepath.Join(d.dir, "one")
	d.want(d.operator("restore", "media", "--path", picture, "--to", dir, "-i", d.identity), 0)
	if read(t, filepath.Join(dir, "media", picture)) != read(t, picture) {
		t.Error("the picture is not what it was")
	}
}

// kept compares both jobs with what should be there of them.
func (d *django) kept(t *testing.T) {
	d.keeps(t, "home", "db")
	d.keeps(t, "home", "media")
	if db, media := len(d.held["home db"]), len(d.held["home media"]); db != 30 || media != 10 {
		t.Errorf("of db and media %d and %d should be there, want 30 and 10", db, media)
	}
}

// siteContents is what the site holds of what is backed up.
type siteContents struct {
	rows  string
	files map[string]string
}

func (d *django) contents(t *testing.T) siteContents {
	t.Helper()
	return siteContents{testenv.Mysql(t, d.database, djangoRows), d.uploads(t, d.media)}
}

// same compares what came back into a database and into a directory.
func (d *django) same(t *testing.T, want siteContents, database, dir string) {
	t.Helper()
	if diff := cmp.Diff(want.rows, testenv.Mysql(t, database, djangoRows)); diff != "" {
		t.Errorf("rows: want - got +\n%s", diff)
	}
	if diff := cmp.Diff(want.files, d.uploads(t, filepath.Join(dir, d.media))); diff != "" {
		t.Errorf("files: want - got +\n%s", diff)
	}
}

// lose removes the host, and with it database and uploads.
func (d *django) lose(t *testing.T) {
	testenv.Mysql(t, "", "DROP DATABASE `"+d.database+"`")
	must(t, os.RemoveAll(d.media))
	must(t, os.RemoveAll(d.host.dir))
}

// disaster restores, on machines that have nothing of the host, what was there at the
// last backups.
func (d *django) disaster(t *testing.T) {
	d.served("media")
	d.serve()
	want := d.contents(t)
	d.lose(t)
	t.Run("with tickets and the identity alone", func(t *testing.T) {
		m, database := d.bare(t), d.server.Database(t)
		m.mycnf(t, d.server)
		m.paste(t, d.ticket("db"), "DATABASE="+database)
		m.paste(t, d.ticket("media"))
		d.same(t, want, database, filepath.Join(m.dir, "media"))
	})
	t.Run("with holdfast and an operator's key", func(t *testing.T) {
		m, database := d.bare(t), d.server.Database(t)
		d.want(d.into("db", database, m.holdfast), 0)
		d.want(m.holdfast("restore", "media", "--to", ".", "-i", "identity.txt"), 0)
		d.same(t, want, database, filepath.Join(m.dir, "media"))
	})
}

// uploads describes what of a directory is backed up.
func (d *django) uploads(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := describe(t, dir)
	for path := range all {
		if strings.HasPrefix(path, "CACHE/") || strings.HasSuffix(path, ".tmp") {
			delete(all, path)
		}
	}
	return all
}
