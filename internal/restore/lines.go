package restore

import (
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// Lines returns the lines to paste into bash on a machine without Holdfast, for
// the streams that urls has a download of, by file name. They need curl, age or
// gpg, zstd or gzip, sha256sum and the client of the database. Every block is one
// command that stops at its first failure and leaves nothing with a final name,
// and no commit, unless all before it was right; pasted into a shell it does
// not end that.
//
// What the manifest says is the host's word and could be hostile; of it only
// names and hashes that are checked to be harmless reach the lines.
func Lines(m holdfast.Manifest, urls map[string]string) (string, error) {
	if err := m.Check(); err != nil {
		return "", err
	}
	var blocks []string
	needs := map[string]bool{}
	for _, s := range m.Streams {
		if u, ok := urls[s.File]; ok {
			if strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return "", fmt.Errorf("lines of %s: the download of %q is no URL", m.Ref, s.File)
			}
			blocks = append(blocks, streamLines(s, u, needs))
		}
	}
	if len(blocks) == 0 {
		return "", fmt.Errorf("lines of %s: no download of any stream", m.Ref)
	}
	return preamble(m, needs) + strings.Join(blocks, ""), nil
}

// Variables that the lines use, and what to set them to.
var variables = []struct{ name, example string }{
	{"IDENTITY", "/path/to/identity.txt       # the age identity file, or the SSH key"},
	{"DATABASE_URL", "postgres:///crm         # an empty database; the password in PGPASSWORD or ~/.pgpass"},
	{"DATABASE", "crm                         # an empty database; login and password in ~/.my.cnf"},
}

func preamble(m holdfast.Manifest, needs map[string]bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Restore of %s, with bash. Set first:\n", m.Ref)
	set := false
	for _, v := range variables {
		if needs[v.name] {
			fmt.Fprintf(&b, "#   %s=%s\n", v.name, v.example)
			set = true
		}
	}
	if !set {
		return fmt.Sprintf("# Restore of %s, with bash.\n", m.Ref)
	}
	return b.String()
}

func streamLines(s holdfast.Stream, url string, needs map[string]bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n# Stream %s: %s stored, %s plain.\n", s.Name, holdfast.Size(s.StoredSize), holdfast.Size(s.PlainSize))
	if s.Source.Kind == "postgres" && !isTar(s) && s.Source.Format != "custom" {
		b.WriteString(aboutRestrict)
	}
	if s.Encryption.Format == holdfast.EncryptionOpenPGP {
		fmt.Fprintf(&b, "# gpg needs the secret key of %s: gpg --import\n", strings.Join(s.Encryption.Recipients, " or "))
	}
	fmt.Fprintf(&b, "curl -fsSL --retry 5 -o %s %s &&\n", s.File, quote(url))
	fmt.Fprintf(&b, "echo '%s  %s' | sha256sum -c - &&\n", s.StoredSHA256, s.File)
	b.WriteString(useLines(s, plainCommand(s, needs), needs))
	fmt.Fprintf(&b, "echo 'Stream %s: restored.' || { echo 'Stream %s: NOT restored.' >&2; false; }\n", s.Name, s.Name)
	return b.String()
}

// plainCommand returns the pipeline that writes the plain stream to its output.
func plainCommand(s holdfast.Stream, needs map[string]bool) string {
	decompress := map[string]string{"zstd": "zstd -dc", "gzip": "gzip -dc"}[s.Compression]
	switch {
	case s.Encryption.Format == "none" && decompress == "":
		return "cat " + s.File
	case s.Encryption.Format == "none":
		return decompress + " " + s.File
	}
	decrypt := `age -d -i "${IDENTITY:?}" ` + s.File
	switch {
	case s.Encryption.Passphrase():
		decrypt = "age -d " + s.File
	case s.Encryption.Format == holdfast.EncryptionOpenPGP:
		decrypt = "gpg -d " + s.File
	default:
		needs["IDENTITY"] = true
	}
	if decompress == "" {
		return decrypt
	}
	return decrypt + " | " + decompress
}

