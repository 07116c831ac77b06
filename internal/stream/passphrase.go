package stream

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// workFactor is the logarithm of age's scrypt cost. Each of a backup's streams
// pays it, on the host, beside the dump: 2^14 are 16 MiB and some 50 ms. age's own
// default of 2^18 would take 256 MiB, where the pusher promises to stay below 96.
// That makes a guess sixteen times cheaper, as if the passphrase had one character
// less, which one of the length that is demanded here can afford.
const workFactor = 14

// What a passphrase has to have. This is a floor, and no proof that it is good.
const (
	minPassphrase = 20 // characters
	minDifferent  = 8  // of them
)

// Passphrase returns the recipients who know the passphrase. It must be long,
// since whoever gets hold of a backup can try as many as he likes, and must be
// of characters that can be typed wherever it is needed one day. Errors do not
// quote it.
func Passphrase(passphrase secret.Secret) (Recipients, error) {
	text := passphrase.Reveal()
	if err := checkPassphrase(text); err != nil {
		return Recipients{}, fmt.Errorf("the passphrase %w", err)
	}
	r, err := age.NewScryptRecipient(text)
	if err != nil {
		return Recipients{}, fmt.Errorf("the passphrase %w", err)
	}
	r.SetWorkFactor(workFactor)
	return ageRecipients([]string{holdfast.PassphraseRecipient}, r), nil
}

func checkPassphrase(text string) error {
	different := map[rune]bool{}
	for _, c := range text {
		if c < ' ' || c > '~' {
			return errors.New("has characters that cannot be typed everywhere, want letters, digits and signs of ASCII in one line")
		}
		different[c] = true
	}
	switch {
	case len(text) < minPassphrase:
		return fmt.Errorf("is shorter than %d characters", minPassphrase)
	case len(different) < minDifferent:
		return fmt.Errorf("has fewer than %d different characters", minDifferent)
	case strings.TrimSpace(text) != text:
		return errors.New("begins or ends with a space")
	}
	return nil
}
