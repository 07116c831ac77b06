package config

import (
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// B2 is a bucket of Backblaze B2, reached by its own API for what the broker,
// retention and the monitor do, and by its S3-compatible one for what hosts send.
type B2 struct {
	// Its name.
	Bucket string `yaml:"bucket"`
	// What all keys begin with, without slashes around it. Default: nothing.
	Prefix string `yaml:"prefix"`
	// Id of the application key, by reference; not the account's master key, which the S3-compatible
	// API does not take. `holdfast key b2` makes one.
	KeyID secret.Ref `yaml:"key_id"`
	// The application key, by reference.
	Key secret.Ref `yaml:"application_key"`
	// URL of B2's own API. Default https://api.backblazeb2.com. Plain http is accepted for loopback
	// addresses only.
	API string `yaml:"api"`
}

// check notes what is wrong with b.
func (b *B2) check(d *document, at string) {
	// https://www.backblaze.com/docs/cloud-storage-buckets: 6 to 63 letters, digits and hyphens.
	if d.required(join(at, "bucket"), b.Bucket) &&
		(len(b.Bucket) < 6 || len(b.Bucket) > 63 || strings.Trim(b.Bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "") {
		d.errorf(join(at, "bucket"), "%q: want the name of a bucket: 6 to 63 letters, digits and hyphens", b.Bucket)
	}
	d.checkPrefix(join(at, "prefix"), b.Prefix)
	d.required(join(at, "key_id"), string(b.KeyID))
	d.required(join(at, "application_key"), string(b.Key))
	if b.API != "" {
		d.checkStoreURL(join(at, "api"), b.API)
	}
}
