package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// stream writes the pages of one read transaction. They are those of the last
// commit before it began, whatever writers do meanwhile.
func (db *database) stream(ctx context.Context, w io.Writer) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return db.fail(err)
	}
	defer tx.Rollback()
	var pages, size int64
	if err := tx.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return db.fail(err)
	}
	if err := tx.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size); err != nil {
		return db.fail(err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT pgno, data FROM sqlite_dbpage('main') ORDER BY pgno")
	if err != nil {
		return db.fail(err)
	}
	defer rows.Close()
	var number, written int64
	var page sql.RawBytes
	for rows.Next() {
		if ctx.Err() != nil { // rows notices some pages later
			return db.fail(context.Cause(ctx))
		}
		if err := rows.Scan(&number, &page); err != nil {
			return db.fail(err)
		}
		written++
		if number != written || int64(len(page)) != size {
			return db.fail(fmt.Errorf("page %d has %d bytes where page %d of %d bytes should be", number, len(page), written, size))
		}
		if number == 1 {
			if err := checkHeader(page, pages, size); err != nil {
				return db.fail(err)
			}
		}
		if _, err := w.Write(page); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return db.fail(err)
	}
	if written != pages || pages == 0 {
		return db.fail(fmt.Errorf("has %d pages, of which %d were read", pages, written))
	}
	return nil
}

// copyAndStream copies the database with the online backup API into a private
// temporary file, which is gone before the first byte is written to w.
func (db *database) copyAndStream(ctx context.Context, tempDir string, w io.Writer) error {
	dir, err := os.MkdirTemp(tempDir, "holdfast-sqlite-")
	if err != nil {
		return fmt.Errorf("make a directory for the copy: %w", err)
	}
	defer os.RemoveAll(dir)
	file, err := os.OpenFile(filepath.Join(dir, "copy"), os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	defer file.Close()
	if err := db.backup(ctx, file.Name()); err != nil {
		return db.fail(err)
	}
	// An open file without a name is left behind by no kind of crash.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the copy: %w", err)
	}
	header := make([]byte, headerSize)
	if _, err := file.ReadAt(header, 0); err != nil {
		return db.fail(fmt.Errorf("read the copy: %v", err))
	}
	info, err := file.Stat()
	if err != nil {
		return db.fail(err)
	}
	size := pageSize(header)
	if info.Size() == 0 || size == 0 || info.Size()%size != 0 {
		return db.fail(fmt.Errorf("the copy has %d bytes in pages of %d", info.Size(), size))
	}
	if err := checkHeader(header, info.Size()/size, size); err != nil {
		return db.fail(err)
	}
	n, err := io.Copy(w, &interruptible{ctx, file})
	if err == nil && n != info.Size() {
		err = db.fail(fmt.Errorf("the copy has %d bytes, of which %d were read", info.Size(), n))
	}
	return err
}

// stepPages is how many pages are copied between two looks at the context. The
// read lock is held from the first to the last all the same: without it every
// write of another process would make the copy start again.
const stepPages = 4096

func (db *database) backup(ctx context.Context, path string) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var pages int64
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&pages); err != nil { // takes the lock
		return err
	}
	if err := tx.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return err
	}
	return db.Raw(func(conn any) error {
		source, ok := conn.(interface {
			NewBackup(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("driver has no online backup")
		}
		u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=rw&_pragma=synchronous(off)&_pragma=journal_mode(off)"}
		b, err := source.NewBackup(u.String())
		if err != nil {
			return err
		}
		more := true
		for more && err == nil {
			if err = ctx.Err(); err == nil {
				more, err = b.Step(stepPages)
			}
		}
		copied := int64(b.PageCount())
		if err = errors.Join(err, b.Finish()); err == nil && copied != pages {
			err = fmt.Errorf("has %d pages, of which %d were copied", pages, copied)
		}
		return err
	})
}

const headerSize = 100

// pageSize returns what the header of a database file says, in bytes.
func pageSize(header []byte) int64 {
	if n := int64(binary.BigEndian.Uint16(header[16:])); n != 1 {
		return n
	}
	return 65536
}

// checkHeader compares the header in the first page with what is known of the
// database. The number of pages in it is valid only if the change counter of
// its last writer is the file's: https://www.sqlite.org/fileformat.html#in_header_database_size
func checkHeader(page []byte, pages, size int64) error {
	if len(page) < headerSize || string(page[:16]) != "SQLite format 3\x00" {
		return errors.New("the first page is not that of a SQLite database")
	}
	if got := pageSize(page); got != size {
		return fmt.Errorf("the header says pages of %d bytes, the database has pages of %d", got, size)
	}
	count := int64(binary.BigEndian.Uint32(page[28:]))
	valid := count != 0 && binary.BigEndian.Uint32(page[24:]) == binary.BigEndian.Uint32(page[92:])
	if valid && count != pages {
		return fmt.Errorf("the header says %d pages, the database has %d", count, pages)
	}
	return nil
}

// interruptible ends a read when the context does.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
