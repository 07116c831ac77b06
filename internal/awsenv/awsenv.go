// Package awsenv is what is AWS's about running: the configuration document and
// the secrets that lie in the parameter store or in a bucket, kept for a while
// and fetched again, and metrics. It decides nothing by what it fetches.
//
// The SDK finds region, credentials and endpoints by itself, from the
// environment; nothing is asked of AWS before something is needed from it.
package awsenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Env fetches what lies in AWS. It is safe for concurrent use.
type Env struct {
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	sdk     *clients
	secrets map[secret.Ref]*Cache[secret.Secret]
}

// New returns an Env that asks AWS for nothing yet. The log takes refreshes
// that fail; nothing of what is fetched is in it.
func New(now func() time.Time, log *slog.Logger) *Env {
	return &Env{now: now, log: log, secrets: map[secret.Ref]*Cache[secret.Secret]{}}
}

// maxDocument is far more than a configuration of thousands of hosts takes.
const maxDocument = 8 << 20 // bytes

// Document fetches a configuration document: "ssm:/name" is a parameter,
// "s3://bucket/key" an object, anything else the path of a file. Name is what
// the document is called where it is parsed.
func (e *Env) Document(ctx context.Context, ref string) (name string, text []byte, err error) {
	if parameter, ok := strings.CutPrefix(ref, "ssm:"); ok {
		p, err := e.parameter(ctx, parameter)
		if err != nil {
			return "", nil, fmt.Errorf("read configuration: %w", err)
		}
		return ref, []byte(aws.ToString(p.Value)), nil
	}
	if place, ok := strings.CutPrefix(ref, "s3://"); ok {
		text, err := e.object(ctx, place)
		if err != nil {
			return "", nil, fmt.Errorf("read configuration %q: %w", ref, err)
		}
		return ref, text, nil
	}
	path, err := filepath.Abs(ref)
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	return path, text, nil
}

// object reads an object, named as bucket/key.
func (e *Env) object(ctx context.Context, place string) ([]byte, error) {
	bucket, key, ok := strings.Cut(place, "/")
	if !ok || bucket == "" || key == "" {
		return nil, fmt.Errorf("want s3://bucket/key")
	}
	c, err := e.clients(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf("more than %d bytes", maxDocument)
	}
	return text, err
}

// clients are the SDK's.
type clients struct {
	region string
	ssm    *ssm.Client
	s3     *s3.Client
}

// clients returns the clients, made at the first call that can.
func (e *Env) clients(ctx context.Context) (*clients, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sdk != nil {
		return e.sdk, nil
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS: %w", err)
	}
	if c.Region == "" {
		return nil, fmt.Errorf("find AWS: no region given in AWS_REGION")
	}
	e.sdk = &clients{c.Region, ssm.NewFromConfig(c), s3.NewFromConfig(c, func(o *s3.Options) {
		// An endpoint that the environment names stands in for AWS and has no
		// host name for each bucket.
		o.UsePathStyle = o.BaseEndpoint != nil
		// An object that was stored without a checksum is nothing to log.
		o.DisableLogOutputChecksumValidationSkipped = true
	})}
	return e.sdk, nil
}
