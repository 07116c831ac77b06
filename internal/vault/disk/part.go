package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// copyBuffer is the memory that receiving a part takes, in bytes.
const copyBuffer = 128 << 10

// errBody is a body that is not the one that was signed.
var errBody = errors.New("body differs from what was signed")

// receipt says that a part is stored: 00001.json of part 1.
type receipt struct {
	Size int64  `json:"size"` // bytes
	Sum  string `json:"sha256"`
}

func partFile(n int, ext string) string { return fmt.Sprintf("%05d.%s", n, ext) }

// readReceipt returns the receipt of a part; ok is false if there is none, or
// none that says anything, as after a power failure.
func (v *Vault) readReceipt(id string, n int) (r receipt, ok bool) {
	text, err := v.root.ReadFile(uploadPath(id, partFile(n, "json")))
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
	if err := v.root.Rename(temp, uploadPath(id, partFile(n, "json"))); err != nil {
		v.root.Remove(temp)
		return err
	}
	return v.syncDir(path.Join(uploadsDir, id))
}

// removeReceipt is called before a part is written anew. The flush keeps a power
// failure from bringing the receipt back over other bytes.
func (v *Vault) removeReceipt(id string, n int) error {
	err := v.root.Remove(uploadPath(id, partFile(n, "json")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return v.syncDir(path.Join(uploadsDir, id))
}

// received returns how many bytes of the upload are stored.
func (v *Vault) received(id string) (size int64, err error) {
	f, err := v.root.Open(path.Join(uploadsDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, holdfast.ErrNotExist
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		var n int
		if number, ok := strings.CutSuffix(name, ".json"); ok {
			fmt.Sscanf(number, "%d", &n)
		}
		if n > 0 {
			r, _ := v.readReceipt(id, n)
			size += r.Size
		}
	}
	return size, err
}

// storePart stores the part that was signed from body. holdfast.ErrNotExist if
// there is no such upload, errBody if the bytes are others, holdfast.ErrFull.
// cut makes a Read of body that is under way fail.
func (v *Vault) storePart(ctx context.Context, c partClaims, body io.Reader, cut func()) error {
	unlock, err := v.lockUpload(ctx, c.Upload, shared)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leave := v.sending.enter(sentPart{c.Upload, c.Number}, func() { cancel(); cut() })
	defer leave()
	if _, err := v.readUpload(c.Upload, ""); err != nil {
		return err
	}
	unlockPart, err := v.lock(ctx, uploadPath(c.Upload, partFile(c.Number, "lock")), alone, os.O_CREATE|os.O_RDONLY)
	if err != nil {
		return err
	}
	defer unlockPart()
	return v.writePart(c, body)
}

// writePart is storePart under its locks.
func (v *Vault) writePart(c partClaims, body io.Reader) error {
	// Never made here: once the upload is sealed there is none.
	data, err := v.root.OpenFile(uploadPath(c.Upload, dataFile), os.O_WRONLY, 0)
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
	if err := v.removeReceipt(c.Upload, c.Number); err != nil {
		return err
	}
	at := holdfast.PartOffset(c.Number, holdfast.MaxParts)
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
