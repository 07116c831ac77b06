package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Setting is whether something is on at the bucket.
type Setting string

// The settings. Unknown is what the vault may not ask, or the store can't answer.
const (
	Unknown Setting = "unknown"
	On      Setting = "on"
	Off     Setting = "off"
)

// Posture is what protects the bucket besides permissions.
type Posture struct {
	Versioning   Setting `json:"versioning"`    // what is replaced or deleted by name stays
	Lock         Setting `json:"lock"`          // object lock is possible; objects may be locked or not
	PublicAccess Setting `json:"public_access"` // On unless all four public access blocks are
}

// Posture asks the bucket for it. A refusal is no error, an unreachable bucket is.
func (v *Vault) Posture(ctx context.Context) (Posture, error) {
	var p Posture
	for _, ask := range []struct {
		what string
		to   *Setting
		call func(context.Context) (Setting, error)
	}{
		{"versioning", &p.Versioning, v.versioning},
		{"object lock", &p.Lock, v.objectLock},
		{"public access block", &p.PublicAccess, v.publicAccess},
	} {
		answer, err := ask.call(ctx)
		switch {
		case err == nil:
			*ask.to = answer
		case ctx.Err() == nil && code(err) != "NoSuchBucket" && status(err) >= 400 && (status(err) < 500 || missing(err)):
			*ask.to = Unknown
		default:
			return Posture{}, fmt.Errorf("read %s of bucket %q: %w", ask.what, *v.bucket, cause(ctx, err))
		}
	}
	return p, nil
}

func (v *Vault) versioning(ctx context.Context) (Setting, error) {
	out, err := v.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: v.bucket})
	if err != nil {
		return Unknown, err
	}
	return setting(out.Status == types.BucketVersioningStatusEnabled), nil
}

func (v *Vault) objectLock(ctx context.Context) (Setting, error) {
	out, err := v.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: v.bucket})
	if isCode(err, "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration") {
		return Off, nil
	}
	if err != nil {
		return Unknown, err
	}
	c := out.ObjectLockConfiguration
	return setting(c != nil && c.ObjectLockEnabled == types.ObjectLockEnabledEnabled), nil
}

func (v *Vault) publicAccess(ctx context.Context) (Setting, error) {
	out, err := v.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: v.bucket})
	if isCode(err, "NoSuchPublicAccessBlockConfiguration") {
		return On, nil
	}
	if err != nil {
		return Unknown, err
	}
	c := out.PublicAccessBlockConfiguration
	blocked := c != nil && aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.IgnorePublicAcls) &&
		aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.RestrictPublicBuckets)
	return setting(!blocked), nil
}

func setting(on bool) Setting {
	if on {
		return On
	}
	return Off
}
