package config

import (
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Pusher is pusher.yaml, on the host that is backed up.
type Pusher struct {
	*places // At and Locate say where in the file something stands

	// Name of this host, as holdfast.yaml knows it.
	Host string `yaml:"host"`
	// URL of the broker. Plain http is accepted for loopback addresses only. Without it backups go to
	// destinations alone, and this host's own clock names them.
	Broker string `yaml:"broker"`
	// Where else backups go, by name: all of them at the same time, unless a job says to.
	Destinations map[string]Destination `yaml:"destinations"`
	// Path of this host's private key, made by `pusher init`, mode 0600. A relative path is relative
	// to this file.
	Key string `yaml:"key"`
	// Who can decrypt the backups: age recipients (age1…, age1pq1…, ssh-ed25519 …), or
	// `{ openpgp: key.asc }`, or `{ passphrase: file:… }`. `none` stores them unencrypted and has to be
	// spelled out.
	EncryptTo EncryptTo `yaml:"encrypt_to"`
	// How streams are compressed.
	Compress Compress `yaml:"compress"`
	// A directory of this user's own for locks and what else must outlive a run; absolute. Default
	// $XDG_STATE_HOME/holdfast, or ~/.local/state/holdfast.
	StateDir string `yaml:"state_dir"`
	// The jobs, by name.
	Jobs map[string]PusherJob `yaml:"jobs"`
}

// Compress says how streams are compressed.
type Compress struct {
	// zstd, gzip or none. Default zstd.
	Method string `yaml:"method"`
	// From 1 (fastest) to 19 for zstd and 9 for gzip. Default 3 for zstd, 6 for gzip.
	Level int `yaml:"level"`
}

// PusherJob is a named thing that is backed up.
type PusherJob struct {
	// What is backed up; each source becomes one stream of the backup.
	Sources []SourceConfig `yaml:"sources"`
	// The destinations it goes to, by name; `broker` is that of the key broker. Default: all.
	To []string `yaml:"to"`
	// Commands around the run.
	Hooks Hooks `yaml:"hooks"`
	// URLs pinged when the run starts, succeeds and fails; a single URL is the one for success.
	Heartbeat Heartbeat `yaml:"heartbeat"`
	// Write the finished, encrypted dump into this directory first (absolute) and upload it from
	// there, so that a slow line does not hold a database's transaction open. Default: streamed,
	// nothing on disk.
	Spool string `yaml:"spool"`
	// How many backups to keep in the spool directory for quick restores. Needs spool. Default 0.
	KeepLocal int `yaml:"keep_local"`
	// Give up after this long. Default 24h.
	Timeout holdfast.Span `yaml:"timeout"`
}

// SourceConfig is one source: exactly one of the kinds, and optionally a name.
type SourceConfig struct {
	// Name of the stream. Default: the job's name if it has one source, else the kind.
	Name string `yaml:"name"`
	// A PostgreSQL database, by pg_dump.
	Postgres *Postgres `yaml:"postgres"`
	// A MySQL database, by mysqldump.
	MySQL *MySQL `yaml:"mysql"`
	// A MariaDB database, by mariadb-dump.
	MariaDB *MySQL `yaml:"mariadb"`
	// A SQLite database, by a consistent snapshot.
	SQLite *SQLite `yaml:"sqlite"`
	// Files and directories, as a tar archive.
	Files *Files `yaml:"files"`
	// The standard output of a program.
	Command *Command `yaml:"command"`
}

// Postgres is a PostgreSQL database.
type Postgres struct {
	// Where the database is: `env:NAME` or `file:PATH` of a postgres:// URL, or the URL itself if it
	// holds no password.
	URL DSN `yaml:"url"`
	// The password, where the URL has none: `env:NAME` or `file:PATH`.
	Password secret.Ref `yaml:"password"`
	// plain (SQL, restorable by psql) or custom (restorable by pg_restore, single tables too). Default
	// plain.
	Format string `yaml:"format"`
	// Also dump roles and tablespaces (pg_dumpall --globals-only) as a stream of their own, named
	// after this one and "-globals". Needs a role that may read them.
	Globals bool `yaml:"globals"`
	// Patterns of tables whose rows are left out, as pg_dump --exclude-table-data takes them.
	ExcludeTableData []string `yaml:"exclude_table_data"`
	// More arguments for pg_dump. Never a password.
	Args []string `yaml:"args"`
	// Directory of pg_dump and pg_dumpall, absolute. Default: those of PATH.
	BinDir string `yaml:"bin_dir"`
}

// MySQL is a MySQL or MariaDB database.
type MySQL struct {
	// Where the database is: `env:NAME` or `file:PATH` of a mysql://user:password@host:port/database
	// URL, or the URL itself if it holds no password. A socket: mysql://user@/database?socket=/path.
	URL DSN `yaml:"url"`
	// The password, where the URL has none: `env:NAME` or `file:PATH`.
	Password secret.Ref `yaml:"password"`
	// An option file of the user's own (such as /home/app/.my.cnf) to take login and password from. A
	// relative path is relative to this file.
	DefaultsFile string `yaml:"defaults_file"`
	// Tables whose rows are left out; their definitions stay.
	ExcludeTableData []string `yaml:"exclude_table_data"`
	// More arguments for the dump tool. Never a password.
	Args []string `yaml:"args"`
	// Directory of the dump tool, absolute. Default: the one of PATH.
	BinDir string `yaml:"bin_dir"`
}

// SQLite is a SQLite database.
type SQLite struct {
	// Absolute path of the database file.
	Path string `yaml:"path"`
}

// Files is a set of files and directories.
type Files struct {
	// Absolute paths of what to back up.
	Include []string `yaml:"include"`
	// Patterns of what to leave out. Without a slash a pattern matches a name anywhere, with one a
	// path; `**` matches any number of directories.
	Exclude []string `yaml:"exclude"`
	// Leave out directories that hold a file of this name, such as CACHEDIR.TAG.
	ExcludeIfPresent []string `yaml:"exclude_if_present"`
	// Stay on the file system of each included path. Default false.
	OneFileSystem bool `yaml:"one_file_system"`
	// Count unreadable files as warnings. Default: one unreadable file fails the backup.
	SkipUnreadable bool `yaml:"skip_unreadable"`
	// Accept an included path that holds no regular file. Default: it fails the backup, since a file
	// system that is not mounted is an empty directory.
	AllowEmpty bool `yaml:"allow_empty"`
}

// Command is a program whose standard output is backed up.
type Command struct {
	// The program and its arguments; no shell is involved.
	Run []string `yaml:"run"`
	// File name of the plain stream, such as ldap.ldif. Default: the stream's name and ".out".
	File string `yaml:"file"`
	// Text that the last bytes of a whole output contain, as proof that it is whole.
	Trailer string `yaml:"trailer"`
	// Environment variables for the program, values by reference: `env:NAME` or `file:PATH`.
	Env map[string]secret.Ref `yaml:"env"`
	// Its working directory, absolute. Default: that of pusher.
	Dir string `yaml:"dir"`
}

// Hooks are commands around a run. They get HOLDFAST_HOST, HOLDFAST_JOB and, after the run,
// HOLDFAST_STATUS (ok, partial or failed) in their environment. Each is a list of words, run as it is, or a
// single string, run by /bin/sh -c.
type Hooks struct {
	// Run before the first source. One that fails stops the job.
	Pre Commands `yaml:"pre"`
	// Run after the last source, whether the run succeeded or not. One that fails makes the run
	// count as partly failed.
	Post Commands `yaml:"post"`
	// How long each may take. Default 10m.
	Timeout holdfast.Span `yaml:"timeout"`
}
