package test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// newDjangoSFTP is newDjango where the server at home has nothing but sshd: the account
// sends there by itself, and cron at home thins out and watches.
func newDjangoSFTP(t *testing.T) (*django, *testenv.SSHD) {
	t.Helper()
	r := newRecipe(t, "django-pythonanywhere", "pythonanywhere")
	r.variant, r.serverless = ".sftp", true
	d := newAccount(t, r)
	home := testenv.StartSSHD(t, testenv.SSHDOptions{Home: true})
	r.spots = map[string]string{"home": filepath.Join(home.Dir, "acme")}
	write(t, filepath.Join(r.host.dir, "home.key"), home.Key, 0o600)
	write(t, filepath.Join(r.dir, "owner.key"), home.Key, 0o600)
	delete(r.fills, exampleOperator)
	r.fill(map[string]string{
		"host: backup.example.com": "host: " + home.Host,
		"host: localhost":          "host: " + home.Host,
		"port: 2222":               fmt.Sprint("port: ", home.Port),
		"user: holdfast-in\n":      "user: " + home.User + "\n",
		"SHA256:uNiVztksCsDhcc0u9e8BrsKW7dHFCw2ouqOPdByzO+E": home.Fingerprint,
	})
	return d, home
}

func TestTheDjangoRecipeBySFTPOverThreeMonths(t *testing.T) {
	t.Parallel()
	d, home := newDjangoSFTP(t)
	d.begin()
	d.nights(45)
	d.sunset() // and the task did not run
	d.later(3 * time.Hour)
	d.look()
	d.nights(5)
	t.Run("a table that was emptied comes back", d.emptied)
	d.nights(35)
	t.Run("what is kept", d.kept)
	t.Run("mails", d.mails)
	t.Run("one file comes back", d.one)
	t.Run("the host is gone", func(t *testing.T) { d.byHand(t, home) })
}

// byHand loses the host and restores with the programs of a bare machine, from what
// the manifests say in words.
func (d *django) byHand(t *testing.T, home *testenv.SSHD) {
	d.push("media")
	want := d.contents(t)
	id := d.stored("home", "media")[0].ID
	d.lose(t)
	m, database := d.bare(t), d.server.Database(t)
	m.mycnf(t, d.server)
	m.fetch(t, home, "acme/backups/pythonanywhere/db/"+d.held["home db"][0].id)
	m.obey(t, map[string]string{"DATABASE": database})
	m.fetch(t, home, "acme/backups/pythonanywhere/media/"+id)
	m.obey(t, map[string]string{"DIRECTORY": "."})
	d.same(t, want, database, m.dir)
}
