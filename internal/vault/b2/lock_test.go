package b2

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// locks are those that a check of the suite has set.
type locks struct {
	client *s3.Client // of the bucket behind the stand-in
	bucket string
	prefix string               // of the vault
	until  map[string]time.Time // by key
}

// lock is conform.Env's Lock.
func (l *locks) lock(ctx context.Context, key string, d time.Duration) error {
	l.until[key] = time.Now().Add(d)
	return l.retain(ctx, key, l.until[key])
}

// advance is conform.Env's Advance for locks: those that would end meanwhile end now.
func (l *locks) advance(ctx context.Context, d time.Duration) error {
	for key, until := range l.until {
		if until.After(time.Now().Add(d)) {
			continue
		}
		if err := l.end(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// end has a lock end. The store takes no end that has passed when it is asked, so it
// is one in the near future, which is waited for.
func (l *locks) end(ctx context.Context, key string) error {
	for soon := time.Second; ; soon *= 2 {
		until := time.Now().Add(soon)
		err := l.retain(ctx, key, until)
		var refusal smithy.APIError
		switch {
		case errors.As(err, &refusal) && refusal.ErrorCode() == "InvalidArgument" && soon < time.Minute: // it took so long
		case err != nil:
			return err
		default:
			return wait(ctx, time.Until(until)+time.Millisecond)
		}
	}
}

// retain locks an object until then, also if it was locked for longer.
func (l *locks) retain(ctx context.Context, key string, until time.Time) error {
	_, err := l.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &l.bucket, Key: aws.String(l.prefix + key), BypassGovernanceRetention: aws.Bool(true),
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &until},
	})
	return err
}
