package open

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// openS3 returns the vault in the bucket of the configuration. It asks the bucket
// nothing.
func openS3(ctx context.Context, c *config.S3, o Options) (*s3.Vault, error) {
	store, err := storeOf(c)
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", c.Bucket, err)
	}
	options := s3.Options{
		Bucket: c.Bucket, Prefix: c.Prefix, Region: c.Region, Endpoint: c.Endpoint, Store: store,
		StorageClass: c.StorageClass, KMSKey: c.KMSKey, Now: o.Now,
	}
	if c.Lock != nil {
		options.Lock = &s3.Lock{Governance: c.Lock.Mode == "governance", For: c.Lock.For.Duration()}
	}
	if c.AccessKey != "" {
		id, err := resolve(ctx, o.Secrets, "access_key", c.AccessKey)
		if err != nil {
			return nil, fmt.Errorf("open vault %q: %w", c.Bucket, err)
		}
		key, err := resolve(ctx, o.Secrets, "secret_key", c.SecretKey)
		if err != nil {
			return nil, fmt.Errorf("open vault %q: %w", c.Bucket, err)
		}
		options.Credentials = credentials.NewStaticCredentialsProvider(id.Reveal(), key.Reveal(), "")
	}
	return s3.New(ctx, options)
}

func resolve(ctx context.Context, from secret.Resolver, name string, ref secret.Ref) (secret.Secret, error) {
	if from == nil {
		from = secret.Local
	}
	s, err := from(ctx, ref)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// storeOf returns what the bucket's store can do: its preset, and what the
// configuration says otherwise.
func storeOf(c *config.S3) (s3.Store, error) {
	name := c.Store
	if name == "" {
		name = "aws"
		if c.Endpoint != "" {
			name = "other"
		}
	}
	store, err := s3.Preset(name)
	if err != nil {
		return s3.Store{}, err
	}
	if c.PathStyle != nil {
		store.PathStyle = *c.PathStyle
	}
	if c.Checksum != "" {
		store.Checksum = c.Checksum
	}
	if c.ConditionalWrites != nil {
		store.ConditionalWrites = *c.ConditionalWrites
	}
	if c.BatchDelete != nil {
		store.BatchDelete = *c.BatchDelete
	}
	if c.MaxParts != 0 {
		store.MaxParts = c.MaxParts
	}
	return store, nil
}
