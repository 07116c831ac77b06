package shoutrrr

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
)

// ownConnections returns the client that a service has for itself alone; one that
// has no connections where the service uses the process's own. Who does not close
// those of the former keeps one open, with its goroutines, for each service made.
func ownConnections(service any) *http.Client {
	switch service := service.(type) {
	case *ntfy.Service:
		// It does not show its client, but takes another, which is made as its own is.
		client := &http.Client{Timeout: ntfy.HTTPTimeout * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: service.Config.DisableTLSVerification},
		}}
		service.SetHTTPClient(client)
		return client
	case interface{ GetHTTPClient() *http.Client }: // Gotify, Mattermost
		return service.GetHTTPClient()
	}
	return &http.Client{Transport: &http.Transport{}}
}
