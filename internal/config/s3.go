package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// S3 is a bucket.
type S3 struct {
	// Its name. Versioning should be on.
	Bucket string `yaml:"bucket"`
	// What all keys begin with, without slashes around it. Default: nothing.
	Prefix string `yaml:"prefix"`
	// Its region, such as eu-west-3. Default: AWS_REGION, with an endpoint us-east-1.
	Region string `yaml:"region"`
	// Whose store it is: aws, b2, hetzner, minio, r2, scaleway or other. It sets what follows below
	// to what that store can do. Default: aws, with an endpoint other.
	Store string `yaml:"store"`
	// URL of a store other than AWS. Plain http is accepted for loopback addresses only.
	Endpoint string `yaml:"endpoint"`
	// Id of the access key, by reference. Default: where AWS's own tools look.
	AccessKey secret.Ref `yaml:"access_key"`
	// The access key's secret, by reference.
	SecretKey secret.Ref `yaml:"secret_key"`
	// Storage class of the data, such as STANDARD_IA. Manifests stay in the bucket's own. Default: the
	// bucket's own.
	StorageClass string `yaml:"storage_class"`
	// Encrypt the data with this key of AWS KMS: its ARN. Default: the bucket's own encryption.
	KMSKey string `yaml:"kms_key"`
	// Forbid deletion for a time after upload. The bucket must have been made with object lock.
	Lock *Lock `yaml:"lock"`
	// Address the bucket by path instead of by host name. Default: as the store wants it.
	PathStyle *bool `yaml:"path_style"`
	// What binds the bytes of a part: sha256, or md5 for stores that know no other. Default: as the
	// store wants it.
	Checksum string `yaml:"checksum"`
	// Whether the store can refuse to replace an object. Without it Holdfast looks first, which leaves
	// a moment between: let only one `holdfast serve` use the bucket. Try true where nothing is known
	// of the store; `holdfast check` tells. Default: as the store can.
	ConditionalWrites *bool `yaml:"conditional_writes"`
	// Whether the store deletes many objects in one request. Default: as the store can.
	BatchDelete *bool `yaml:"batch_delete"`
	// How many parts an upload can have. Default: 10000, with scaleway 1000.
	MaxParts int `yaml:"max_parts"`
}

// Lock forbids deletion.
type Lock struct {
	// governance: with a special permission it can be lifted; compliance: nobody can, not even the
	// account's owner.
	Mode string `yaml:"mode"`
	// How long after the upload. At least two days, at most what retention keeps anyway.
	For holdfast.Span `yaml:"for"`
}

// Stores that have a preset.
var stores = []string{"aws", "b2", "hetzner", "minio", "r2", "scaleway", "other"}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
)

// minLock is longer than an upload token lives.
var minLock = holdfast.Span{N: 2, Unit: holdfast.Day}

// check notes what is wrong with s and fills in what has a fixed default.
func (s *S3) check(d *document, at string) {
	if d.required(join(at, "bucket"), s.Bucket) && !bucketName.MatchString(s.Bucket) {
		d.errorf(join(at, "bucket"), "%q: want the name of a bucket: 3 to 63 of a-z, 0-9, hyphens and dots", s.Bucket)
	}
	d.checkPrefix(join(at, "prefix"), s.Prefix)
	d.checkChoice(join(at, "store"), s.Store, stores...)
	s.checkEndpoint(d, at)
	if s.Store == "" {
		s.Store = "aws"
		if s.Endpoint != "" {
			s.Store = "other"
		}
	}
	switch {
	case s.AccessKey == "" && s.SecretKey != "":
		d.errorf(join(at, "access_key"), "is missing; secret_key is the secret of one")
	case s.AccessKey != "" && s.SecretKey == "":
		d.errorf(join(at, "secret_key"), "is missing; access_key needs its secret")
	}
	if s.KMSKey != "" && s.Store != "aws" {
		d.errorf(join(at, "kms_key"), "only AWS has keys of KMS")
	}
	d.checkChoice(join(at, "checksum"), s.Checksum, holdfast.ChecksumSHA256, holdfast.ChecksumMD5)
	if d.given(join(at, "max_parts")) && (s.MaxParts < 1 || s.MaxParts > holdfast.MaxParts) {
		d.errorf(join(at, "max_parts"), "want 1 to %d", holdfast.MaxParts)
	}
	if s.Lock != nil {
		d.checkChoice(join(at, "lock", "mode"), s.Lock.Mode, "governance", "compliance")
		d.required(join(at, "lock", "mode"), s.Lock.Mode)
		if s.Lock.For.Duration() < minLock.Duration() {
			d.errorf(join(at, "lock", "for"), "want at least %s", minLock)
		}
	}
}

func (s *S3) checkEndpoint(d *document, at string) {
	path := join(at, "endpoint")
	if s.Endpoint == "" {
		if s.Store != "" && s.Store != "aws" {
			d.errorf(path, "is missing; a store other than aws needs one")
		}
		return
	}
	d.checkStoreURL(path, s.Endpoint)
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil:
	case s.PathStyle != nil && !*s.PathStyle && isAddress(u.Hostname()):
		d.errorf(join(at, "path_style"), "the endpoint is an address, which has no host names below it")
	}
}

// checkPrefix accepts no value too.
func (d *document) checkPrefix(path, prefix string) {
	if prefix != "" && (!prefixName.MatchString(prefix) || strings.Contains("/"+prefix+"/", "/./") || strings.Contains("/"+prefix+"/", "/../")) {
		d.errorf(path, "%q: want names between slashes, with none at the ends, such as backups/holdfast", prefix)
	}
}

// checkStoreURL checks the URL of a store's API.
func (d *document) checkStoreURL(path, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		d.errorf(path, "want a URL, such as https://s3.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		d.errorf(path, "want a URL without login, path, query and fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		d.errorf(path, "want https; http is accepted for loopback addresses only")
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
