package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// The last lines of a whole dump. Since 15.14 and its sisters pg_dump brackets
// the dump with \restrict KEY and \unrestrict KEY, where the latter is the last
// line of all.
var (
	databaseTrailer = regexp.MustCompile(`(?:\A|\n)--\n-- PostgreSQL database dump complete\n--\n+(?:\\unrestrict ([A-Za-z0-9]+)\n+)?\z`)
	clusterTrailer  = regexp.MustCompile(`(?:\A|\n)--\n-- PostgreSQL database cluster dump complete\n--\n+\z`)
)

// plainCheck proves a dump in SQL by its trailer.
type plainCheck struct {
	trailer *regexp.Regexp
	tail    *watch.Tail
	lines   watch.Lines

	restrict       []byte // key of \restrict, if the dump has one
	server, dumper string
	tables         int64
	header         bool // still before the first statement
}

func newPlainCheck(trailer *regexp.Regexp) *plainCheck {
	c := &plainCheck{trailer: trailer, tail: watch.NewTail(512), header: true}
	c.lines.See = c.see
	return c
}

// Write never fails.
func (c *plainCheck) Write(p []byte) (int, error) {
	c.lines.Write(p)
	return c.tail.Write(p)
}

var (
	tableComment = []byte("-- Name: ")
	tableType    = []byte("; Type: TABLE; Schema: ")
)

// see reads the comments that pg_dump puts in the header and above each table.
func (c *plainCheck) see(line []byte) {
	if len(line) == 0 || !c.header && line[0] != '-' {
		return
	}
	if bytes.HasPrefix(line, tableComment) && bytes.Contains(line, tableType) {
		c.tables++
	}
	if !c.header {
		return
	}
	if key, ok := bytes.CutPrefix(line, []byte(`\restrict `)); ok {
		c.restrict = bytes.Clone(key)
	} else if v, ok := bytes.CutPrefix(line, []byte("-- Dumped from database version ")); ok {
		c.server = string(v)
	} else if v, ok := bytes.CutPrefix(line, []byte("-- Dumped by pg_dump version ")); ok {
		c.dumper = string(v)
	} else if line[0] != '-' {
		c.header = false
	}
}

func (c *plainCheck) Check() error {
	if c.tail.Total() == 0 {
		return errors.New("it is empty")
	}
	match := c.trailer.FindSubmatch(c.tail.Bytes())
	if match == nil {
		return fmt.Errorf("it does not end with pg_dump's last line, %q", "-- PostgreSQL database … dump complete")
	}
	if c.trailer == databaseTrailer && !bytes.Equal(match[1], c.restrict) {
		return errors.New(`it begins with \restrict and does not end with the same \unrestrict`)
	}
	return nil
}

func (c *plainCheck) describe(f *holdfast.Facts) {
	if c.server != "" {
		f.Engine = "PostgreSQL " + c.server
	}
	if c.dumper != "" {
		f.Tool = "pg_dump " + c.dumper
	}
	if c.trailer == databaseTrailer {
		f.Stats = map[string]int64{"tables": c.tables}
	}
}
