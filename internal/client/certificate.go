package client

import (
	"context"
	"net/http"

	"github.com/holdfast-backup/holdfast/internal/api"
)

// Certificate asks for an SSH certificate for a vault that hosts write to by
// themselves.
func (c *Client) Certificate(ctx context.Context, req api.CertificateRequest) (api.CertificateResponse, error) {
	var answer api.CertificateResponse
	err := c.do(ctx, call{method: http.MethodPost, path: api.PathCertificates, body: req, answer: &answer})
	return answer, wrap("ask for an SSH certificate", err)
}
