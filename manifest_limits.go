package holdfast

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what a manifest says beside its table of parts. A host writes it and
// others read it by the thousand: within these, what each takes of memory, of a
// log or of a screen is known.
const (
	MaxWord         = 256     // bytes of a kind, version, name of a statistic or etag
	MaxWarning      = 1 << 10 // bytes of a warning
	MaxRecipients   = 32      // of one stream
	MaxRecipient    = 4 << 10 // bytes; a post-quantum one has about 2,000
	MaxStats        = 100     // of one stream
	MaxRestoreLines = 500
	MaxRestoreLine  = 1 << 10 // bytes
	MaxPlainSize    = 1 << 50 // bytes of one plain stream
)

// checkText returns an error unless s is printable and at most n bytes.
func checkText(what, s string, n int) error {
	if len(s) > n {
		return fmt.Errorf("%s: %d bytes, want at most %d", what, len(s), n)
	}
	if !isPrintable(s) {
		return fmt.Errorf("%s: %q is not printable text", what, s)
	}
	return nil
}

// checkTexts does so for each of a list, of which there may be most.
func checkTexts(what string, list []string, most, n int) error {
	if len(list) > most {
		return fmt.Errorf("%d %ss, want at most %d", len(list), what, most)
	}
	for _, s := range list {
		if err := checkText(what, s, n); err != nil {
			return err
		}
	}
	return nil
}

// isPrintable reports whether s is what Printable leaves as it is, but for its
// length.
func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) < 0
}

// printableUpTo is Printable, cut to n bytes.
func printableUpTo(s string, n int) string {
	const ellipsis = "…"
	if s = Printable(s); len(s) <= n {
		return s
	}
	for n -= len(ellipsis); !utf8.RuneStart(s[n]); n-- {
	}
	return s[:n] + ellipsis
}

// check returns an error unless the facts keep to the limits of a manifest.
func (f Facts) check() error {
	for what, word := range map[string]string{"kind": f.Kind, "engine": f.Engine, "tool": f.Tool, "format": f.Format} {
		if err := checkText(what, word, MaxWord); err != nil {
			return err
		}
	}
	if len(f.Stats) > MaxStats {
		return fmt.Errorf("%d statistics, want at most %d", len(f.Stats), MaxStats)
	}
	for name := range f.Stats {
		if err := checkText("name of a statistic", name, MaxWord); err != nil {
			return err
		}
	}
	if f.WarningsCut < 0 {
		return fmt.Errorf("%d warnings were cut", f.WarningsCut)
	}
	return checkTexts("warning", f.Warnings, MaxWarnings, MaxWarning)
}

// Check returns an error unless the format is known and there are no more
// recipients than a manifest may name, each in printable text and as the format
// has them.
func (e Encryption) Check() error {
	if err := checkTexts("recipient", e.Recipients, MaxRecipients, MaxRecipient); err != nil {
		return err
	}
	switch e.Format {
	case EncryptionAge:
		if slices.Contains(e.Recipients, PassphraseRecipient) && len(e.Recipients) > 1 {
			return errors.New("recipients: a passphrase and others, which age does not allow")
		}
		return nil
	case EncryptionOpenPGP:
		return checkFingerprints(e.Recipients)
	case EncryptionNone:
		if len(e.Recipients) > 0 {
			return errors.New("recipients, and no encryption")
		}
		return nil
	}
	return fmt.Errorf("encryption %q: want age, openpgp or none", e.Format)
}

// checkFingerprints returns an error unless there are recipients, each a
// fingerprint or two of version 4 keys, as gpg prints them.
func checkFingerprints(recipients []string) error {
	if len(recipients) == 0 {
		return errors.New("encryption openpgp: no recipients")
	}
	for _, r := range recipients {
		key, subkey, two := strings.Cut(r, "/")
		if !isFingerprint(key) || two && !isFingerprint(subkey) {
			return fmt.Errorf("recipient %q: want the fingerprint of an OpenPGP key, or that and its subkey's", r)
		}
	}
	return nil
}

func isFingerprint(s string) bool { return s == strings.ToUpper(s) && isHex(strings.ToLower(s), 20) }

// Limits of the JSON that is decoded at all.
const (
	maxDepth  = 8
	maxFields = 32 // of an object whose name is not known
	// maxRaw is the length of a string as it is written, in bytes: the longest,
	// each character of it escaped with a backslash.
	maxRaw = 2 * MaxRecipient
)

// mostOf returns how many elements the list or object of that name may have.
func mostOf(name []byte) int {
	switch string(name) {
	case "streams":
		return MaxStreams
	case "parts":
		return MaxParts
	case "recipients":
		return MaxRecipients
	case "warnings":
		return MaxWarnings
	case "stats":
		return MaxStats
	case "restore":
		return MaxRestoreLines
	}
	return maxFields
}

// checkShape returns an error if data, which must be valid JSON, has a list, an
// object or a string that is too large for a manifest. It takes no memory, and
// what it lets pass decodes into little: three bytes of an empty string would
// otherwise become sixteen and more.
func checkShape(data []byte) error {
	var open [maxDepth]struct{ count, most int }
	var text, name []byte
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			length := stringLength(data[i+1:])
			if length > maxRaw {
				return fmt.Errorf("a string of %d bytes", length)
			}
			text = data[i+1 : i+1+length]
			i += length + 1
		case ':':
			name = text
		case '{', '[':
			if depth == maxDepth {
				return errors.New("nested too deeply")
			}
			open[depth].count, open[depth].most = 1, mostOf(name)
			name = nil
			depth++
		case ',':
			list := &open[depth-1]
			if list.count++; list.count > list.most {
				return fmt.Errorf("a list of more than %d", list.most)
			}
			name = nil
		case '}', ']':
			depth--
		}
	}
	return nil
}

// stringLength returns where the string that rest begins within ends.
func stringLength(rest []byte) int {
	for i := 0; ; i++ {
		next := bytes.IndexAny(rest[i:], `"\`)
		if i += next; rest[i] == '"' {
			return i
		}
		i++ // past what is escaped
	}
}
