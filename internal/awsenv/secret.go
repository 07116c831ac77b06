package awsenv

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Secret is a secret.Resolver. One of the parameter store, "ssm:/name", is kept
// as a Cache keeps it; any other lies on this machine, where secret.Local finds
// it.
func (e *Env) Secret(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
	parameter, ok := strings.CutPrefix(string(ref), "ssm:")
	if !ok {
		return secret.Local(ctx, ref)
	}
	e.mu.Lock()
	cache, ok := e.secrets[ref]
	if !ok {
		cache = NewCache(string(ref), e.now, e.log, func(ctx context.Context) (secret.Secret, error) {
			return e.secureString(ctx, parameter)
		})
		e.secrets[ref] = cache
	}
	e.mu.Unlock()
	return cache.Get(ctx)
}

// secureString fetches a secret. Like a file that others can read, a parameter
// that is not encrypted is refused.
func (e *Env) secureString(ctx context.Context, name string) (secret.Secret, error) {
	p, err := e.parameter(ctx, name)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("secret: %w", err)
	}
	if p.Type != types.ParameterTypeSecureString {
		return secret.Secret{}, fmt.Errorf("secret: parameter %q is a %s, want a SecureString", name, p.Type)
	}
	value := strings.TrimRight(aws.ToString(p.Value), "\r\n")
	if value == "" {
		return secret.Secret{}, fmt.Errorf("secret: parameter %q is empty", name)
	}
	return secret.New(value), nil
}

// parameter fetches a parameter, decrypted.
func (e *Env) parameter(ctx context.Context, name string) (*types.Parameter, error) {
	c, err := e.clients(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	var absent *types.ParameterNotFound
	if errors.As(err, &absent) {
		return nil, fmt.Errorf("parameter %q in %s: %w", name, c.region, holdfast.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
	}
	return answer.Parameter, nil
}
