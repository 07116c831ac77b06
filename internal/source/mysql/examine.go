package mysql

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

// Examine implements holdfast.Source. The login and the privileges are proven
// by a dump of the definitions alone.
func (s *Source) Examine(ctx context.Context) []holdfast.Examination {
	found := holdfast.Examination{Name: s.options.Kind + " dump tool"}
	tool, err := s.find(ctx)
	if err != nil {
		found.Detail, found.Hint = err.Error(), "install "+packages[s.options.Kind]+", or set bin_dir"
		return []holdfast.Examination{found}
	}
	found.OK, found.Detail = true, tool.version
	login := holdfast.Examination{Name: s.options.Kind + " login"}
	for _, pass := range s.passes() {
		if err = s.run(ctx, tool, append([]string{"--no-data"}, pass...), io.Discard); err != nil {
			login.Detail, login.Hint = err.Error(), hint(err)
			return []holdfast.Examination{found, login}
		}
	}
	login.OK, login.Detail = true, "may dump the definitions of "+s.target.database
	return []holdfast.Examination{found, login}
}

func hint(err error) string {
	var exit *proc.ExitError
	if !errors.As(err, &exit) {
		return ""
	}
	for _, known := range []struct{ text, hint string }{
		{"Access denied for user", "check user and password, and grant SELECT, SHOW VIEW, TRIGGER, EVENT and LOCK TABLES on the database"},
		{"privileges to SHOW CREATE", "grant SHOW CREATE ROUTINE (MariaDB 11.3), SHOW_ROUTINE (MySQL 8) or SELECT on mysql.proc, so that routines can be read"},
		{"command denied", "grant SELECT, SHOW VIEW, TRIGGER, EVENT and LOCK TABLES on the database"},
		{"Unknown database", "check the database in the url"},
		{"Couldn't find table", "check exclude_table_data: each must be a table of the database"},
		{"Can't connect", "check host, port or socket of the url, and that the server runs"},
		{"unknown variable", "an option in args or in an option file is not known to this tool"},
		{"unknown option", "an option in args or in an option file is not known to this tool"},
	} {
		if strings.Contains(exit.Stderr, known.text) {
			return known.hint
		}
	}
	return ""
}
