package restore

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
)

// restoreGlobals feeds roles and tablespaces to psql without a transaction, and
// goes on after errors: some of the roles are there on every server. What psql
// says about them is what the caller gets.
func (db postgres) restoreGlobals(ctx context.Context, psql string, plain io.Reader, o IntoOptions) (said string, err error) {
	filter, begin := &psqlFilter{}, ""
	if !o.TrustHost {
		if err := db.canRestrict(ctx, psql); err != nil {
			return "", err
		}
		filter.refused, begin = append(getsAround(), lastError), "\\restrict "+rand.Text()+"\n"
	}
	c := db.client(psql, "-X", "-q", "-w", "-o", "/dev/null", "-f", "-")
	return c.feed(ctx, func(stdin io.Writer) error {
		filter.w = stdin
		return feedFiltered(filter, begin, plain, "")
	})
}

// restorePlain feeds SQL to psql in a transaction of our own. With psql's
// --single-transaction the end of the input commits, and this process being
// killed looks just like it; so COMMIT is something that psql has to be told,
// after everything is proven. Then psql has to say a word that the dump does not
// know: a dump that ends within a COPY or a quote swallows the COMMIT, and psql
// is content.
func (db postgres) restorePlain(ctx context.Context, psql string, plain io.Reader, o IntoOptions) (said string, err error) {
	filter, begin, end := &psqlFilter{}, "BEGIN;\n", "\nCOMMIT;\n"
	c := db.client(psql, "-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-")
	if !o.TrustHost {
		if err := db.canRestrict(ctx, psql); err != nil {
			return "", err
		}
		filter.refused, begin = getsAround(), "\\restrict "+rand.Text()+"\n"+begin
		c.lastWord = rand.Text()
		end += "SELECT '" + c.lastWord + "';\n"
	}
	return c.feed(ctx, func(stdin io.Writer) error {
		filter.w = stdin
		return feedFiltered(filter, begin, plain, end)
	})
}

// feedFiltered writes begin, the dump through the filter, and once everything is
// proven the dump's end and end. There is no \unrestrict in end: what follows the
// dump needs no command of psql.
func feedFiltered(f *psqlFilter, begin string, plain io.Reader, end string) error {
	if _, err := io.WriteString(f.w, begin); err != nil {
		return err
	}
	if err := feedProven(f, plain); err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return err
	}
	_, err := io.WriteString(f.w, end)
	return err
}

// canRestrict returns errNoRestrict unless psql knows \restrict. It asks psql
// itself: distributions have it in versions that by their number do not.
func (db postgres) canRestrict(ctx context.Context, psql string) error {
	_, err := db.client(psql, "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", `\restrict a`).output(ctx)
	if client, ok := errors.AsType[*ClientError](err); ok && strings.Contains(client.Stderr, `\restrict`) {
		return errNoRestrict
	}
	return err
}
