package postgres

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/holdfast-backup/holdfast"
)

// Archive proves that what is written to it is one whole archive in pg_dump's
// custom format, which pg_restore --list does not: it reads the contents and
// leaves the data alone. It follows src/bin/pg_dump/pg_backup_archiver.c and
// pg_backup_custom.c: header, table of contents, then for every entry that has
// data one block, each to its terminator, and nothing after.
//
// It needs memory for the ids of the tables that have data, whatever their size.
// Not safe for concurrent use.
type Archive struct {
	input   []byte           // what is left of the present Write
	scratch [keepString]byte // for a value that two Writes share
	resume  func() (struct{}, bool)
	stop    func()
	more    func(struct{}) bool // ends the turn of the parser until the next Write

	err  error // why the parser stopped; io.EOF after a whole archive
	size int64
	eof  bool // no Write will follow

	version                 int // major<<8 | minor
	intSize, offSize        int
	serverVersion, dumpTool string
	tables                  int64
	pending                 map[int64]bool // entries whose data is still to come
}

// Versions of the format that are understood: those of pg_dump 9.0 to 18.
const (
	oldestVersion = 1<<8 | 12
	version114    = 1<<8 | 14 // entries have an access method
	version115    = 1<<8 | 15 // the header names the compression in one byte
	version116    = 1<<8 | 16 // entries have a relation kind
	newestVersion = version116
)

// NewArchive returns an Archive to write to. Stop must be called in the end.
func NewArchive() *Archive {
	a := &Archive{pending: make(map[int64]bool)}
	// The parser is straight code that asks for bytes; a coroutine lets Write
	// hand them over without a goroutine or a copy.
	a.resume, a.stop = iter.Pull(func(yield func(struct{}) bool) {
		a.more = yield
		a.err = a.parse()
	})
	return a
}

// Stop frees what the Archive holds. It may be called again.
func (a *Archive) Stop() { a.stop() }

// Write fails as soon as p cannot belong to an archive.
func (a *Archive) Write(p []byte) (int, error) {
	a.size += int64(len(p))
	a.input = p
	for len(a.input) > 0 && a.err == nil {
		a.resume()
	}
	a.input = nil
	if a.err != nil && a.err != io.EOF {
		return 0, fmt.Errorf("custom format: %w", a.err)
	}
	return len(p), nil
}

// Check returns nil if what was written is one whole archive. No Write may follow.
func (a *Archive) Check() error {
	if a.size == 0 {
		return errors.New("it is empty")
	}
	a.eof = true
	if a.err == nil {
		a.resume()
	}
	switch {
	case a.err == io.EOF:
		return nil
	case a.err == nil:
		return errors.New("custom format: parser was stopped")
	}
	return fmt.Errorf("custom format: %w", a.err)
}

func (a *Archive) describe(f *holdfast.Facts) {
	f.Engine, f.Tool = "PostgreSQL "+a.serverVersion, "pg_dump "+a.dumpTool
	f.Stats = map[string]int64{"tables": a.tables}
}

// parse returns io.EOF after a whole archive.
func (a *Archive) parse() error {
	if err := a.parseHeader(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if err := a.parseContents(); err != nil {
		return fmt.Errorf("table of contents: %w", err)
	}
	for len(a.pending) > 0 {
		if err := a.parseBlock(); err != nil {
			return fmt.Errorf("data (%d of its blocks are still to come): %w", len(a.pending), err)
		}
	}
	if !a.atEnd() {
		return errors.New("more bytes after the last block")
	}
	return io.EOF
}

func (a *Archive) parseHeader() error {
	magic, err := a.bytes(5)
	if err != nil {
		return err
	}
	if string(magic) != "PGDMP" {
		return errors.New("does not begin with PGDMP")
	}
	b, err := a.bytes(6)
	if err != nil {
		return err
	}
	a.version, a.intSize, a.offSize = int(b[0])<<8|int(b[1]), int(b[3]), int(b[4])
	if a.version < oldestVersion || a.version > newestVersion {
		return fmt.Errorf("archive version %d.%d is not known here, so the dump cannot be proven whole; use format: plain", b[0], b[1])
	}
	if a.intSize < 2 || a.intSize > 8 || a.offSize < 2 || a.offSize > 8 {
		return fmt.Errorf("integers of %d and offsets of %d bytes", a.intSize, a.offSize)
	}
	if b[5] != 1 {
		return fmt.Errorf("archive format %d is not custom (1)", b[5])
	}
	if a.version >= version115 {
		_, err = a.bytes(1) // compression
	} else {
		_, err = a.int()
	}
	for range 7 { // time of the dump
		if err == nil {
			_, err = a.int()
		}
	}
	if err == nil {
		_, err = a.string() // database
	}
	if err == nil {
		a.serverVersion, err = a.string()
	}
	if err == nil {
		a.dumpTool, err = a.string()
	}
	return err
}

func (a *Archive) parseContents() error {
	n, err := a.int()
	if err != nil {
		return err
	}
	if n < 0 {
		return fmt.Errorf("%d entries", n)
	}
	for i := range n {
		if err := a.parseEntry(); err != nil {
			return fmt.Errorf("entry %d of %d: %w", i+1, n, err)
		}
	}
	return nil
}

func (a *Archive) parseEntry() error {
	id, err := a.int()
	if err != nil {
		return err
	}
	data, err := a.int()
	if err != nil {
		return err
	}
	// table oid, oid, tag
	if err := a.skipStrings(3); err != nil {
		return err
	}
	kind, err := a.string()
	if err != nil {
		return err
	}
	if kind == "TABLE" {
		a.tables++
	}
	if _, err := a.int(); err != nil { // section
		return err
	}
	// definition, drop statement, copy statement, namespace, tablespace
	if err := a.skipStrings(5); err != nil {
		return err
	}
	if a.version >= version114 {
		if err := a.skipStrings(1); err != nil {
			return err
		}
	}
	if a.version >= version116 {
		if _, err := a.int(); err != nil {
			return err
		}
	}
	// owner, with oids
	if err := a.skipStrings(2); err != nil {
		return err
	}
	for { // ids of what it depends on, ended by a null
		if _, null, err := a.stringOrNull(); err != nil {
			return err
		} else if null {
			break
		}
	}
	if _, err := a.bytes(1 + a.offSize); err != nil { // where its data is, unknown while streaming
		return err
	}
	if data == 1 {
		if a.pending[id] {
			return fmt.Errorf("id %d occurs twice", id)
		}
		a.pending[id] = true
	} else if data != 0 {
		return fmt.Errorf("data flag %d", data)
	}
	return nil
}
