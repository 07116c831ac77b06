package config

import (
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Holdfast is holdfast.yaml: for `holdfast serve` and the operator's commands.
type Holdfast struct {
	*places // At and Locate say where in the file something stands

	// The broker that hosts and operators talk to.
	Broker Broker `yaml:"broker"`
	// Where backups live, by name.
	Vaults map[string]Vault `yaml:"vaults"`
	// The hosts that may push, by name.
	Hosts map[string]Host `yaml:"hosts"`
	// The people who may restore through the broker, by name.
	Operators map[string]Operator `yaml:"operators"`
	// What is asked of each job: by job name, or by host/job for one host, which then counts instead
	// as a whole.
	Jobs map[string]Job `yaml:"jobs"`
	// Who is told what.
	Alerts Alerts `yaml:"alerts"`
	// When `holdfast serve` thins out and looks after the vaults.
	Schedule Schedule `yaml:"schedule"`
}

// Broker is the part of the server that gives out signatures.
type Broker struct {
	// URL under which hosts and operators reach it. Plain http is accepted for loopback addresses
	// only. `serve` and `url` need it.
	URL string `yaml:"url"`
	// Address that `serve` listens on. Default 127.0.0.1:8420.
	Listen string `yaml:"listen"`
	// The secret that upload tokens, tickets and signed URLs are signed with, at least 32 bytes:
	// `env:NAME`, `file:PATH` or `ssm:/NAME`. `serve` and `url` need it.
	Secret secret.Ref `yaml:"secret"`
	// The secret before the last rotation, still accepted.
	OldSecret secret.Ref `yaml:"old_secret"`
	// Certificate and key, where `serve` speaks TLS itself.
	TLS TLS `yaml:"tls"`
	// The bearer token, at least 16 bytes, with which Prometheus may fetch `/metrics` of `serve`, by
	// reference. Default: nobody may.
	MetricsToken secret.Ref `yaml:"metrics_token"`
}

// TLS names a certificate chain and its key, as PEM files.
type TLS struct {
	// Path of the certificate chain. A relative path is relative to this file.
	Cert string `yaml:"cert"`
	// Path of the private key, mode 0600. A relative path is relative to this file.
	Key string `yaml:"key"`
}

// Vault is one place where backups live: exactly one of the kinds.
type Vault struct {
	// A directory on this machine.
	Disk *Disk `yaml:"disk"`
	// A bucket of Amazon S3, or of a store that speaks its protocol.
	S3 *S3 `yaml:"s3"`
	// A bucket of Backblaze B2.
	B2 *B2 `yaml:"b2"`
	// A directory on a server, which hosts write to with SSH keys of their own.
	SFTP *SFTP `yaml:"sftp"`
	// Backups of something else's making that lie there, to watch and thin out as well.
	Adopt []Adopt `yaml:"adopt"`
	// What a gigabyte costs there in a month, such as "0.023 USD", for the status page.
	// Default: it shows no cost.
	Price string `yaml:"price"`
}

// Disk is a directory.
type Disk struct {
	// Its absolute path; made if it is not there.
	Path string `yaml:"path"`
}

// Host is a machine that pushes.
type Host struct {
	// Its public key, as `pusher init` printed it: "ed25519:…".
	Key string `yaml:"key"`
	// Public keys it had before; they prove old manifests and open nothing.
	RetiredKeys []string `yaml:"retired_keys"`
	// The jobs it may push: names, or patterns with *. What only a pattern matches needs an entry
	// below jobs. A job that has no entry below `jobs` is kept
	// whole and expected daily.
	Jobs []string `yaml:"jobs"`
	// What it may do: push, report. Default both.
	Scopes []holdfast.Scope `yaml:"scopes"`
	// The addresses that it comes from, such as 203.0.113.7 or 2001:db8::/64. SSH certificates are good from
	// these alone. Default: from anywhere.
	Addresses []string `yaml:"addresses"`
	// Cut off: its tokens are refused and no more backups are expected of it; those it has stay under
	// the rules of their jobs.
	Revoked bool `yaml:"revoked"`
}

// Operator is a person or machine that restores through the broker.
type Operator struct {
	// Public key, as `holdfast key` printed it: "ed25519:…".
	Key string `yaml:"key"`
	// What it may restore: host/job, with * as a pattern. Default "*/*".
	Jobs []string `yaml:"jobs"`
}

// Job is what is asked of a job.
type Job struct {
	// The vault that its backups go to, or several, such as [main, second], or with terms of their own,
	// such as {main: {}, second: {keep: {last: 3}}}. Default: the only one.
	Vault JobVaults `yaml:"vault"`
	// What to expect of it; the monitor watches over this.
	Expect Expect `yaml:"expect"`
	// What to keep. Default: everything.
	Keep Keep `yaml:"keep"`
	// The channels that tell of it, such as [ops], or with the events of each,
	// such as {ops: [backup-succeeded, unhealthy]}. Default: all channels.
	Alert JobAlert `yaml:"alert"`
	// The largest backup it may send, as stored. Default 100GB.
	MaxSize holdfast.Size `yaml:"max_size"`
	// How many backups it may begin in a UTC day. Default 24.
	MaxPerDay int `yaml:"max_per_day"`
	// Time zone in which days begin for keep, such as Europe/Paris. Default UTC.
	TimeZone string `yaml:"time_zone"`
}

// Expect says what a healthy job looks like.
type Expect struct {
	// How often a backup should arrive. Default 24h.
	Every holdfast.Span `yaml:"every"`
	// How much later is still in order. Default: a twelfth of every, so 2h for 24h.
	Grace *holdfast.Span `yaml:"grace"`
	// Stored size below which a backup is suspect. Default: unchecked.
	MinSize holdfast.Size `yaml:"min_size"`
	// Stored size of all its backups above which to warn. Default: unchecked.
	MaxTotal holdfast.Size `yaml:"max_total"`
	// Number of good backups below which to warn. Default: unchecked.
	MinCount int `yaml:"min_count"`
	// Ratio to the median of the last backups below which one is suspect; 0 switches this off.
	// Default 0.5.
	Shrink *float64 `yaml:"shrink"`
	// Ratio to the median of the last backups above which one is suspect; 0 switches this off.
	// Default 3.
	Grow *float64 `yaml:"grow"`
}

// Keep says which backups stay: either lengths of time (7d, 8w, 4mo), chained, or numbers of
// backups, as a union. A mixture is an error.
type Keep struct {
	// Lengths only: keep every backup of this long.
	All KeepValue `yaml:"all"`
	// Numbers only: keep this many of the newest.
	Last KeepValue `yaml:"last"`
	// Numbers only: one an hour, for this many hours that have one.
	Hourly KeepValue `yaml:"hourly"`
	// One a day: for this long after all, or this many.
	Daily KeepValue `yaml:"daily"`
	// One an ISO week: for this long after daily, or this many.
	Weekly KeepValue `yaml:"weekly"`
	// One a month: for this long after weekly, or this many.
	Monthly KeepValue `yaml:"monthly"`
	// One a year: for this long after monthly, or this many.
	Yearly KeepValue `yaml:"yearly"`
	// The most the job's backups may occupy; the oldest go first. Default: no limit.
	MaxTotal holdfast.Size `yaml:"max_total"`
	// Never go below this many of the newest good backups. Default 3.
	MinKeep int `yaml:"min_keep"`
}

// Schedule is when `serve` does its rounds.
type Schedule struct {
	// How often retention runs. Default 1h.
	Retention holdfast.Span `yaml:"retention"`
	// How often the monitor runs. Default 5m.
	Monitor holdfast.Span `yaml:"monitor"`
}
