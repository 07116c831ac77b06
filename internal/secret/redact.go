package secret

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The shapes of credentials. Each match is replaced by its first group and
// Hidden, so that a reader still sees what kind of thing was there.
var (
	// A private key, also one whose end was cut off.
	pemKey = regexp.MustCompile(`(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----).*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`)
	// The rest of a private key whose beginning was cut off.
	pemRest = regexp.MustCompile(`(?s)\A()[^-]*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)
	ageKey  = regexp.MustCompile(`(?i)(AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]+)-(?:PQ-)?)[0-9A-Z]+`)
	// scheme://user:password@, up to the last @ of the word: a password may
	// hold one that nobody escaped.
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:)\S+@`)
	bearer      = regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}`)
	sqlPassword = regexp.MustCompile(`(?i)(\b(?:password|identified\s+(?:with\s+\S+\s+)?(?:by|as))\s+)'(?:[^']|'')*'`)
	// name=value and name: value, where the name speaks of a secret.
	assignment = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|pwd|passphrase|secret|token|credential|(?:api|access|private|account)[_-]?key)[a-z0-9_-]*["']?\s*[=:]\s*)` +
		`("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+)`)
	// X-Amz-Signature=… in a URL; not "invalid signature: …".
	signature = regexp.MustCompile(`(?i)([a-z-]*signature=)[^\s&]+`)
	// What Ref.Resolve says of a secret that it does not get, which often stands
	// behind the name of a key: "passphrase: read secret: stat /x".
	own = regexp.MustCompile(`\b(?:read secret: (?:stat|open)\b|secret file "|secret (?:env|file|ssm):[A-Za-z0-9_./-]+: is empty)`)
	// What MySQL says instead of the password: "(using password: YES)".
	harmless = regexp.MustCompile(`^(?i:yes|no|true|false|none|null)\b|^\[hidden\]`)
)

// Redact returns text without the given secrets, as they are and percent-encoded,
// and without what looks like a credential: passwords in URLs, password=…,
// AWS_SECRET_ACCESS_KEY=…, tokens, PEM private keys, age identities. It would
// rather hide too much than too little. For the output of other programs; what
// Holdfast itself holds as a secret is a Secret and never becomes text.
func Redact(text string, secrets ...string) string {
	for _, s := range forms(secrets) {
		text = strings.ReplaceAll(text, s, Hidden)
	}
	for _, shape := range []*regexp.Regexp{pemKey, pemRest, ageKey} {
		text = shape.ReplaceAllString(text, "${1}"+Hidden)
	}
	text = urlPassword.ReplaceAllString(text, "${1}"+Hidden+"@")
	text = bearer.ReplaceAllString(text, "${1}"+Hidden)
	text = signature.ReplaceAllString(text, "${1}"+Hidden)
	text = sqlPassword.ReplaceAllString(text, "${1}'"+Hidden+"'")
	var b strings.Builder
	last := 0
	for _, at := range own.FindAllStringIndex(text, -1) {
		b.WriteString(withoutValues(text[last:at[0]]) + text[at[0]:at[1]])
		last = at[1]
	}
	return b.String() + withoutValues(text[last:])
}

// withoutValues hides what is assigned to a name that speaks of a secret.
func withoutValues(text string) string {
	return assignment.ReplaceAllStringFunc(text, func(match string) string {
		part := assignment.FindStringSubmatch(match)
		if harmless.MatchString(part[2]) {
			return match
		}
		return part[1] + Hidden
	})
}

// minHidden is how long a secret must be to be taken out wherever its bytes
// occur, in bytes: a shorter one occurs in too many words to leave any readable.
const minHidden = 4

// forms returns the secrets in every form in which a program may print them,
// the longest first, so that none is cut in two by a shorter one inside it.
func forms(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		if len(s) < minHidden {
			continue
		}
		all = append(all, s, url.QueryEscape(s), url.PathEscape(s), url.UserPassword("", s).String()[1:])
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	return slices.Compact(all)
}
