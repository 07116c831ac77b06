package layout

import (
	"path/filepath"
	"strings"
	"testing"
)

// badKeys would leave the root, reach the vault's own files, or be the same file as
// another key.
var badKeys = []string{
	"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "a//b", "a/", ".tmp/x", ".uploads/x",
	"a/.hidden", ".state.lock", "state/../.state.lock", "a/.x.begun/y", "a\\b", "a\x00b", "\xff",
}

func TestKeys(t *testing.T) {
	for _, key := range badKeys {
		if CheckKey(key, MaxName) == nil {
			t.Errorf("%q was accepted", key)
		}
	}
	for _, key := range []string{"backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json", "a b", "ä", "a.", "a..b"} {
		if err := CheckKey(key, MaxName); err != nil {
			t.Error(err)
		}
	}
	for size, max := range map[int]int{255: MaxName, 248: MaxMarkedName} {
		name := strings.Repeat("n", size)
		if err := CheckKey("a/"+name+"/b", max); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if CheckKey("a/"+name+"n/b", max) == nil {
			t.Errorf("%d bytes were accepted", size+1)
		}
	}
	if mark := BegunMark(strings.Repeat("n", MaxMarkedName)); len(mark) != MaxName || len(DoneMark("n")) > len(BegunMark("n")) {
		t.Errorf("the mark of the longest name has %d bytes, want %d", len(mark), MaxName)
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, key := range append([]string{"backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json", "a b", "ä"}, badKeys...) {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key, MaxName) != nil {
			return
		}
		if !filepath.IsLocal(key) || filepath.Clean(key) != key || strings.Contains("/"+key, "/.") {
			t.Errorf("%q was accepted", key)
		}
	})
}
