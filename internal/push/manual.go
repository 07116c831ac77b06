package push

import (
	"fmt"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// manual returns how to restore the backup without Holdfast: curl, age or gpg, the
// decompressor and the database's own client. The lines that begin with $ are to
// be pasted; what is in capitals is to be filled in. File names need no quotes,
// holdfast.CheckFile sees to that.
func manual(m holdfast.Manifest) []string {
	lines := []string{
		"Backup " + m.Ref.String() + ", without Holdfast. Lines with $ are commands, words in CAPITALS are yours to fill in.",
		"URL is a download link (holdfast url " + m.Ref.String() + ") of the object named, or fetch it with the store's own tools.",
	}
	for _, s := range m.Streams {
		lines = append(lines, fmt.Sprintf("Stream %s, object %s:", s.Name, m.Ref.Key(s.File)))
		lines = append(lines, fetch(s)...)
		lines = append(lines, open(s)...)
		lines = append(lines, fmt.Sprintf("$ echo '%s  %s' | sha256sum -c", s.PlainSHA256, s.PlainFile))
		lines = append(lines, load(s)...)
	}
	return lines
}

func fetch(s holdfast.Stream) []string {
	return []string{
		fmt.Sprintf("$ curl -fSo %s 'URL'", s.File),
		fmt.Sprintf("$ echo '%s  %s' | sha256sum -c", s.StoredSHA256, s.File),
	}
}

// open returns the line that makes the plain file of the stored one.
func open(s holdfast.Stream) []string {
	decompress := map[string]string{stream.Zstd: "zstd -d", stream.Gzip: "gzip -d"}[s.Compression]
	decrypt, about := decrypt(s.Encryption)
	switch {
	case decrypt != "" && decompress != "":
		return append(about, fmt.Sprintf("$ %s %s | %s > %s", decrypt, s.File, decompress, s.PlainFile))
	case decrypt != "":
		return append(about, fmt.Sprintf("$ %s %s > %s", decrypt, s.File, s.PlainFile))
	case decompress != "":
		return []string{fmt.Sprintf("$ %s < %s > %s", decompress, s.File, s.PlainFile)}
	}
	return nil // the stored file is the plain file
}

// decrypt returns the command that writes what is in the file named behind it, ""
// if nothing is encrypted, and what there is to know about it.
func decrypt(e holdfast.Encryption) (command string, about []string) {
	switch {
	case e.Passphrase():
		return "age -d", []string{"age asks for the passphrase."}
	case e.Format == holdfast.EncryptionAge:
		return "age -d -i KEYFILE", nil
	case e.Format == holdfast.EncryptionOpenPGP:
		return "gpg -d", []string{"gpg needs the secret key (gpg --import KEYFILE), and asks for its passphrase."}
	}
	return "", nil
}

// load returns the lines that put the plain file to use.
func load(s holdfast.Stream) []string {
	switch s.Source.Kind + " " + s.Source.Format {
	case "postgres custom":
		return []string{
			"$ createdb DATABASE",
			fmt.Sprintf("$ pg_restore --exit-on-error -d DATABASE %s", s.PlainFile),
		}
	case "postgres globals":
		return []string{
			"Roles and tablespaces, before the databases; those that exist are errors to ignore.",
			aboutRestrict,
			fmt.Sprintf(`$ psql -X -q -v ON_ERROR_STOP=1 -c '\restrict a' -d postgres && { %s && %s -e '/:LAST_ERROR_MESSAGE/Q1'; } | psql -X -d postgres -f -`,
				restrictCommand, filterCommand(s.PlainFile)),
		}
	}
	switch s.Source.Kind {
	case "postgres":
		return []string{
			aboutRestrict,
			"$ createdb DATABASE",
			fmt.Sprintf(`$ { %s && echo 'BEGIN;' && %s && printf '\nCOMMIT;\n'; } | psql -X -v ON_ERROR_STOP=1 -d DATABASE -f -`,
				restrictCommand, filterCommand(s.PlainFile)),
		}
	case "mysql":
		return []string{fmt.Sprintf("$ mysql --binary-mode --local-infile=0 DATABASE < %s", s.PlainFile)}
	case "mariadb":
		return []string{fmt.Sprintf("$ mariadb --binary-mode --local-infile=0 DATABASE < %s", s.PlainFile)}
	case "sqlite":
		return []string{fmt.Sprintf("$ sqlite3 %s 'PRAGMA integrity_check'   # says ok; then it takes the database's place", s.PlainFile)}
	case "files":
		return []string{fmt.Sprintf("$ tar -xpf %s -C DIRECTORY", s.PlainFile)}
	}
	return []string{fmt.Sprintf("%s is what the program wrote; feed it to its counterpart.", s.PlainFile)}
}

// A dump tells psql what to run, on whose machine it is run; \restrict has psql
// refuse that. psql takes one \restrict only, so the dump's own is left out, and
// what gets around it ends the filter before the COMMIT. internal/restore has the
// same in Go.
const (
	aboutRestrict = `psql is told with \restrict to run nothing that the dump tells it to; 13.22, 14.19, 15.14, 16.10, 17.6 and 18 know that. ` +
		`Update an older one, or leave out what has \restrict in it but sed, if nobody else can have had the host.`
	restrictCommand = `printf '\\restrict %s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"`
)

// filterCommand returns the pipeline that writes the dump for psql.
func filterCommand(file string) string {
	return `tr -d '\000' < ` + file + ` | LC_ALL=C sed -e '1,40{/^\\restrict [A-Za-z0-9]*$/d;}'` +
		` -e '/^\\unrestrict [A-Za-z0-9]\{20,\}$/d' -e '/\\unrestrict/Q1'`
}
