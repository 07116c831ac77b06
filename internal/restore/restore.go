// Package restore brings backups back: it fetches the manifest and the data
// objects of one backup, from the vault itself or through downloads that the
// broker signed, proves signature and hashes, and writes files, trees and
// databases, or the lines that do the same without Holdfast.
//
// Nothing that it writes bears its final name, and no database commits, before
// every byte has been proven. It does not choose backups, and it does not
// delete or change anything in a vault.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// Options is what every way of restoring needs.
type Options struct {
	// Identities decrypt. None is enough where nothing is encrypted.
	Identities stream.Identities
	// Passphrase, if set, is asked for the passphrase of a backup that is
	// encrypted with one, at most once.
	Passphrase func(what string) ([]byte, error)
	// SkipSignature takes a manifest whose signature cannot be checked, for
	// hosts that nobody has the key of any more. It is warned about.
	SkipSignature bool
	// Progress, if set, is called as stored bytes arrive, from one goroutine
	// at a time; total is what all streams of the call have together.
	Progress func(done, total int64)
	// Warn, if set, is called with what a person should know though the
	// restore goes on: members that were skipped, a signature not checked. The
	// text is printable, in one or several lines.
	Warn func(text string)
}

// Backup is one backup opened for restoring: its manifest is proven. Its
// methods may be called one after another, not at once.
type Backup struct {
	Manifest  holdfast.Manifest
	Signature Signature

	fetcher Fetcher
	options Options
	done    int64 // of the call going on, for Progress
	total   int64
}

// Open fetches and proves the manifest. holdfast.ErrNotExist if there is none,
// holdfast.ErrCorrupt if it is not what the host signed or not of this backup,
// ErrUnknownKey if nobody knows the key it was signed with.
func Open(ctx context.Context, f Fetcher, o Options) (*Backup, error) {
	warn := o.Warn
	o.Warn = func(text string) {
		if warn != nil {
			warn(holdfast.PrintableLines(text))
		}
	}
	m, sig, err := openManifest(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if o.Passphrase != nil && slices.ContainsFunc(m.Streams, func(s holdfast.Stream) bool { return s.Encryption.Passphrase() }) {
		o.Identities.Age = append(slices.Clone(o.Identities.Age), &passphraseIdentity{
			what: "backup " + m.Ref.String(), most: maxWorkFactor, options: IdentityOptions{Passphrase: o.Passphrase},
		})
	}
	return &Backup{Manifest: m, Signature: sig, fetcher: f, options: o}, nil
}

// begin starts the count of Progress for a call that reads these streams.
func (b *Backup) begin(streams ...holdfast.Stream) {
	b.done, b.total = 0, 0
	for _, s := range streams {
		b.total += s.StoredSize
	}
}

// read hands the plain bytes of the stream to use. The reader's io.EOF means
// that every byte is proven; read insists on having seen it, also where use
// stopped early.
func (b *Backup) read(ctx context.Context, s holdfast.Stream, use func(plain io.Reader) error) error {
	if s.Encryption.Format != holdfast.EncryptionNone && b.options.Identities.None() {
		return &IdentityError{Stream: s.Name, Encryption: s.Encryption}
	}
	ctx, cancel := context.WithCancel(ctx)
	stored, err := b.fetcher.Open(ctx, s)
	if err != nil {
		cancel()
		return err
	}
	defer stored.Close()
	plain, err := stream.NewDecoder(&counter{r: stored, backup: b}, s, b.options.Identities)
	if err != nil {
		cancel()
		return identityError(s, err)
	}
	defer plain.Close()
	defer cancel() // first, so that a decompressor that waits for bytes lets go
	if err := use(plain); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, plain)
	return err
}

// counter counts stored bytes for Progress.
type counter struct {
	r      io.Reader
	backup *Backup
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.backup.done += int64(n)
	if report := c.backup.options.Progress; report != nil && n > 0 {
		report(c.backup.done, c.backup.total)
	}
	return n, err
}

// choose returns the streams of those names, or all that fit if there are no
// names. An unknown name, or nothing that fits, is a ChoiceError.
func (b *Backup) choose(names []string, what string, fits func(holdfast.Stream) bool) ([]holdfast.Stream, error) {
	var chosen []holdfast.Stream
	for _, s := range b.Manifest.Streams {
		if len(names) == 0 && fits(s) || slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if _, ok := b.Manifest.Stream(name); !ok {
			return nil, &ChoiceError{fmt.Sprintf("no stream %q", name), b.streamNames()}
		}
	}
	if len(chosen) == 0 {
		return nil, &ChoiceError{"no stream that fits " + what, b.streamNames()}
	}
	return chosen, nil
}

// chooseOne is choose where exactly one stream can be used.
func (b *Backup) chooseOne(name, what string, fits func(holdfast.Stream) bool) (holdfast.Stream, error) {
	var names []string
	if name != "" {
		names = []string{name}
	}
	chosen, err := b.choose(names, what, fits)
	if err != nil {
		return holdfast.Stream{}, err
	}
	if len(chosen) > 1 {
		return holdfast.Stream{}, &ChoiceError{"several streams fit " + what, b.streamNames()}
	}
	return chosen[0], nil
}

func (b *Backup) streamNames() []string {
	var names []string
	for _, s := range b.Manifest.Streams {
		names = append(names, s.Name)
	}
	return names
}

// isTar reports whether the plain stream is a tar archive.
func isTar(s holdfast.Stream) bool {
	return s.Source.Format == "tar" || strings.HasSuffix(s.PlainFile, ".tar")
}

// identityError has an error of identities name the recipients.
func identityError(s holdfast.Stream, err error) error {
	if errors.Is(err, stream.ErrNoIdentity) {
		return &IdentityError{Stream: s.Name, Encryption: s.Encryption}
	}
	return err
}
