package holdfast

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What lies where in a vault, relative to its prefix:
//
//	backups/<host>/<job>/<id>/<file>          one data object per stream
//	backups/<host>/<job>/<id>/manifest.json   the commit record, written last
//	backups/<host>/<job>/<id>/hold.json       present while the backup is held
//	reports/<host>/<job>/<id>.json            failures and drill results
//	state/…                                   what the monitor remembers
//	scratch/…                                 conformance checks, removed after
const (
	BackupsPrefix = "backups/"
	ReportsPrefix = "reports/"
	StatePrefix   = "state/"
	ScratchPrefix = "scratch/"

	ManifestFile = "manifest.json"
	HoldFile     = "hold.json"
)

// MaxKey is how long a key may be, in bytes: as long as S3 and B2 let one be, and what
// stands before the keys of a vault there is part of it.
const MaxKey = 1024

// CheckKey returns an error unless the key is one that every kind of vault takes
// whose names may have maxSegment bytes between two slashes: no empty segment, none
// that begins with a dot, and nothing that some system takes for a separator or an
// end, or that XML can't carry, in which listings come.
func CheckKey(key string, maxSegment int) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\ufffe' || r == '\uffff' }
	if key == "" || len(key) > MaxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, bad) {
		return fmt.Errorf("key %q: not usable in a vault", key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' || len(segment) > maxSegment {
			return fmt.Errorf("key %q: not usable in a vault", key)
		}
	}
	return nil
}

// JobPrefix returns the prefix of all backups of one job of one host.
func JobPrefix(host, job string) string { return BackupsPrefix + host + "/" + job + "/" }

// ReportPrefix returns the prefix of all reports of one job of one host.
func ReportPrefix(host, job string) string { return ReportsPrefix + host + "/" + job + "/" }

// ReportKey returns the key of the report with that id.
func ReportKey(host, job string, id ID) string {
	return ReportPrefix(host, job) + string(id) + ".json"
}

// Ref points at one backup.
type Ref struct {
	Host string `json:"host"`
	Job  string `json:"job"`
	ID   ID     `json:"id"`
}

// String returns the selector that finds exactly this backup: "web1/crm@<id>".
func (r Ref) String() string { return r.Host + "/" + r.Job + "@" + string(r.ID) }

// Key returns the key of a file of the backup.
func (r Ref) Key(file string) string { return JobPrefix(r.Host, r.Job) + string(r.ID) + "/" + file }

// ManifestKey returns the key of the manifest: the backup exists if and only if it does.
func (r Ref) ManifestKey() string { return r.Key(ManifestFile) }

// HoldKey returns the key of the object that pins the backup while it exists.
func (r Ref) HoldKey() string { return r.Key(HoldFile) }

// Check returns an error unless all three parts are well formed. Whatever comes
// from outside passes it before it becomes part of a key.
func (r Ref) Check() error {
	if err := CheckName("host", r.Host); err != nil {
		return err
	}
	if err := CheckName("job", r.Job); err != nil {
		return err
	}
	_, err := ParseID(string(r.ID))
	return err
}

// ParseKey splits the key of a file of a backup. ok is false for every other
// key, also for one with a malformed host, job, id or file name.
func ParseKey(key string) (ref Ref, file string, ok bool) {
	rest, ok := strings.CutPrefix(key, BackupsPrefix)
	if !ok {
		return Ref{}, "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 4 {
		return Ref{}, "", false
	}
	ref, file = Ref{parts[0], parts[1], ID(parts[2])}, parts[3]
	if ref.Check() != nil {
		return Ref{}, "", false
	}
	if file != ManifestFile && file != HoldFile && CheckFile(file) != nil {
		return Ref{}, "", false
	}
	return ref, file, true
}
