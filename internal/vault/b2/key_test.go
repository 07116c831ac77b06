package b2

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// made makes the key of a role with the account's master key.
func made(t testing.TB, s *standin.Server, role string) standin.Key {
	t.Helper()
	r, err := RoleOf(role)
	must(t, err)
	k, err := vaultWith(t, s, s.Master).NewKey(t.Context(), "holdfast-"+role, r, 0)
	must(t, err)
	return standin.Key{ID: k.ID, Secret: k.Secret.Reveal()}
}

// TestTheBrokersKeyDoesWhatTheBrokerDoes uses nothing that the broker's own interface
// does not have.
func TestTheBrokersKeyDoesWhatTheBrokerDoes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var push interface {
		holdfast.Lister
		holdfast.Putter
		holdfast.Uploader
		holdfast.UploadLister
	} = vaultWith(t, s, made(t, s, "broker"))
	u, parts := send(t, push.(*Vault), data, []byte("the data"))
	for one, err := range push.ListUploads(t.Context(), "backups/") {
		must(t, err)
		if one.ID != u.ID {
			t.Errorf("got upload %q", one.ID)
		}
	}
	must(t, push.CompleteUpload(t.Context(), u, parts, 8))
	must(t, push.Put(t.Context(), manifest, []byte("{}")))
	if got := keys(t, push, ""); !slices.Equal(got, []string{data, manifest}) {
		t.Errorf("got %q", got)
	}
	again, _ := send(t, push.(*Vault), data+"2", []byte("x"))
	must(t, push.AbortUpload(t.Context(), again))
}

// attacker is whoever has stolen a key and speaks both APIs by himself.
type attacker struct {
	t     *testing.T
	vault *Vault
	s3    *s3.Client
}

func steal(t *testing.T, s *standin.Server, k standin.Key) attacker {
	return attacker{t, vaultWith(t, s, k), s3.New(s3.Options{
		Region: s.Region(), BaseEndpoint: aws.String(s.URL), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, ""),
	})}
}

// native makes a call of the native API.
func (a attacker) native(f func(ctx context.Context, s *session) error) error {
	return a.vault.do(a.t.Context(), call{"a call", "some"}, f)
}

func TestAStolenBrokersKeyCannotReadOrDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	owner := newVault(t, s)
	must(t, owner.Put(t.Context(), data, []byte("the data")))
	outside := vaultOutside(t, s)
	must(t, outside.Put(t.Context(), "elsewhere", []byte("another's")))
	before := all(t, owner, "")
	id, name := before[0].id, "acme/"+data
	a := steal(t, s, made(t, s, "broker"))
	ctx := t.Context()
	for what, attempt := range map[string]func() error{
		"read by name": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				_, err := s.bucket.DownloadFileByName(ctx, name, 0, 0, false)
				return err
			})
		},
		"look at a file": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				_, err := s.bucket.File(id, name).GetFileInfo(ctx)
				return err
			})
		},
		"give out a download": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				_, err := s.bucket.GetDownloadAuthorization(ctx, name, time.Hour, "")
				return err
			})
		},
		"delete a version": func() error {
			return a.native(func(ctx context.Context, s *session) error { return s.bucket.File(id, name).DeleteFileVersion(ctx) })
		},
		"cancel a finished file": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				return s.bucket.File(id, name).AsLargeFile().CancelLargeFile(ctx)
			})
		},
		"make a key": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				_, err := s.api.CreateKey(ctx, "mine", []string{"deleteFiles"}, 0, s.bucket.ID, "")
				return err
			})
		},
		"change the bucket": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				s.bucket.Type = "allPublic"
				_, err := s.bucket.Update(ctx)
				return err
			})
		},
		"list elsewhere": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				_, _, _, err := s.bucket.ListFileVersions(ctx, 10, "", "", "other/", "")
				return err
			})
		},
		"store elsewhere": func() error {
			return a.native(func(ctx context.Context, s *session) error {
				url, err := s.bucket.GetUploadURL(ctx)
				if err != nil {
					return err
				}
				_, err = url.UploadFile(ctx, strings.NewReader("x"), 1, "other/elsewhere", "text/plain", "11f6ad8ec52a2984abaafd7c3b516503785c2072", nil)
				return err
			})
		},
		"read over S3": func() error {
			_, err := a.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &name})
			return err
		},
		"read a version over S3": func() error {
			_, err := a.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &name, VersionId: &id})
			return err
		},
		"look over S3": func() error {
			_, err := a.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &name})
			return err
		},
		"delete a version over S3": func() error {
			_, err := a.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &name, VersionId: &id})
			return err
		},
		"delete many over S3": func() error {
			_, err := a.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.Bucket, Delete: &types.Delete{
				Objects: []types.ObjectIdentifier{{Key: &name, VersionId: &id}},
			}})
			return err
		},
		"copy over S3": func() error {
			_, err := a.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &s.Bucket, Key: aws.String("acme/copy"), CopySource: aws.String(s.Bucket + "/" + name)})
			return err
		},
		"store elsewhere over S3": func() error {
			_, err := a.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.Bucket, Key: aws.String("other/elsewhere"), Body: strings.NewReader("x")})
			return err
		},
		"stop versions": func() error {
			_, err := a.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &s.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: "Suspended"}})
			return err
		},
		"delete the bucket": func() error {
			_, err := a.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.Bucket})
			return err
		},
	} {
		if err := attempt(); err == nil {
			t.Errorf("%s: it succeeded", what)
		}
	}
	if after := all(t, owner, ""); len(after) != 1 || after[0].id != id || read(t, owner, data) != "the data" {
		t.Errorf("after all that: %+v", after)
	}
	if read(t, outside, "elsewhere") != "another's" {
		t.Error("what lies elsewhere has changed")
	}
	// What it can do, docs/b2.md says: hide, and store over. Nothing comes of it.
	hide(t, a.vault, data)
	_, err := a.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &name})
	must(t, err)
	over(t, a.vault, data, "mine")
	if read(t, owner, data) != "the data" {
		t.Error("a later version counts")
	}
}

