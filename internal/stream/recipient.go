package stream

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// ParseRecipients returns the recipients that the texts name, without
// repetitions, and the same as canonical texts without comments, for the
// manifest. A text is an age public key (age1…), a post-quantum hybrid one
// (age1pq1…), or an SSH public key (ssh-ed25519 …). An empty list is an error,
// and so is a mixture that age refuses: with hybrid keys all must be hybrid.
// Errors do not quote the text, which may be a private key by mistake.
func ParseRecipients(texts []string) (recipients []age.Recipient, canonical []string, err error) {
	for i, text := range texts {
		r, c, err := parseRecipient(strings.TrimSpace(text))
		if err != nil {
			return nil, nil, fmt.Errorf("recipient %d: %v", i+1, err)
		}
		if slices.Contains(canonical, c) {
			continue
		}
		recipients, canonical = append(recipients, r), append(canonical, c)
	}
	if len(recipients) == 0 {
		return nil, nil, fmt.Errorf("recipients: none given")
	}
	// Only age knows which recipients go together; better now than in the night.
	if _, err := age.Encrypt(io.Discard, recipients...); err != nil {
		return nil, nil, fmt.Errorf("recipients: %v", err)
	}
	return recipients, canonical, nil
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
