package layout

import (
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func TestWhatAListingPassesOver(t *testing.T) {
	for key, want := range map[string]bool{
		"backups/web1/crm/20251028T140000Z-9f3c2a7d/":     true,
		"backups/web1/crm/20251028T140000Z-9f3c2a7d/sub/": true,
		"backups/web1/crm/junk/":                          true,
		"reports/web1/crm/junk/":                          true,
		"backups/web1/crm/":                               false,
		"backups/web1/":                                   false,
		"backups/":                                        false,
		"reports/web1/crm/":                               false,
		"state/a/b/c/d/":                                  false,
		"scratch/a/b/c/d/":                                false,
		"/":                                               false,
		"":                                                false,
	} {
		if got := PassesOver(key); got != want {
			t.Errorf("%q: got %v, want %v", key, got, want)
		}
		// What is shown in its place is no object's key, and no file of a backup.
		if _, _, ok := holdfast.ParseKey(key); want && (ok || holdfast.CheckKey(key, MaxName) == nil) {
			t.Errorf("%q could be an object's", key)
		}
	}
}
