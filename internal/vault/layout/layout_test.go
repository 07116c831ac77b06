package layout

import "testing"

// What is written here lies in directories that are there already.
func TestWhatLiesWhere(t *testing.T) {
	const id = "ABCDEFGHIJKLMNOPQRSTUVW234"
	for want, got := range map[string]string{
		".tmp/" + id:                        TempPath(id),
		".uploads/" + id:                    UploadDir(id),
		".uploads/" + id + "/upload.json":   UploadPath(id, RecordFile),
		".uploads/" + id + "/data":          UploadPath(id, DataFile),
		"backups/x/.manifest.json.begun":    BegunMark("backups/x/manifest.json"),
		"backups/x/.manifest.json.done":     DoneMark("backups/x/manifest.json"),
		".x.begun":                          BegunMark("x"),
		"state/.document/.0000000042.begun": BegunMark("state/.document/0000000042"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, dir := range []string{TempDir, UploadsDir} {
		if !Own(dir) {
			t.Errorf("%q could be part of a key", dir)
		}
	}
}

func TestIDs(t *testing.T) {
	if a, b := NewID(), NewID(); !IsID(a) || a == b {
		t.Errorf("got %q and %q, want two ids", a, b)
	}
	for _, s := range []string{
		"", "..", "../ABCDEFGHIJKLMNOPQRSTUVW", "ABCDEFGHIJKLMNOPQRSTUVW23", "ABCDEFGHIJKLMNOPQRSTUVW2345",
		"abcdefghijklmnopqrstuvw234", "ABCDEFGHIJKLMNOPQRSTUVW230", "ABCDEFGHIJKLMNOPQRSTUVW234\n",
	} {
		if IsID(s) {
			t.Errorf("%q is taken for an id", s)
		}
	}
}
