package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// copyBuffer is the memory that receiving a part takes, in bytes.
const copyBuffer = 128 << 10

// errBody is a body that is not the one that was signed.
var errBody = errors.New("body differs from what was signed")

// errShort is a second part that is shorter than its place, of which one upload
// has no use: without a bound, each would cost its sender a byte and the vault a
// file.
var errShort = errors.New("another part of this upload is the short one")

// receipt says that a part is stored: 00001.json of part 1.
type receipt struct {
	Size int64  `json:"size"` // bytes
	Sum  string `json:"sha256"`
}

// maxNote is far more than a receipt or a claim has, in bytes.
const maxNote = 1 << 10

func partFile(n int, ext string) string { return fmt.Sprintf("%05d.%s", n, ext) }

// readReceipt returns the receipt of a part; ok is false if there is none, or
// none that says anything, as after a power failure.
func (v *Vault) readReceipt(id string, n int) (r receipt, ok bool) {
	text, err := v.readPlain(layout.UploadPath(id, partFile(n, "json")), maxNote)
	if err != nil {
		return receipt{}, false
	}
	err = json.Unmarshal(text, &r)
	return r, err == nil
}

// writeReceipt is called once the bytes of the part are flushed.
func (v *Vault) writeReceipt(id string, n int, r receipt) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp, err := v.writeTemp(text)
	if err != nil {
		return err
	}
	if err := v.root.Rename(temp, layout.UploadPath(id, partFile(n, "json"))); err != nil {
		v.root.Remove(temp)
		return err
	}
	return v.syncDir(layout.UploadDir(id))
}

// removeReceipt is called before a part is written anew. The flush keeps a power
// failure from bringing the receipt back over other bytes.
func (v *Vault) removeReceipt(id string, n int) error {
	err := v.root.Remove(layout.UploadPath(id, partFile(n, "json")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return v.syncDir(layout.UploadDir(id))
}

// received returns how many bytes the parts of the upload occupy, from the data
// file alone: its holes are parts that did not come. None that can be seen where the
// upload may not be looked into.
func (v *Vault) received(id string) (int64, error) {
	for _, name := range []string{layout.DataFile, sealedFile} {
		info, err := v.root.Lstat(layout.UploadPath(id, name))
		if err == nil {
			return occupied(info), nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return 0, err
		}
	}
	return 0, nil
}

// occupied returns how many bytes of a file are on the disk, as far as its system
// tells; never more than its length.
func occupied(info fs.FileInfo) int64 {
	const block = 512 // bytes, whatever the file system's own are: see stat(2)
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(s.Blocks*block, info.Size())
	}
	return info.Size()
}

// claimShort makes part n the one of the upload that may be shorter than its
// place; errShort if another one is. The first that is sent has the claim for
// good, before its bytes: a part can be short only if it is the last, and which
// one is the last does not change.
func (v *Vault) claimShort(id string, n int) error {
	claim, number := layout.UploadPath(id, shortFile), []byte(strconv.Itoa(n))
	held, err := v.readPlain(claim, maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		var temp string
		if temp, err = v.writeTemp(number); err != nil {
			return err
		}
		defer v.root.Remove(temp)
		if err = v.root.Link(temp, claim); err == nil {
			return v.syncDir(layout.UploadDir(id))
		}
		if errors.Is(err, fs.ErrExist) {
			held, err = v.readPlain(claim, maxNote)
		}
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(held, number) {
		return errShort
	}
	return nil
}

// storePart stores the part that was signed from body. holdfast.ErrNotExist if
// there is no such upload, errBody if the bytes are others, errShort, errBusy,
// holdfast.ErrFull. cut makes a Read of body that is under way fail.
func (v *Vault) storePart(ctx context.Context, c partClaims, body io.Reader, cut func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leave, err := v.sending.enter(sentPart{c.Upload, c.Number}, func() { cancel(); cut() })
	if err != nil {
		return err
	}
	defer leave()
	unlock, err := v.lockUpload(ctx, c.Upload, shared)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := v.readUpload(c.Upload, ""); err != nil {
		return err
	}
	unlockPart, err := v.lockPart(ctx, c.Upload, c.Number)
	if err != nil {
		return err
	}
	defer unlockPart()
	return v.writePart(c, body)
}

// writePart is storePart under its locks.
func (v *Vault) writePart(c partClaims, body io.Reader) error {
	// Never made here: once the upload is sealed there is none.
	data, err := v.openPlain(layout.UploadPath(c.Upload, layout.DataFile), os.O_WRONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return holdfast.ErrNotExist
	}
	if err != nil {
		return err
	}
	defer data.Close()
	signed := receipt{c.Size, c.Sum}
	if have, ok := v.readReceipt(c.Upload, c.Number); ok && have == signed {
		// Sent again because the answer was lost: nothing to write, and nothing
		// to lose if this connection breaks too.
		return copySigned(io.Discard, body, signed)
	}
	if c.Size < layout.PartSize(c.Number) {
		if err := v.claimShort(c.Upload, c.Number); err != nil {
			return err
		}
	}
	if err := v.removeReceipt(c.Upload, c.Number); err != nil {
		return err
	}
	at := layout.PartOffset(c.Number)
	if err := copySigned(io.NewOffsetWriter(data, at), body, signed); err != nil {
		return err
	}
	if err := data.Sync(); err != nil {
		return err
	}
	return v.writeReceipt(c.Upload, c.Number, signed)
}

// copySigned copies the signed bytes from body to w; errBody if body holds
// others, which w may then hold too.
func copySigned(w io.Writer, body io.Reader, signed receipt) error {
	hash := sha256.New()
	// The bare Writer hides methods that would choose a buffer of their own.
	to := struct{ io.Writer }{io.MultiWriter(w, hash)}
	n, err := io.CopyBuffer(to, io.LimitReader(body, signed.Size), make([]byte, copyBuffer))
	var onDisk *fs.PathError
	switch {
	case errors.As(err, &onDisk):
		return err
	case err != nil, n != signed.Size, hex.EncodeToString(hash.Sum(nil)) != signed.Sum:
		return errBody
	}
	return nil
}
