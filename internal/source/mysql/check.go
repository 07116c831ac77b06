package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// trailer is the last line of a whole dump, with its date unless that was
// switched off.
var trailer = regexp.MustCompile(`(?:\A|\n)-- Dump completed(?: on [0-9]{4}-[0-9]{2}-[0-9]{2} +[0-9]{1,2}:[0-9]{2}:[0-9]{2})?\n\z`)

// check proves a dump by its last line, and reads what it says of itself.
type check struct {
	tail  *watch.Tail
	lines watch.Lines

	engine string
	table  string // whose definition is being read
	tables int64
	loose  []string // "table x is MyISAM"
}

func newCheck() *check {
	c := &check{tail: watch.NewTail(256)}
	c.lines.See = c.see
	return c
}

// Write never fails.
func (c *check) Write(p []byte) (int, error) {
	c.lines.Write(p)
	return c.tail.Write(p)
}

var (
	tableComment  = []byte("-- Table structure for table `")
	endOfTable    = []byte(") ENGINE=")
	serverComment = []byte("-- Server version\t")
)

// see reads the comments above each table and the last line of its definition.
// No row begins like that: the tool writes a line end in a value as \n.
func (c *check) see(line []byte) {
	if rest, ok := bytes.CutPrefix(line, tableComment); ok {
		c.table = string(bytes.TrimSuffix(rest, []byte("`")))
		c.tables++
		return
	}
	if rest, ok := bytes.CutPrefix(line, serverComment); ok && c.engine == "" {
		c.engine = engineName(string(rest))
		return
	}
	if rest, ok := bytes.CutPrefix(line, endOfTable); ok && c.table != "" {
		engine, _, _ := strings.Cut(string(rest), " ")
		switch strings.TrimSuffix(engine, ";") {
		case "MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MRG_MyISAM":
			if len(c.loose) <= holdfast.MaxWarnings {
				c.loose = append(c.loose, fmt.Sprintf("table %q is %s", c.table, engine))
			}
		}
		c.table = ""
	}
}

// engineName returns "MariaDB 10.11.19" for "10.11.19-MariaDB-deb12".
func engineName(version string) string {
	if number, _, ok := strings.Cut(version, "-MariaDB"); ok {
		return "MariaDB " + number
	}
	return "MySQL " + version
}

func (c *check) done() error {
	if c.tail.Total() == 0 {
		return errors.New("it is empty")
	}
	if !trailer.Match(c.tail.Bytes()) {
		return fmt.Errorf("it does not end with the line %q; --compact and --skip-comments leave that out", "-- Dump completed")
	}
	return nil
}