// useLines returns the lines that make something of the plain stream. Those
// that feed a database say what makes it count (COMMIT, the end of the marker)
// only after the whole pipeline before it has succeeded: to the client, a
// pipeline that died looks like one that is done.
func useLines(s holdfast.Stream, plain string, needs map[string]bool) string {
	switch {
	case isTar(s):
		return fmt.Sprintf("test ! -e %[1]s && mkdir %[1]s.partial &&\n"+
			"( set -o pipefail; %[2]s | tar -xpf - -C %[1]s.partial ) &&\n"+
			"mv %[1]s.partial %[1]s &&\n", s.Name, plain)
	case s.Source.Kind == "postgres" && s.Source.Format == "custom":
		needs["DATABASE_URL"] = true
		return fmt.Sprintf("( set -o pipefail; %s |\n"+
			"  pg_restore --single-transaction --exit-on-error -d \"${DATABASE_URL:?}\" ) &&\n", plain)
	case s.Source.Kind == "postgres" && s.Source.Format == "globals":
		// Some of the roles are there on every server: no reason to stop. So
		// psql would also go on after a \restrict that it does not know.
		needs["DATABASE_URL"] = true
		return fmt.Sprintf("psql -X -q -v ON_ERROR_STOP=1 -c '\\restrict a' \"${DATABASE_URL:?}\" &&\n"+
			"( set -o pipefail; {\n"+restrictLine+
			"  %s |\n    %s -e '/:LAST_ERROR_MESSAGE/Q1'; } |\n"+
			"  psql -X -q -o /dev/null -f - \"${DATABASE_URL:?}\" ) &&\n", plain, filterCommand)
	case s.Source.Kind == "postgres":
		needs["DATABASE_URL"] = true
		return fmt.Sprintf("( set -o pipefail; {\n"+restrictLine+
			"  echo 'BEGIN;' && %s |\n    %s &&\n  printf '\\nCOMMIT;\\n'; } |\n"+
			"  psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -f - \"${DATABASE_URL:?}\" ) &&\n", plain, filterCommand)
	case s.Source.Kind == "mysql" || s.Source.Kind == "mariadb":
		needs["DATABASE"] = true
		return fmt.Sprintf("( set -o pipefail; { echo 'CREATE TABLE %[1]s (x INT);'; %[2]s && echo 'DROP TABLE %[1]s;'; } |\n"+
			"  %[3]s --binary-mode --local-infile=0 \"${DATABASE:?}\" ) &&\n", marker, plain, s.Source.Kind)
	}
	return fmt.Sprintf("( set -o pipefail; %[1]s > %[2]s.partial ) &&\n"+
		"echo '%[3]s  %[2]s.partial' | sha256sum -c - &&\n"+
		"test ! -e %[2]s && mv %[2]s.partial %[2]s &&\n", plain, s.PlainFile, s.PlainSHA256)
}

// What psqlFilter does, for a shell: restrictLine has psql refuse the commands of
// the dump, filterCommand drops the dump's own pair, for psql takes only one, and
// fails where something gets around that. internal/push has the same in words.
const (
	restrictLine  = `  printf '\\restrict %%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" &&` + "\n"
	filterCommand = `tr -d '\000' | LC_ALL=C sed -e '1,40{/^\\restrict [A-Za-z0-9]*$/d;}' -e '/^\\unrestrict [A-Za-z0-9]\{20,\}$/d' -e '/\\unrestrict/Q1'`
	aboutRestrict = `# psql is told with \restrict to run nothing that the dump tells it to; 13.22, 14.19, 15.14, 16.10, 17.6 and 18 know that.
# An older one stops there: update it. Or, if nobody else can have had the host, delete the lines with: \restrict %s, \restrict a
`
)

// quote returns text as one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
