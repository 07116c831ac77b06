package testenv

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Locks sets locks on objects of a bucket, and has them end before their time. It is
// not safe for concurrent use.
type Locks struct {
	client         *s3.Client
	bucket, prefix string
	until          map[string]time.Time // by key
}

// NewLocks returns locks of objects whose keys lie below prefix.
func NewLocks(client *s3.Client, bucket, prefix string) *Locks {
	return &Locks{client, bucket, prefix, map[string]time.Time{}}
}

// Lock forbids the deletion of the newest version for d.
func (l *Locks) Lock(ctx context.Context, key string, d time.Duration) error {
	l.until[key] = time.Now().Add(d)
	return l.retain(ctx, key, l.until[key])
}

// Advance has the locks that would end within d end now.
func (l *Locks) Advance(ctx context.Context, d time.Duration) error {
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
func (l *Locks) end(ctx context.Context, key string) error {
	for soon := time.Second; ; soon *= 2 {
		until := time.Now().Add(soon)
		err := l.retain(ctx, key, until)
		var refusal smithy.APIError
		switch {
		case errors.As(err, &refusal) && refusal.ErrorCode() == "InvalidArgument" && soon < time.Minute: // it took so long
		case err != nil:
			return err
		default:
			return Wait(ctx, time.Until(until)+time.Millisecond)
		}
	}
}

// retain locks an object until then, also if it was locked for longer.
func (l *Locks) retain(ctx context.Context, key string, until time.Time) error {
	_, err := l.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &l.bucket, Key: aws.String(l.prefix + key), BypassGovernanceRetention: aws.Bool(true),
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &until},
	})
	return err
}

// Wait waits for d, or returns an error once ctx has ended.
func Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
