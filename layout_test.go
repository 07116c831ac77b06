package holdfast

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	ref := Ref{"web1", "crm", "20251028T140000Z-9f3c2a7d"}
	for _, file := range []string{"crm.sql.zst.age", ManifestFile, HoldFile, "A_b-1"} {
		got, gotFile, ok := ParseKey(ref.Key(file))
		if !ok || got != ref || gotFile != file {
			t.Errorf("%s: got %v, %q, %v", ref.Key(file), got, gotFile, ok)
		}
	}
	const base = "backups/web1/crm/20251028T140000Z-9f3c2a7d/"
	for _, key := range []string{
		"", "backups", "backups/", base, strings.TrimSuffix(base, "/"), base + "a/b", "/" + base + "a", "x/" + base + "a", base + "..", base + ".", base + "a..b",
		base + ".hidden", base + "a.", base + "a b", base + "a\x00", base + "a\n", base + "ä", base + strings.Repeat("a", 129),
		"backups/../web1/crm/20251028T140000Z-9f3c2a7d/a", "backups/../../20251028T140000Z-9f3c2a7d/a", "backups//crm/20251028T140000Z-9f3c2a7d/a",
		"backups/Web1/crm/20251028T140000Z-9f3c2a7d/a", "backups/web1/crm/latest/a", "reports/web1/crm/20251028T140000Z-9f3c2a7d/a",
	} {
		if ref, file, ok := ParseKey(key); ok {
			t.Errorf("%q: got %v, %q", key, ref, file)
		}
	}
}

func TestRefCheck(t *testing.T) {
	good := Ref{"web1", "crm", "20251028T140000Z-9f3c2a7d"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Ref{{}, {"", "crm", good.ID}, {"web1", "", good.ID}, {"web1", "crm", ""}, {"-a", "crm", good.ID}, {"web1", "c/m", good.ID},
		{strings.Repeat("a", 64), "crm", good.ID}} {
		if bad.Check() == nil {
			t.Errorf("%v: got no error", bad)
		}
	}
}

// Whatever ParseKey takes is the one spelling of that key, and leads nowhere else.
func FuzzParseKey(f *testing.F) {
	for _, key := range []string{
		"backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json", "backups/web1/crm/20251028T140000Z-9f3c2a7d/crm.sql.zst.age",
		"backups/../../etc/passwd", "backups/web1/crm/20251028T140000Z-9f3c2a7d/..", "backups/web1/../20251028T140000Z-9f3c2a7d/a", "backups//web1//",
		"state/a", "backups/web1/crm/20251028T140000Z-9f3c2a7d/a%2f..",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		ref, file, ok := ParseKey(key)
		if !ok {
			return
		}
		if ref.Check() != nil || strings.ContainsAny(file, "/\\\x00") || strings.Contains(key, "..") {
			t.Errorf("%q: accepted as %v, %q", key, ref, file)
		}
		if ref.Key(file) != key || path.Clean(key) != key || !strings.HasPrefix(key, JobPrefix(ref.Host, ref.Job)) {
			t.Errorf("%q: is %q", key, ref.Key(file))
		}
	})
}

// badKeys would leave a vault's root, reach its own files, be the same file as another
// key, or come back from a listing as another.
var badKeys = []string{
	"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "a//b", "a/", ".tmp/x", ".uploads/x",
	"a/.hidden", ".state.lock", "state/../.state.lock", "a/.x.begun/y", "a\\b", "a\x00b", "a\nb", "a\x7f", "\xff",
	"a\ufffe", "a\uffff", strings.Repeat("a/", MaxKey/2) + "b",
}

func TestCheckKey(t *testing.T) {
	for _, key := range badKeys {
		if CheckKey(key, MaxKey) == nil {
			t.Errorf("%q was accepted", key)
		}
	}
	for _, key := range []string{"backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json", "a b", "ä", "a.", "a..b", strings.Repeat("a/", MaxKey/2-1) + "bb"} {
		if err := CheckKey(key, 255); err != nil {
			t.Error(err)
		}
	}
	for _, most := range []int{255, 248} {
		name := strings.Repeat("n", most)
		if err := CheckKey("a/"+name+"/b", most); err != nil {
			t.Errorf("%d bytes: %v", most, err)
		}
		if CheckKey("a/"+name+"n/b", most) == nil {
			t.Errorf("%d bytes were accepted", most+1)
		}
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, key := range append([]string{"backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json", "a b", "ä"}, badKeys...) {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key, 255) != nil {
			return
		}
		if !filepath.IsLocal(key) || filepath.Clean(key) != key || strings.Contains("/"+key, "/.") || !fs.ValidPath(key) {
			t.Errorf("%q was accepted", key)
		}
	})
}
