package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// overwrite stores a further version of the key.
func overwrite(t testing.TB, v *Vault, key, body string) {
	t.Helper()
	_, err := v.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: v.bucket, Key: v.name(key), Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// hide deletes the key by name, which leaves a marker.
func hide(t testing.TB, v *Vault, key string) {
	t.Helper()
	if _, err := v.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: v.bucket, Key: v.name(key)}); err != nil {
		t.Fatal(err)
	}
}

// shown returns all versions of the bucket, each as its key, "-" for a marker.
func shown(t testing.TB, v *Vault) (all []string) {
	t.Helper()
	for one, err := range v.allVersions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one.key+map[bool]string{true: " -"}[one.marker])
	}
	slices.Sort(all)
	return all
}

func TestDeleteLeavesNoVersion(t *testing.T) {
	server := testenv.S3(t)
	for _, batch := range []bool{false, true} {
		v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Versioned: true}), func(o *Options) { o.Prefix = "acme" })
		put(t, v, "backups/a", "backups/ab", "backups/b", "backups/c")
		overwrite(t, v, "backups/a", "two")
		hide(t, v, "backups/a")
		overwrite(t, v, "backups/a", "three")
		hide(t, v, "backups/b")
		overwrite(t, v, "backups/ab", "two")
		doomed := []string{"backups/b", "backups/c", "backups/a", "backups/none"}
		for range 2 {
			for i, err := range deleteAll(t, v, doomed, batch) {
				wants(t, "delete "+doomed[i], err, nil)
			}
			if got := shown(t, v); !slices.Equal(got, []string{"backups/ab", "backups/ab"}) {
				t.Errorf("batch %v: left are %q", batch, got)
			}
		}
	}
}

func deleteAll(t testing.TB, v *Vault, keys []string, batch bool) []error {
	if batch {
		return v.DeleteBatch(t.Context(), keys)
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, v.Delete(t.Context(), key))
	}
	return errs
}

func TestWhatIsLockedStaysAsItWas(t *testing.T) {
	server := testenv.S3(t)
	for _, batch := range []bool{false, true} {
		v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Locked: true}), nil)
		ctx := t.Context()
		put(t, v, "backups/free", "backups/locked", "backups/held", "backups/hidden", "backups/older", "backups/newest", "backups/over")
		lockForTest := func(key string, d time.Duration) {
			if err := testenv.NewLocks(v.client, *v.bucket, v.prefix).Lock(ctx, key, d); err != nil {
				t.Fatal(err)
			}
		}
		lockForTest("backups/locked", time.Hour)
		lockForTest("backups/hidden", time.Hour)
		hide(t, v, "backups/hidden")
		lockForTest("backups/older", time.Hour)
		overwrite(t, v, "backups/older", "newer, and free")
		overwrite(t, v, "backups/newest", "newer, and locked")
		lockForTest("backups/newest", time.Hour)
		overwrite(t, v, "backups/over", "newer")
		_, err := v.client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{
			Bucket: v.bucket, Key: v.name("backups/held"), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn},
		})
		if err != nil {
			t.Fatal(err)
		}
		before := slices.DeleteFunc(shown(t, v), func(s string) bool { return s == "backups/free" || s == "backups/over" })

		doomed := []string{"backups/locked", "backups/free", "backups/held", "backups/hidden", "backups/older", "backups/newest", "backups/over"}
		for i, err := range deleteAll(t, v, doomed, batch) {
			want := holdfast.ErrLocked
			if doomed[i] == "backups/free" || doomed[i] == "backups/over" {
				want = nil
			}
			wants(t, fmt.Sprintf("batch %v: delete %s", batch, doomed[i]), err, want)
		}
		if got := shown(t, v); !slices.Equal(got, before) {
			t.Errorf("batch %v: left are %q, want %q", batch, got, before)
		}
	}
}

// TestALockIsToldFromAWantOfPermission is about stores that say AccessDenied and
// no more, as AWS itself did for years.
func TestALockIsToldFromAWantOfPermission(t *testing.T) {
	server := testenv.S3(t)
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		switch op {
		case "DeleteObject":
			return fails(r, http.StatusForbidden, "AccessDenied"), nil
		case "DeleteObjects":
			return says(r, http.StatusOK, `<DeleteResult>
				<Error><Key>backups/locked</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>
				<Error><Key>backups/free</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>`), nil
		}
		return nil, nil
	}}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Locked: true}), func(o *Options) { o.Client = &http.Client{Transport: w} })
	put(t, v, "backups/free", "backups/locked")
	if err := testenv.NewLocks(v.client, *v.bucket, v.prefix).Lock(t.Context(), "backups/locked", time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, batch := range []bool{false, true} {
		errs := deleteAll(t, v, []string{"backups/free", "backups/locked"}, batch)
		if errs[0] == nil || errors.Is(errs[0], holdfast.ErrLocked) || !strings.Contains(errs[0].Error(), "AccessDenied") {
			t.Errorf("batch %v: the free one: got error %v, want the refusal", batch, errs[0])
		}
		wants(t, fmt.Sprintf("batch %v: the locked one", batch), errs[1], holdfast.ErrLocked)
	}
}

func TestWithoutVersionsAtTheStoreNamesAreDeleted(t *testing.T) {
	server := testenv.S3(t)
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		if op == "ListObjectVersions" || op == "DeleteObjects" {
			return fails(r, http.StatusNotImplemented, "NotImplemented"), nil
		}
		return nil, nil
	}}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Client = &http.Client{Transport: w} })
	put(t, v, "backups/a", "backups/b", "backups/c")
	wants(t, "delete", v.Delete(t.Context(), "backups/a"), nil)
	for _, err := range v.DeleteBatch(t.Context(), []string{"backups/c", "backups/none"}) {
		wants(t, "delete", err, nil)
	}
	if got := keys(t, v, ""); !slices.Equal(got, []string{"backups/b"}) {
		t.Errorf("left are %v", got)
	}
	for range v.hidden(t.Context(), "") {
		t.Error("something is hidden")
	}
}

func TestABatchIsRepeatedWhereItFailedForAMoment(t *testing.T) {
	server := testenv.S3(t)
	bucket := server.NewBucket(t, testenv.Bucket{})
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		if op == "DeleteObjects" {
			return says(r, http.StatusOK, `<DeleteResult><Error><Key>backups/a</Key><Code>InternalError</Code><Message>try again</Message></Error>
				<Error><Key>backups/b</Key><Code>MalformedThing</Code><Message>no</Message></Error></DeleteResult>`), nil
		}
		return nil, nil
	}}
	v := newVault(t, server, bucket, func(o *Options) { o.Client = &http.Client{Transport: w} })
	put(t, v, "backups/a", "backups/b")
	errs := v.DeleteBatch(t.Context(), []string{"backups/a", "backups/b"})
	wants(t, "what failed for a moment", errs[0], nil)
	if errs[1] == nil || errs[1].Error() != `delete "backups/b": MalformedThing: no` {
		t.Errorf("what failed: got error %v", errs[1])
	}
	if got := keys(t, v, ""); !slices.Equal(got, []string{"backups/b"}) {
		t.Errorf("left are %v", got)
	}
}
