package config

import "github.com/holdfast-backup/holdfast/internal/secret"

// EncryptTo is a list of age recipients; None where `none` was spelled out.
type EncryptTo struct {
	Recipients []string
	None       bool
}

// DSN is where a database is: a URL without a password, or a reference to a
// secret that holds the whole URL.
type DSN struct {
	ref   secret.Ref
	plain string
}

// Heartbeat has the URLs to ping. In YAML a single string is Success.
type Heartbeat struct {
	// Pinged when a run starts.
	Start string `yaml:"start"`
	// Pinged when a run has succeeded.
	Success string `yaml:"success"`
	// Pinged when a run has failed.
	Failure string `yaml:"failure"`
}

// KeepValue is a length of time or a number.
type KeepValue struct {
	Text string
}
