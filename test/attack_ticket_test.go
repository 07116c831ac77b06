package test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestATamperedOrForeignTicketOpensNothing(t *testing.T) {
	onEveryVault(t, aTamperedOrForeignTicketOpensNothing)
}

func aTamperedOrForeignTicketOpensNothing(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	s, a, own, other := attacked(t, newSite)
	r := s.want(s.holdfast("url", "web1/crm@latest", "--json"), 0)
	if !strings.Contains(r.out, "/r/") {
		t.Fatalf("holdfast url printed no ticket:\n%s", r.out)
	}
	link := s.url + "/r/" + strings.FieldsFunc(r.out[strings.Index(r.out, "/r/")+3:], func(c rune) bool { return strings.ContainsRune("\"' \n\\", c) })[0]
	if got := a.raw("GET", link, nil, nil); got.status != http.StatusFound {
		t.Fatalf("the ticket itself: got %d\n%s", got.status, got.body)
	}
	for name, bad := range map[string]string{
		"tampered":                 tamper(link),
		"unsigned":                 s.url + "/r/" + unsigned(strings.TrimPrefix(link, s.url+"/r/")),
		"an upload token":          s.url + "/r/" + own.start.UploadToken,
		"another's upload token":   s.url + "/r/" + other.start.UploadToken,
		"a request token":          s.url + "/r/" + a.token("GET", "/r/x", nil, nil),
		"nothing":                  s.url + "/r/",
		"a path":                   s.url + "/r/..%2f..%2fetc",
		"as the part's signed URL": s.url + "/v/main/d/" + strings.TrimPrefix(link, s.url+"/r/"),
	} {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			if got := a.raw("GET", bad, nil, nil); got.status < 400 {
				t.Errorf("got %d", got.status)
			}
		})
	}
}

// tamper flips a character in the middle of the payload of a token, or of the
// token that a URL ends with.
func tamper(sealed string) string {
	first := strings.LastIndex(sealed[:strings.LastIndex(sealed, ".")], ".")
	at := first + (len(sealed)-first)/3
	flipped := byte('A')
	if sealed[at] == 'A' {
		flipped = 'B'
	}
	return fmt.Sprintf("%s%c%s", sealed[:at], flipped, sealed[at+1:])
}

// unsigned returns a token with alg none and no signature.
func unsigned(sealed string) string {
	parts := strings.Split(sealed, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}
