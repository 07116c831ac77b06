// Package s3 is a vault in a bucket of Amazon S3, or of a store that speaks its
// protocol. It makes and configures no bucket: versioning, encryption, locks,
// public access and who may do what are set where the bucket is made; Posture
// reads them back. It keeps no database and nothing between calls.
//
// # Permissions
//
// Each method needs these and no other, on AWS. Actions on the bucket are held
// to a prefix by the condition s3:prefix, those on objects by the resource. With
// a key of KMS, what it encrypts also needs kms:GenerateDataKey and kms:Decrypt
// to write, which parts are combined by, and kms:Decrypt to read.
//
//	List, ListUploads   s3:ListBucket; s3:ListBucketMultipartUploads
//	Open, SignDownload, SignPage
//	                    s3:GetObject
//	Put                 s3:PutObject, s3:ListBucket where the key is taken;
//	                    below backups/ with a lock s3:PutObjectRetention
//	StartUpload         s3:PutObject, with a lock s3:PutObjectRetention
//	SignPart            s3:PutObject, which who sends the part exercises
//	CompleteUpload      s3:PutObject, s3:ListBucket, s3:AbortMultipartUpload where
//	                    the key is taken
//	AbortUpload         s3:AbortMultipartUpload
//	UploadLimits        none
//	Delete, DeleteBatch s3:ListBucketVersions, s3:DeleteObject,
//	                    s3:DeleteObjectVersion; where a deletion is refused or a key
//	                    has several versions s3:GetObjectRetention and
//	                    s3:GetObjectLegalHold
//	Load                s3:GetObject, s3:ListBucket (without it what is absent is
//	                    told as forbidden)
//	Swap                s3:PutObject, s3:GetObject (by which If-Match compares)
//	Hidden              s3:ListBucketVersions
//	Posture             s3:GetBucketVersioning, s3:GetBucketPublicAccessBlock,
//	                    s3:ListBucketVersions; what is refused is unknown
//
// Completing needs neither s3:GetObject nor s3:ListMultipartUploadParts on AWS,
// which checks the parts' checksums and the total size by itself. For a store
// that is not known to, CompleteUpload lists the parts. Other stores have coarser
// permissions than these, and without conditional writes Swap also lists.
//
// # What is written how
//
// Data is encrypted by the customer's key of KMS, if there is one. The small
// documents that Put and Swap write are not: on AWS they ask for SSE-S3, whose
// ETag is the MD5 of the bytes, so that Put can tell from a listing, without
// permission to read, whether what is there is the very same. They hold no
// secrets, nor anything that a listing of the bucket would not show as well.
//
// With a lock, what lies below backups/ is locked as it is written, save the mark
// that holds a backup, which must go when the backup is released. Reports, state
// and scratch are not locked.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/holdfast-backup/holdfast"
)

// Options say which bucket it is, what its store can do, and how data is kept.
type Options struct {
	Bucket string
	// Prefix is what all keys lie under, without slashes around it.
	Prefix string
	// Region defaults to what AWS's own tools use, with an Endpoint us-east-1.
	Region string
	// Endpoint is the URL of a store other than AWS.
	Endpoint string
	// Credentials default to what AWS's own tools use.
	Credentials aws.CredentialsProvider
	// Store is what the endpoint can do, as Preset returns it.
	Store Store

	// StorageClass of the data. Default: the bucket's own.
	StorageClass string
	// KMSKey encrypts the data. Default: the bucket's own encryption.
	KMSKey string
	// Lock forbids deletion for a time after the upload. Nil: it does not.
	Lock *Lock

	// Claim is asked, when the parts of an upload were found right, whether it may
	// be completed, by a vault that knows more of a store without conditional
	// writes than S3 tells. It returns holdfast.ErrExist where the key is another's.
	// May be nil.
	Claim func(ctx context.Context, u holdfast.Upload) error

	// Now is the clock that signatures and locks count from. Default time.Now.
	Now func() time.Time
	// Client sends the vault's own requests. Default: the SDK's.
	Client *http.Client
}

// Lock forbids deletion for a time. What Governance locks can be freed with a
// special permission, which the vault never uses; what it doesn't, by nobody.
type Lock struct {
	Governance bool
	For        time.Duration
}

// Vault implements holdfast.Vault.
type Vault struct {
	client       *s3.Client
	presign      *s3.PresignClient
	store        Store
	bucket       *string
	prefix       string // empty, or with a slash at its end
	storageClass string
	kmsKey       *string
	lock         *Lock
	claim        func(ctx context.Context, u holdfast.Upload) error
	now          func() time.Time
}

const (
	// attempts at one request; between them the SDK waits up to maxBackoff.
	attempts   = 5
	maxBackoff = 5 * time.Second
	// concurrency is how many requests of one call are under way at once.
	concurrency = 8
)

// New returns the vault in a bucket. It sends the bucket no request: a bucket
// that is not there, or not to be reached, shows with the first call.
func New(ctx context.Context, o Options) (*Vault, error) {
	if o.Bucket == "" {
		return nil, errors.New("open vault: no bucket given")
	}
	if err := o.Store.check(); err != nil {
		return nil, fmt.Errorf("open vault %q: %w", o.Bucket, err)
	}
	client, err := newClient(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", o.Bucket, err)
	}
	v := &Vault{
		client: client, presign: newPresigner(client), store: o.Store, bucket: &o.Bucket, prefix: strings.Trim(o.Prefix, "/"),
		storageClass: o.StorageClass, lock: o.Lock, claim: o.Claim, now: o.Now,
	}
	if v.prefix != "" {
		v.prefix += "/"
	}
	if o.KMSKey != "" {
		v.kmsKey = &o.KMSKey
	}
	if v.now == nil {
		v.now = time.Now
	}
	return v, nil
}

func newClient(ctx context.Context, o Options) (*s3.Client, error) {
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Endpoint != "" {
		load = append(load, config.WithDefaultRegion("us-east-1"))
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if c.Region == "" {
		return nil, errors.New("no region given, nor in AWS_REGION")
	}
	return s3.NewFromConfig(c, func(s *s3.Options) {
		if o.Endpoint != "" {
			s.BaseEndpoint = &o.Endpoint
		}
		if o.Client != nil {
			s.HTTPClient = o.Client
		}
		s.UsePathStyle = o.Store.PathStyle
		s.DisableLogOutputChecksumValidationSkipped = true
		if !o.Store.SDKChecksums {
			s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
		standard := retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = attempts, maxBackoff
			r.Retryables = append(r.Retryables, retry.IsErrorRetryableFunc(cutOff))
		})
		// Two conditional writes of one key at once: one of them is told to try
		// again, and then sees what the other has done.
		s.Retryer = retry.AddWithErrorCodes(standard, "ConditionalRequestConflict", "OperationAborted")
	}), nil
}

// cutOff reports whether an answer broke off, which the SDK does not repeat by
// itself. All requests of the vault may be repeated.
func cutOff(err error) aws.Ternary {
	var broken *smithy.DeserializationError
	if errors.As(err, &broken) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// locks reports whether what is stored under key is locked.
func (v *Vault) locks(key string) bool {
	return v.lock != nil && strings.HasPrefix(key, holdfast.BackupsPrefix) && !strings.HasSuffix(key, "/"+holdfast.HoldFile)
}

var _ holdfast.Vault = (*Vault)(nil)
