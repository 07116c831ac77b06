package b2

import (
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

func days(n int) *int { return &n }

func TestPosture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		set      func(s *standin.Server)
		want     holdfast.Posture
		says     string // what Settings says is wrong
		tidy     bool
		isPublic bool
	}{
		{"as it should be", func(*standin.Server) {}, holdfast.Posture{Versioning: holdfast.On, Private: holdfast.On}, "", false, false},
		{"public", func(s *standin.Server) { s.SetBucketType("allPublic") }, holdfast.Posture{Versioning: holdfast.On, Private: holdfast.Off}, "", false, true},
		{"hides backups", func(s *standin.Server) { s.SetLifecycle(standin.LifecycleRule{Prefix: "", HideAfter: days(30)}) },
			holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.On}, "hides backups 30 days", false, false},
		{"keeps the last version only", func(s *standin.Server) {
			s.SetLifecycle(standin.LifecycleRule{Prefix: "acme/", DeleteHidden: days(1)})
		}, holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.On}, "deletes hidden backups after 1 days", true, false},
		{"of one host's", func(s *standin.Server) {
			s.SetLifecycle(standin.LifecycleRule{Prefix: "acme/backups/web1/", DeleteHidden: days(7)})
		}, holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.On}, "after 7 days", false, false},
		{"late enough", func(s *standin.Server) {
			s.SetLifecycle(standin.LifecycleRule{Prefix: "acme/", DeleteHidden: days(90)})
		},
			holdfast.Posture{Versioning: holdfast.On, Private: holdfast.On}, "", true, false},
		{"tidies state and other prefixes", func(s *standin.Server) {
			s.SetLifecycle(standin.LifecycleRule{Prefix: "acme/state/", DeleteHidden: days(1)}, standin.LifecycleRule{Prefix: "logs/", HideAfter: days(1)})
		}, holdfast.Posture{Versioning: holdfast.On, Private: holdfast.On}, "", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			v := newVault(t, s)
			must(t, v.Put(t.Context(), manifest, []byte("{}")))
			c.set(s) // what is read has to be as it is now
			got, err := v.Posture(t.Context())
			must(t, err)
			if got.Private != c.want.Private || got.Versioning != c.want.Versioning || got.HiddenCount != 0 {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			settings, err := v.Settings(t.Context())
			must(t, err)
			if said := strings.Join(settings.Wrong, "\n"); !strings.Contains(said, c.says) || (c.says == "") != (said == "") {
				t.Errorf("wrong: got %q, want %q", said, c.says)
			}
			if settings.Tidy != c.tidy || settings.Public != c.isPublic {
				t.Errorf("got %+v", settings)
			}
		})
	}
}