// vaultOutside is a vault below another prefix.
func vaultOutside(t testing.TB, s *standin.Server) *Vault {
	k := s.NewKey(t, "other/", capabilities(t, "all")...)
	v, err := New(Options{Bucket: s.Bucket, Prefix: "other", KeyID: k.ID, Key: secret.New(k.Secret), API: s.URL})
	must(t, err)
	return v
}

func TestEachRoleIsRefusedWhatItCannot(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, newVault(t, s).Put(t.Context(), data, []byte("the data")))
	for role, want := range map[string]struct{ reads, writes, deletes, shares bool }{
		"broker": {writes: true}, "retention": {reads: true, writes: true, deletes: true},
		"monitor": {reads: true, writes: true}, "restore": {reads: true, shares: true},
		"all": {reads: true, writes: true, deletes: true, shares: true},
	} {
		v := vaultWith(t, s, made(t, s, role))
		_, readErr := v.Open(t.Context(), data, 0, -1)
		writeErr := v.Put(t.Context(), "reports/"+role, []byte("x"))
		_, shareErr := v.SignDownload(t.Context(), data, "crm", time.Hour)
		deleteErr := v.Delete(t.Context(), data)
		must(t, newVault(t, s).Put(t.Context(), data, []byte("the data")))
		got := struct{ reads, writes, deletes, shares bool }{readErr == nil, writeErr == nil, deleteErr == nil, shareErr == nil}
		if got != want {
			t.Errorf("%s: can %+v, want %+v", role, got, want)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, want := range Roles() {
		if got, err := RoleOf(want.Name); err != nil || got.Name != want.Name {
			t.Errorf("%s: got %q, %v", want.Name, got.Name, err)
		}
	}
	const want = `role "none": want broker, retention, monitor, restore or all`
	if got, err := RoleOf("none"); err == nil || err.Error() != want || got.Name != "" {
		t.Errorf("got %q, %v, want %s", got.Name, err, want)
	}
}

func TestAKeyShowsItsSecretNowhere(t *testing.T) {
	t.Parallel()
	const key = "K005notforanyonetosee"
	o := Options{Bucket: "acme-backups", KeyID: "0051", Key: secret.New(key)}
	v, err := New(o)
	must(t, err)
	for name, one := range map[string]any{
		"options": o, "the options' address": &o, "the options of a vault": v.options, "a vault": v,
		"a key": Key{"0051", o.Key}, "a key's address": &Key{"0051", o.Key},
	} {
		var said bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			fmt.Fprintf(&said, verb+"\n", one)
		}
		slog.New(slog.NewTextHandler(&said, nil)).Info("key", "it", one)
		slog.New(slog.NewJSONHandler(&said, nil)).Info("key", "it", one)
		if text, err := json.Marshal(one); err == nil { // functions have no JSON
			said.Write(text)
		}
		if text := said.String(); strings.Contains(text, key) || strings.Contains(text, hex.EncodeToString([]byte(key))) {
			t.Errorf("%s: the secret is in %s", name, text)
		}
		if text, err := json.Marshal(one); strings.HasPrefix(name, "a key") && (err != nil || !strings.Contains(string(text), `"Secret":"[hidden]"`)) {
			t.Errorf("%s: got %s, %v", name, text, err)
		}
	}
}

func TestASignedDownloadOpensNothingElse(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	must(t, v.Put(t.Context(), "backups/web1/crm/1/crm.sql", []byte("plain")))
	must(t, v.Put(t.Context(), "backups/web1/crm/1/crm.sql.zst", []byte("packed")))
	for key, want := range map[string]string{"backups/web1/crm/1/crm.sql": "plain", "backups/web1/crm/1/crm.sql.zst": "packed"} {
		r, err := v.SignDownload(t.Context(), key, "a \"file\".sql", time.Hour)
		must(t, err)
		if status, body := fetch(t, r, nil); status != 200 || body != want {
			t.Errorf("%s: got status %d, %q", key, status, body)
		}
		for _, other := range []string{"crm.sql", "crm.sql.zst", "manifest.json"} {
			if strings.HasSuffix(key, "/"+other) {
				continue
			}
			status, _ := fetch(t, r, func(r *http.Request) {
				r.URL.Path = r.URL.Path[:strings.LastIndexByte(r.URL.Path, '/')+1] + other
				r.URL.RawPath = ""
			})
			if status == 200 {
				t.Errorf("%s opens %s too", key, other)
			}
		}
	}
	_, err := v.SignDownload(t.Context(), "backups/web1/crm/1/none", "x", time.Hour)
	wants(t, "sign what is not there", err, holdfast.ErrNotExist)
	if _, err := v.SignDownload(t.Context(), data, "x", 8*24*time.Hour); err == nil {
		t.Error("good for eight days")
	}
}

func TestTheMasterKeyIsNotGoodForUploads(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if _, err := vaultWith(t, s, s.Master).StartUpload(t.Context(), data); err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
		t.Errorf("got %v", err)
	}
}

// TestTheDocumentationNamesTheKeys keeps docs/b2.md from saying something else.
func TestTheDocumentationNamesTheKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/b2.md")
	must(t, err)
	for _, role := range Roles() {
		if line := "| `" + role.Name + "` | `" + strings.Join(role.Capabilities, ", ") + "` |"; !strings.Contains(string(text), line) {
			t.Errorf("docs/b2.md does not have the line %s", line)
		}
	}
}
