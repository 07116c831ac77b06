package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// recipients returns what is said of who can decrypt.
func recipients(t *testing.T, o doctor.Options) holdfast.Examination {
	t.Helper()
	for _, e := range doctor.Run(t.Context(), o).Host {
		if e.Name == "recipients" {
			return e
		}
	}
	t.Fatal("nothing is said of recipients")
	return holdfast.Examination{}
}

func TestAKeyThatExpiresIsToldInTime(t *testing.T) {
	g, w := testenv.NewGPG(t), newWorld(t)
	path := filepath.Join(t.TempDir(), "key.asc")
	w.options.Config.EncryptTo = config.EncryptTo{OpenPGP: []string{path}}
	w.options.Recipients = func() (stream.Recipients, error) {
		keys, err := stream.ReadPublicKeys([]string{path}, w.options.Now())
		if err != nil {
			return stream.Recipients{}, err
		}
		return stream.OpenPGP(keys...)
	}
	export := func(key []string) string {
		must(t, os.WriteFile(path, g.Run(nil, "--armor", "--export", key[0]), 0o600))
		return strings.Join(key, "/")
	}
	now := time.Now()
	for _, tt := range []struct {
		name, expire string
		ok           bool
		want         string
	}{
		{"never", "0", true, ""},
		{"in a year", "1y", true, " until " + now.AddDate(0, 0, 365).UTC().Format("2006")},
		{"in two weeks", "2w", false, "expires on "},
	} {
		name := export(g.Key("ed25519", "cv25519", tt.expire, ""))
		e := recipients(t, w.options)
		if e.OK != tt.ok || !strings.Contains(e.Detail, name) || !strings.Contains(e.Detail, tt.want) || e.OK == (e.Hint != "") {
			t.Errorf("%s: got %+v", tt.name, e)
		}
	}
	w.options.Now = func() time.Time { return now.AddDate(0, 1, 0) }
	if e := recipients(t, w.options); e.OK || !strings.Contains(e.Detail, "has expired") {
		t.Errorf("afterwards: got %+v", e)
	}
}

func TestAPassphraseIsNamedByItsReference(t *testing.T) {
	w := newWorld(t)
	w.options.Config.EncryptTo = config.EncryptTo{Passphrase: "env:PASSPHRASE"}
	for passphrase, ok := range map[string]bool{"correct horse battery staple": true, "hunter2": false} {
		w.options.Recipients = func() (stream.Recipients, error) { return stream.Passphrase(secret.New(passphrase)) }
		e := recipients(t, w.options)
		if e.OK != ok || ok && !strings.Contains(e.Detail, "env:PASSPHRASE") || !ok && e.Hint == "" || strings.Contains(e.Detail, passphrase) {
			t.Errorf("got %+v", e)
		}
	}
}
