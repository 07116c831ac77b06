package b2

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Key is an application key.
type Key struct {
	ID, Secret   string
	Name         string
	Capabilities []string
	BucketID     string    // the only bucket it is good for; empty: all
	Prefix       string    // of the names it is good for
	Expires      time.Time // zero: never
}

// Capabilities returns those that a key can have, as
// https://www.backblaze.com/docs/cloud-storage-application-key-capabilities names
// them.
func Capabilities() []string {
	return []string{
		"listKeys", "writeKeys", "deleteKeys", "listBuckets", "listAllBucketNames", "readBuckets", "writeBuckets",
		"deleteBuckets", "readBucketRetentions", "writeBucketRetentions", "readBucketEncryption", "writeBucketEncryption",
		"listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles", "readFileLegalHolds", "writeFileLegalHolds",
		"readFileRetentions", "writeFileRetentions", "bypassGovernance",
	}
}

// may reports whether the key has the capability for the name, or for a whole
// prefix of names.
func (k *Key) may(capability, name string) bool {
	return slices.Contains(k.Capabilities, capability) && strings.HasPrefix(name, k.Prefix)
}

func (k *Key) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// NewKey makes an application key for the bucket.
func (s *Server) NewKey(t testing.TB, prefix string, capabilities ...string) Key {
	t.Helper()
	k, err := s.newKey(Key{Name: "test", Capabilities: capabilities, BucketID: s.BucketID, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return *k
}

// newKey makes a key, and an account of the same name for the S3-compatible API.
func (s *Server) newKey(k Key) (*Key, error) {
	k.ID, k.Secret = "005"+random(11), "K005"+random(13)+"/"
	if err := s.newAccount(k); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ID] = &k
	return &k, nil
}

// newAccount lets versitygw check what the key signs. What it may do is for the
// gate in front.
func (s *Server) newAccount(k Key) error {
	type account struct {
		XMLName      xml.Name `xml:"Account"`
		Access       string
		Secret, Role string
	}
	body, err := xml.Marshal(account{Access: k.ID, Secret: k.Secret, Role: "admin"})
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPatch, s.s3.URL+"/create-user", bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	root := aws.Credentials{AccessKeyID: s.s3.AccessKey, SecretAccessKey: s.s3.SecretKey}
	if err := v4.NewSigner().SignHTTP(r.Context(), root, r, hash, "s3", s.s3.Region, time.Now()); err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("create account in versitygw: status %d: %s", answer.StatusCode, text)
	}
	return nil
}

// key returns a key that is good now.
func (s *Server) key(id string) *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[id]
	if k == nil || k.expired(s.Now()) {
		return nil
	}
	return k
}

// keyJSON is a key as the API shows it.
func (s *Server) keyJSON(k *Key) map[string]any {
	shown := map[string]any{
		"accountId": s.AccountID, "applicationKeyId": k.ID, "keyName": k.Name, "capabilities": k.Capabilities,
		"bucketId": orNull(k.BucketID), "namePrefix": orNull(k.Prefix), "expirationTimestamp": nil, "options": []string{"s3"},
	}
	if !k.Expires.IsZero() {
		shown["expirationTimestamp"] = k.Expires.UnixMilli()
	}
	return shown
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (s *Server) createKey(c *call) (any, error) {
	if err := c.may("writeKeys", ""); err != nil {
		return nil, err
	}
	k := Key{Name: c.text("keyName"), Capabilities: c.texts("capabilities"), BucketID: c.text("bucketId"), Prefix: c.text("namePrefix")}
	for _, capability := range k.Capabilities {
		if !slices.Contains(Capabilities(), capability) {
			return nil, &apiError{400, "bad_request", "unknown capability " + capability}
		}
	}
	if k.BucketID != "" && k.BucketID != s.BucketID || k.Prefix != "" && k.BucketID == "" || k.Name == "" || len(k.Capabilities) == 0 {
		return nil, &apiError{400, "bad_request", "key name, capabilities, bucket and prefix do not fit"}
	}
	if valid := c.number("validDurationInSeconds"); valid > 0 {
		k.Expires = s.Now().Add(time.Duration(valid) * time.Second)
	}
	made, err := s.newKey(k)
	if err != nil {
		return nil, err
	}
	shown := s.keyJSON(made)
	shown["applicationKey"] = made.Secret
	return shown, nil
}

func (s *Server) listKeys(c *call) (any, error) {
	if err := c.may("listKeys", ""); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := []any{}
	for _, k := range s.keys {
		if k.ID != s.Master.ID {
			keys = append(keys, s.keyJSON(k))
		}
	}
	return map[string]any{"keys": keys, "nextApplicationKeyId": nil}, nil
}

func (s *Server) deleteKey(c *call) (any, error) {
	if err := c.may("deleteKeys", ""); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[c.text("applicationKeyId")]
	if k == nil || k.ID == s.Master.ID {
		return nil, &apiError{400, "bad_request", "no such key"}
	}
	delete(s.keys, k.ID)
	return s.keyJSON(k), nil
}
