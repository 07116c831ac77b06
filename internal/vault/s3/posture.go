package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
)

// hiddenNamed is how many hidden objects Posture names.
const hiddenNamed = 5

// Posture implements holdfast.Posturer. What the vault may not ask, or the store
// can't answer, is unknown; a bucket that can't be reached is an error.
func (v *Vault) Posture(ctx context.Context) (holdfast.Posture, error) {
	var p holdfast.Posture
	for _, ask := range []struct {
		what string
		to   *holdfast.Setting
		call func(context.Context) (holdfast.Setting, error)
	}{
		{"versioning", &p.Versioning, v.versioning},
		{"public access block", &p.Private, v.private},
	} {
		answer, err := ask.call(ctx)
		switch {
		case err == nil:
			*ask.to = answer
		case unanswered(ctx, err):
			*ask.to = holdfast.Unknown
		default:
			return holdfast.Posture{}, fmt.Errorf("read %s of bucket %q: %w", ask.what, *v.bucket, cause(ctx, err))
		}
	}
	for o, err := range v.hidden(ctx, holdfast.BackupsPrefix) {
		if err != nil && !unanswered(ctx, err) {
			return holdfast.Posture{}, fmt.Errorf("list versions of bucket %q: %w", *v.bucket, cause(ctx, err))
		}
		if err != nil {
			break
		}
		if p.HiddenCount++; p.HiddenCount <= hiddenNamed {
			p.Hidden = append(p.Hidden, o.Key)
		}
	}
	return p, nil
}

// unanswered reports whether the store was reached and refused, or does not know
// what it was asked.
func unanswered(ctx context.Context, err error) bool {
	return ctx.Err() == nil && code(err) != "NoSuchBucket" && status(err) >= 400 && (status(err) < 500 || missing(err))
}

func (v *Vault) versioning(ctx context.Context) (holdfast.Setting, error) {
	out, err := v.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: v.bucket})
	if err != nil {
		return holdfast.Unknown, err
	}
	return setting(out.Status == types.BucketVersioningStatusEnabled), nil
}

// private reports whether all four public access blocks of the bucket are on.
func (v *Vault) private(ctx context.Context) (holdfast.Setting, error) {
	out, err := v.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: v.bucket})
	if isCode(err, "NoSuchPublicAccessBlockConfiguration") {
		return holdfast.Off, nil
	}
	if err != nil {
		return holdfast.Unknown, err
	}
	c := out.PublicAccessBlockConfiguration
	return setting(c != nil && aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.IgnorePublicAcls) &&
		aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.RestrictPublicBuckets)), nil
}

func setting(on bool) holdfast.Setting {
	if on {
		return holdfast.On
	}
	return holdfast.Off
}

var _ holdfast.Posturer = (*Vault)(nil)
