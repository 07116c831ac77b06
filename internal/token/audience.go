package token

import (
	"fmt"
	"net/url"
	"strings"
)

// Audience returns the broker's URL in the one form in which it stands in
// tokens, so that a trailing slash, the default port or a capital letter in one
// of two configurations does not make a stranger of a host.
func Audience(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("broker URL: %w", err)
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch {
	case scheme != "https" && scheme != "http":
		return "", fmt.Errorf("broker URL %q: want https://…", u.Redacted())
	case u.Hostname() == "":
		return "", fmt.Errorf("broker URL %q: names no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("broker URL %q: want scheme, host and path only", u.Redacted())
	}
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return scheme + "://" + strings.TrimSuffix(host, port) + strings.TrimRight(u.EscapedPath(), "/"), nil
}
