package s3

import (
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// Store is what an endpoint can do. A Store that claims too little costs
// requests, or leaves a moment between looking and writing; one that claims too
// much breaks promises. `holdfast check` shows which.
type Store struct {
	// PathStyle addresses the bucket by path instead of by host name.
	PathStyle bool
	// Checksum binds the bytes of a part: holdfast.ChecksumSHA256, or
	// ChecksumMD5, by Content-MD5, for stores that know no other.
	Checksum string
	// ConditionalWrites: If-None-Match and If-Match are honoured, also when an
	// upload completes. Without them the vault looks before it writes.
	ConditionalWrites bool
	// TotalSize: completing an upload checks x-amz-mp-object-size, and each
	// part's checksum. Without it the vault lists the parts.
	TotalSize bool
	// BatchDelete: DeleteObjects is there.
	BatchDelete bool
	// Versions: ListObjectVersions is there, also for buckets without versions.
	Versions bool
	// SSES3: x-amz-server-side-encryption AES256 is understood.
	SSES3 bool
	// SDKChecksums: the SDK may add CRC checksums by its own default, and check
	// those of answers.
	SDKChecksums bool
	// EqualParts: all parts but the last must have the same size, so that an
	// upload ends where the schedule of part sizes first grows: at 23 GiB where
	// 10,000 parts are allowed.
	EqualParts bool
	// MaxParts is how many parts an upload can have, at most 10,000.
	MaxParts int
}

// Preset returns what a store is known to do, by its name: aws, b2, hetzner,
// minio, r2, scaleway, or other for one that nothing is known of. Where the
// sources say nothing it claims nothing.
func Preset(name string) (Store, error) {
	// Every S3 of the last ten years: paths, Content-MD5, versions.
	careful := Store{
		PathStyle: true, Checksum: holdfast.ChecksumMD5, BatchDelete: true, Versions: true, MaxParts: holdfast.MaxParts,
	}
	switch s := careful; name {
	case "aws":
		// docs.aws.amazon.com/AmazonS3/latest/API: PutObject, CompleteMultipartUpload.
		return Store{
			Checksum: holdfast.ChecksumSHA256, ConditionalWrites: true, TotalSize: true, BatchDelete: true,
			Versions: true, SSES3: true, SDKChecksums: true, MaxParts: holdfast.MaxParts,
		}, nil
	case "b2":
		// backblaze.com/docs/cloud-storage-s3-compatible-api: Content-MD5, and
		// x-amz-checksum-sha256 among what is refused. A condition on a write is
		// answered with NotImplemented.
		return s, nil
	case "hetzner":
		// docs.hetzner.com/storage/object-storage: Ceph, of an unnamed version.
		// Nothing is said of conditions, nor of checksums.
		return s, nil
	case "minio":
		// github.com/minio/minio pull requests 16551 and 19713: conditions on
		// PutObject since 2023, on CompleteMultipartUpload since May 2024. SHA-256
		// of parts since 2022.
		s.Checksum, s.ConditionalWrites = holdfast.ChecksumSHA256, true
		return s, nil
	case "r2":
		// developers.cloudflare.com/r2/api/s3/api and …/conditional-operations:
		// SHA-256 as a composite, conditions on both writes, no
		// ListObjectVersions. …/r2/objects/multipart-objects: all parts but the
		// last of one size.
		s.Checksum, s.ConditionalWrites, s.Versions, s.EqualParts = holdfast.ChecksumSHA256, true, false, true
		return s, nil
	case "scaleway":
		// scaleway.com/en/docs/object-storage/api-cli/multipart-uploads: 1 to
		// 1,000 parts. …/using-conditional-writes, of July 2026, tells of creating
		// and copying objects; that it holds for completing uploads is not known.
		s.MaxParts = 1000
		return s, nil
	case "other":
		return s, nil
	}
	return Store{}, fmt.Errorf("unknown store %q, want aws, b2, hetzner, minio, r2, scaleway or other", name)
}

func (s Store) check() error {
	if s.Checksum != holdfast.ChecksumSHA256 && s.Checksum != holdfast.ChecksumMD5 {
		return fmt.Errorf("unknown checksum %q, want %s or %s", s.Checksum, holdfast.ChecksumSHA256, holdfast.ChecksumMD5)
	}
	if s.MaxParts < 1 || s.MaxParts > holdfast.MaxParts {
		return fmt.Errorf("%d parts, want 1 to %d", s.MaxParts, holdfast.MaxParts)
	}
	return nil
}
