package restore

import (
	"bytes"
	"io"
	"regexp"
	"slices"
)

// psqlFilter passes a plain dump on to psql. psql runs what stands behind a
// backslash outside of quotes and COPY data, on the machine it runs on, and a
// dump is what its host says it is. So psql is told first to refuse all of these
// commands (\restrict, which pg_dump has its dumps do as well), and the filter
// stops at what gets around that. It drops the dump's own \restrict, which psql
// would refuse as a second one, and the \unrestrict of the same key. It changes
// nothing else, and its memory does not grow with the dump or with its lines.
//
// It does not follow quotes and COPY, because whether psql is in one depends on
// what the server answers; the price is that a dump which holds one of these
// texts as data is refused too.
type psqlFilter struct {
	w io.Writer
	// refused are the texts that end it. None in a dump that is trusted.
	refused [][]byte

	buf    []byte // not passed on yet
	inBody bool   // the header, before the first statement, is over
	own    []byte // the dump's own \unrestrict, until it has come; nil if it has none
	last   byte   // passed on, of the body
}

// What gets around \restrict, each seen to work with psql 15.18.
var (
	// psql runs what stands in backquotes as the key of \unrestrict before it
	// compares the key.
	unrestrict = []byte(`\unrestrict`)
	// psql drops the bytes from a zero byte to the end of the line or of its
	// buffer, and so puts together a word that nobody else sees.
	zeroByte = []byte{0}
	// psql puts in the value of this variable, backslashes and all. Nothing else
	// that a server says can be used so, and this only where psql goes on after
	// an error.
	lastError = []byte(":LAST_ERROR_MESSAGE")
)

// getsAround are the texts refused in a dump during which an error ends psql.
func getsAround() [][]byte { return [][]byte{unrestrict, zeroByte} }

const (
	// maxHeader is how far into a dump its \restrict is looked for, in bytes. In
	// dumps of pg_dump it comes after some 50.
	maxHeader = 16 << 10
	// filterChunk is how much is looked through at once, in bytes.
	filterChunk = 64 << 10
)

var ownRestrict = regexp.MustCompile(`^\\restrict ([A-Za-z0-9]{1,256})$`)

// Write implements io.Writer.
func (f *psqlFilter) Write(p []byte) (int, error) {
	for chunk := range slices.Chunk(p, filterChunk) {
		f.buf = append(f.buf, chunk...)
		if err := f.pass(false); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// end passes on what was kept; nothing follows.
func (f *psqlFilter) end() error { return f.pass(true) }

func (f *psqlFilter) pass(final bool) error {
	if !f.inBody && !f.header(final) {
		return nil
	}
	keep, err := f.body(final)
	if err != nil {
		return err
	}
	if err := f.emit(len(f.buf) - keep); err != nil {
		return err
	}
	return nil
}

// emit passes on and forgets the first n bytes kept.
func (f *psqlFilter) emit(n int) error {
	if n == 0 {
		return nil
	}
	f.last = f.buf[n-1]
	_, err := f.w.Write(f.buf[:n])
	f.drop(n)
	return err
}

func (f *psqlFilter) drop(n int) { f.buf = f.buf[:copy(f.buf, f.buf[n:])] }

// header looks for \restrict among the comments and blank lines that a dump
// begins with, and removes it. It reports whether the header is over.
func (f *psqlFilter) header(final bool) bool {
	f.last = '\n'
	for at := 0; ; {
		length := bytes.IndexByte(f.buf[at:], '\n')
		if length < 0 {
			// Without its end the line can't be told yet.
			f.inBody = final || len(f.buf) >= maxHeader
			return f.inBody
		}
		line := f.buf[at : at+length]
		if key := ownRestrict.FindSubmatch(line); key != nil {
			f.own = append(append([]byte{}, `\unrestrict `...), key[1]...)
			f.buf = slices.Delete(f.buf, at, at+length+1)
			f.inBody = true
			return true
		}
		if len(bytes.TrimSpace(line)) > 0 && !bytes.HasPrefix(line, []byte("--")) {
			f.inBody = true
			return true
		}
		at += length + 1
	}
}

// body looks through what is kept and returns how much of its end has to stay,
// because something may begin there.
func (f *psqlFilter) body(final bool) (keep int, err error) {
	for from := 0; f.own != nil; {
		at := bytes.Index(f.buf[from:], unrestrict)
		if at < 0 {
			break
		}
		at += from
		from = at + 1
		if f.before(at) != '\n' {
			continue
		}
		line, whole := f.buf[at:], final
		if length := bytes.IndexByte(line[:min(len(f.own)+1, len(line))], '\n'); length >= 0 {
			line, whole = line[:length], true
		}
		if !whole && len(line) <= len(f.own) && bytes.HasPrefix(f.own, line) {
			keep = len(line) // the rest of the line says
			break
		}
		if !whole || !bytes.Equal(line, f.own) {
			continue
		}
		if err := f.check(f.buf[:at]); err != nil {
			return 0, err
		}
		if err := f.emit(at); err != nil {
			return 0, err
		}
		f.drop(min(len(f.own)+1, len(f.buf)))
		f.own = nil
	}
	if err := f.check(f.buf[:len(f.buf)-keep]); err != nil || final {
		return 0, err
	}
	keep = max(keep, f.begun(unrestrict))
	for _, text := range f.refused {
		keep = max(keep, f.begun(text))
	}
	return keep, nil
}

// before returns the byte before that place.
func (f *psqlFilter) before(at int) byte {
	if at == 0 {
		return f.last
	}
	return f.buf[at-1]
}

// begun returns how many of the last bytes kept are the beginning of text, but
// not all of it.
func (f *psqlFilter) begun(text []byte) int {
	for n := min(len(text)-1, len(f.buf)); n > 0; n-- {
		if bytes.HasSuffix(f.buf, text[:n]) {
			return n
		}
	}
	return 0
}

// check returns an error if what is about to be passed on holds a refused text.
func (f *psqlFilter) check(p []byte) error {
	for _, text := range f.refused {
		if bytes.Contains(p, text) {
			return errGetsAround
		}
	}
	return nil
}
