package b2

import (
	"net/http"
	"strings"
	"time"
)

// token is an account authorization token.
type token struct {
	key     *Key
	expires time.Time
}

// uploadURL is one upload URL and its token, good for one upload at a time.
type uploadURL struct {
	key   *Key
	large string // id of the unfinished large file, empty for whole files
	token string
	busy  bool
	dead  bool // after it has failed
}

// download is a download authorization.
type download struct {
	prefix, disposition string
	expires             time.Time
}

var errUnauthorized = &apiError{http.StatusUnauthorized, "unauthorized", "unauthorized"}

// ExpireTokens makes all account tokens that were given out expired ones.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tokens {
		t.expires = time.Time{}
		s.tokens[name] = t
	}
}

// account returns the key that a token stands for.
func (s *Server) account(name string) (*Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[name]
	switch {
	case !ok:
		return nil, &apiError{401, "bad_auth_token", "Invalid authorization token"}
	case !s.Now().Before(t.expires):
		return nil, &apiError{401, "expired_auth_token", "Authorization token has expired"}
	case s.keys[t.key.ID] == nil || t.key.expired(s.Now()):
		return nil, &apiError{401, "unauthorized", "The application key has expired or was deleted"}
	}
	return t.key, nil
}

// authorize answers b2_authorize_account, which is the one call with a password.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	k := s.key(id)
	if k == nil || k.Secret != secret {
		write(w, nil, &apiError{401, "bad_auth_token", "Invalid authorization"})
		return
	}
	name := "4_" + id + "_" + random(16)
	s.mu.Lock()
	s.tokens[name] = token{k, s.Now().Add(s.TokenLife)}
	s.mu.Unlock()
	bucketName := ""
	if k.BucketID == s.BucketID {
		bucketName = s.Bucket
	}
	at := "http://" + r.Host // so that a test may stand in between
	storage := map[string]any{
		"apiUrl": at, "downloadUrl": at, "s3ApiUrl": at,
		"recommendedPartSize": 100_000_000, "absoluteMinimumPartSize": 5_000_000,
	}
	allowed := map[string]any{
		"capabilities": k.Capabilities, "bucketId": orNull(k.BucketID), "bucketName": orNull(bucketName), "namePrefix": orNull(k.Prefix),
	}
	answer := map[string]any{"accountId": s.AccountID, "authorizationToken": name}
	if strings.Contains(r.URL.Path, "/v3/") {
		answer["applicationKeyExpirationTimestamp"] = s.keyJSON(k)["expirationTimestamp"]
		for field, value := range allowed {
			storage[field] = value
		}
		storage["infoType"] = "storageApi"
		answer["apiInfo"] = map[string]any{"storageApi": storage}
	} else {
		for field, value := range storage {
			answer[field] = value
		}
		answer["minimumPartSize"], answer["allowed"] = 100_000_000, allowed
	}
	write(w, answer, nil)
}

// newUploadURL gives out an upload URL and its token.
func (s *Server) newUploadURL(c *call, call, large string) map[string]any {
	u := &uploadURL{key: c.key, large: large, token: "up_" + random(16)}
	id := random(8)
	s.mu.Lock()
	s.uploads[id] = u
	s.mu.Unlock()
	return map[string]any{"uploadUrl": "http://" + c.host + "/b2api/v3/" + call + "/" + id, "authorizationToken": u.token}
}

// take returns the upload URL that a request came to, until done is called with
// what became of it.
func (s *Server) take(r *http.Request) (u *uploadURL, done func(error), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u = s.uploads[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	switch {
	case u == nil || u.token != r.Header.Get("Authorization") || u.dead:
		return nil, nil, &apiError{401, "bad_auth_token", "Invalid upload authorization token"}
	case u.busy:
		return nil, nil, &apiError{400, "bad_request", "more than one upload using auth token " + u.token}
	}
	u.busy = true
	return u, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		u.busy, u.dead = false, err != nil
	}, nil
}

// downloadAuthorization answers b2_get_download_authorization.
func (s *Server) downloadAuthorization(c *call) (any, error) {
	prefix := c.text("fileNamePrefix")
	if err := c.mayIn("shareFiles", prefix); err != nil {
		return nil, err
	}
	valid := c.number("validDurationInSeconds")
	if valid < 1 || valid > 7*24*3600 {
		return nil, &apiError{400, "bad_request", "validDurationInSeconds must be 1 to 604800"}
	}
	name := "3_" + random(24)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downloads[name] = download{prefix, c.text("b2ContentDisposition"), s.Now().Add(time.Duration(valid) * time.Second)}
	return map[string]any{"bucketId": s.BucketID, "fileNamePrefix": prefix, "authorizationToken": name}, nil
}
