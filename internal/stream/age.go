package stream

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"

	"github.com/holdfast-backup/holdfast"
)

// ParseRecipients returns the age recipients that the texts name, without
// repetitions; Names gives them without comments. A text is an age public key
// (age1…), a post-quantum hybrid one (age1pq1…), or an SSH public key
// (ssh-ed25519 …). An empty list is an error, and so is a mixture that age
// refuses: with hybrid keys all must be hybrid. Errors do not quote the text,
// which may be a private key by mistake.
func ParseRecipients(texts []string) (Recipients, error) {
	var to []age.Recipient
	var names []string
	for i, text := range texts {
		r, name, err := parseRecipient(strings.TrimSpace(text))
		if err != nil {
			return Recipients{}, fmt.Errorf("recipient %d: %v", i+1, err)
		}
		if !slices.Contains(names, name) {
			to, names = append(to, r), append(names, name)
		}
	}
	if len(to) == 0 {
		return Recipients{}, fmt.Errorf("recipients: none given")
	}
	// Only age knows which recipients go together; better now than in the night.
	if _, err := age.Encrypt(io.Discard, to...); err != nil {
		return Recipients{}, fmt.Errorf("recipients: %v", err)
	}
	return ageRecipients(names, to...), nil
}

func ageRecipients(names []string, to ...age.Recipient) Recipients {
	return Recipients{
		format: holdfast.EncryptionAge,
		names:  names,
		seal:   func(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, to...) },
	}
}

func parseRecipient(text string) (age.Recipient, string, error) {
	switch {
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return nil, "", fmt.Errorf("not a valid age1pq1… key")
		}
		return r, r.String(), nil
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, "", fmt.Errorf("not a valid age1… key")
		}
		return r, r.String(), nil
	case strings.HasPrefix(text, "ssh-ed25519 "):
		r, err := agessh.ParseRecipient(text)
		if err != nil {
			return nil, "", fmt.Errorf("not a valid ssh-ed25519 key")
		}
		fields := strings.Fields(text)
		return r, fields[0] + " " + fields[1], nil
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-"):
		return nil, "", fmt.Errorf("is a private key, want the public one (age1…)")
	}
	return nil, "", fmt.Errorf("unknown kind, want age1…, age1pq1… or ssh-ed25519 …")
}
