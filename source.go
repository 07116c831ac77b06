package holdfast

import (
	"context"
	"io"
)

// Source yields one byte stream: a database dump, a tar of files, the output of
// a command. Each lives in a package of internal/source.
type Source interface {
	// File returns the name of the plain stream, e.g. "crm.sql" or "media.tar".
	File() string
	// Dump writes the whole stream to w and returns what it learned. It
	// returns nil only if the stream is proven whole: the tool exited with 0,
	// the stream ends with its own trailer or has its own structure to the
	// last byte, and it is not empty. It stops the tool when ctx ends or w
	// fails. Call it once.
	Dump(ctx context.Context, w io.Writer) (Facts, error)
	// Examine reports, without dumping, whether a Dump is likely to succeed:
	// tools and their versions, login, privileges, readable paths.
	Examine(ctx context.Context) []Examination
}

// Facts is what a Source learned while it dumped; it goes into the manifest.
type Facts struct {
	Kind        string           `json:"kind"`                   // postgres, mysql, sqlite, files, command, stdin
	Engine      string           `json:"engine,omitempty"`       // the server and its version, "PostgreSQL 15.18"
	Tool        string           `json:"tool,omitempty"`         // the dump tool and its version, "pg_dump 15.18"
	Format      string           `json:"format,omitempty"`       // plain, custom, tar, sqlite, …
	Stats       map[string]int64 `json:"stats,omitempty"`        // tables, files, skipped, …
	Warnings    []string         `json:"warnings,omitempty"`     // files that changed or vanished while read, …
	WarningsCut int              `json:"warnings_cut,omitempty"` // how many more there were
}

// MaxWarnings is how many warnings Facts lists before it only counts them.
const MaxWarnings = 100

// warningLength is what Warn cuts a warning to, in bytes.
const warningLength = MaxWarning / 2

// Warn adds a warning, or counts it once MaxWarnings are there. It may name a
// file of any name: what is not printable in it is escaped, and it is cut.
func (f *Facts) Warn(text string) {
	if len(f.Warnings) < MaxWarnings {
		f.Warnings = append(f.Warnings, printableUpTo(text, warningLength))
		return
	}
	f.WarningsCut++
}

// Printable returns the facts with the words that a server or a tool said of
// itself made fit for a manifest.
func (f Facts) Printable() Facts {
	for _, word := range []*string{&f.Kind, &f.Engine, &f.Tool, &f.Format} {
		*word = printableUpTo(*word, MaxWord)
	}
	return f
}

// Examination is one thing looked at before a run, by `pusher doctor`.
type Examination struct {
	Name   string `json:"name"`             // "postgres login"
	OK     bool   `json:"ok"`               // whether it is as it must be
	Detail string `json:"detail,omitempty"` // what was found
	Hint   string `json:"hint,omitempty"`   // what to do about it
}
