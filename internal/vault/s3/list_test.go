package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// many stores n objects, named in their order.
func many(t testing.TB, v *Vault, n int, name func(i int) string) (all []string) {
	t.Helper()
	all = make([]string, n)
	var wg sync.WaitGroup
	errs := make([]error, n)
	for from := range 8 {
		wg.Go(func() {
			for i := from; i < n; i += 8 {
				all[i] = name(i)
				errs[i] = v.Put(t.Context(), all[i], []byte("x"))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHowManyRequestsItTakes counts what is paid for.
func TestHowManyRequestsItTakes(t *testing.T) {
	t.Parallel()
	server := testenv.S3(t)
	w := &wire{}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) {
		o.Client, o.Prefix = &http.Client{Transport: w}, "acme"
	})
	all := many(t, v, 2500, func(i int) string { return fmt.Sprintf("backups/web1/crm/%05d/data", i) })
	counts := func(doing string, want ...string) {
		t.Helper()
		if sent := w.sent(); !slices.Equal(sent, want) {
			t.Errorf("%s: sent %v, want %v", doing, sent, want)
		}
	}
	w.sent()
	if got := keys(t, v, "backups/"); !slices.Equal(got, all) {
		t.Errorf("listed %d keys, want %d, in order", len(got), len(all))
	}
	counts("list 2,500", "ListObjectsV2", "ListObjectsV2", "ListObjectsV2")

	u, parts := begin(t, v, "backups/web1/crm/x/data", []byte("x"))
	counts("start and sign", "CreateMultipartUpload")
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 1), nil)
	counts("complete", "ListObjectsV2", "CompleteMultipartUpload")
	wants(t, "delete", v.Delete(t.Context(), "backups/web1/crm/x/data"), nil)
	counts("delete", "ListObjectVersions", "DeleteObject")
	if _, err := v.Swap(t.Context(), "state/a", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	counts("swap", "PutObject")
	if _, _, err := v.Load(t.Context(), "state/a"); err != nil {
		t.Fatal(err)
	}
	counts("load", "GetObject")

	// Side by side, as retention has them, around a number whose prefix is that of
	// all: only a listing that begins near the first has them in one page.
	deletes := func(doing string, doomed []string, want ...string) {
		t.Helper()
		for _, err := range v.DeleteBatch(t.Context(), doomed) {
			wants(t, doing, err, nil)
		}
		counts(doing, want...)
		all = slices.DeleteFunc(all, func(key string) bool { return slices.Contains(doomed, key) })
	}
	deletes("delete 32", all[1990:2022], "ListObjectVersions", "DeleteObjects")
	deletes("delete 2 at both ends", []string{all[0], all[len(all)-1]}, "ListObjectVersions", "ListObjectVersions", "DeleteObjects")
	deletes("delete what is not there", []string{"backups/web1/crm/none"}, "ListObjectVersions")
	deletes("delete nothing", nil)
	deletes("delete 1,200", all[:1200], "ListObjectVersions", "ListObjectVersions", "DeleteObjects", "DeleteObjects")
	if got := keys(t, v, "backups/"); !slices.Equal(got, all) {
		t.Errorf("left are %d keys, want %d", len(got), len(all))
	}
}

func TestMoreUploadsThanAPageHolds(t *testing.T) {
	server := testenv.S3(t)
	w := &wire{}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Client = &http.Client{Transport: w} })
	want := map[string]bool{}
	for i := range 1050 {
		u, err := v.StartUpload(t.Context(), fmt.Sprintf("backups/web1/crm/%04d/data", i))
		if err != nil {
			t.Fatal(err)
		}
		want[u.ID] = true
	}
	w.sent()
	for u, err := range v.ListUploads(t.Context(), "backups/web1/") {
		if err != nil {
			t.Fatal(err)
		}
		if !want[u.ID] {
			t.Errorf("upload %s of %q is shown twice, or is none", u.ID, u.Key)
		}
		delete(want, u.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d uploads are not shown", len(want))
	}
	if sent := w.sent(); len(sent) != 3 { // the third because versitygw does not know its own marker
		t.Errorf("sent %v, want two pages", sent)
	}
}

func TestHidden(t *testing.T) {
	server := testenv.S3(t)
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Versioned: true}), func(o *Options) { o.Prefix = "acme" })
	put(t, v, "backups/a", "backups/ab", "backups/b", "backups/c", "reports/a")
	overwrite(t, v, "backups/a", "longer than before")
	hide(t, v, "backups/a")
	hide(t, v, "backups/b")
	overwrite(t, v, "backups/b", "there again")
	hide(t, v, "backups/c")
	hide(t, v, "reports/a")
	got := map[string]int64{}
	var order []string
	for o, err := range v.hidden(t.Context(), "backups/") {
		if err != nil {
			t.Fatal(err)
		}
		if o.ModTime.IsZero() {
			t.Errorf("%q was hidden at no time", o.Key)
		}
		got[o.Key] = o.Size
		order = append(order, o.Key)
	}
	if !slices.Equal(order, []string{"backups/a", "backups/c"}) || got["backups/a"] != int64(len("longer than before")) {
		t.Errorf("hidden are %v of %v bytes", order, got)
	}
	for prefix, want := range map[string]bool{"backups/a": true, "backups/ab": false, "backups/b": false, "backups/none": false, "reports/": true} {
		if got, err := v.Hidden(t.Context(), prefix); err != nil || got != want {
			t.Errorf("hidden below %q: got %t, %v, want %t", prefix, got, err, want)
		}
	}
	wants(t, "delete", v.Delete(t.Context(), "backups/a"), nil)
	for o := range v.hidden(t.Context(), "backups/a") {
		t.Errorf("%q is hidden after it was deleted for good", o.Key)
	}
}

func TestPosture(t *testing.T) {
	server := testenv.S3(t)
	for _, c := range []struct {
		bucket testenv.Bucket
		hide   int
		want   holdfast.Posture
	}{
		// versitygw knows no public access block.
		{testenv.Bucket{}, 0, holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.Unknown}},
		{testenv.Bucket{Versioned: true}, 0, holdfast.Posture{Versioning: holdfast.On, Private: holdfast.Unknown}},
		{testenv.Bucket{Locked: true}, 0, holdfast.Posture{Versioning: holdfast.On, Private: holdfast.Unknown}},
		{testenv.Bucket{Versioned: true}, 7, holdfast.Posture{
			Versioning: holdfast.On, Private: holdfast.Unknown, HiddenCount: 7,
			Hidden: []string{"backups/0", "backups/1", "backups/2", "backups/3", "backups/4"},
		}},
	} {
		v := newVault(t, server, server.NewBucket(t, c.bucket), nil)
		put(t, v, "backups/there", "reports/a")
		if c.hide > 0 {
			hide(t, v, "reports/a")
		}
		for i := range c.hide {
			key := fmt.Sprintf("backups/%d", i)
			put(t, v, key)
			hide(t, v, key)
		}
		got, err := v.Posture(t.Context())
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v (-want +got):\n%s", c.bucket, err, diff)
		}
	}
	all := `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>
		<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>%s</RestrictPublicBuckets></PublicAccessBlockConfiguration>`
	for name, c := range map[string]struct {
		answer func(op string, r *http.Request) *http.Response
		want   holdfast.Setting
	}{
		"refused":            {func(_ string, r *http.Request) *http.Response { return fails(r, 403, "AccessDenied") }, holdfast.Unknown},
		"all blocks":         {func(_ string, r *http.Request) *http.Response { return says(r, 200, fmt.Sprintf(all, "true")) }, holdfast.On},
		"all blocks but one": {func(_ string, r *http.Request) *http.Response { return says(r, 200, fmt.Sprintf(all, "false")) }, holdfast.Off},
		"no block": {func(_ string, r *http.Request) *http.Response {
			return fails(r, 404, "NoSuchPublicAccessBlockConfiguration")
		}, holdfast.Off},
	} {
		w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
			if op == "GetPublicAccessBlock" {
				return c.answer(op, r), nil
			}
			return nil, nil
		}}
		v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Client = &http.Client{Transport: w} })
		if got, err := v.Posture(t.Context()); err != nil || got.Private != c.want {
			t.Errorf("%s: got %+v, %v, want private %s", name, got, err, c.want)
		}
	}
	if p, err := newVault(t, server, "there-is-none", nil).Posture(t.Context()); err == nil {
		t.Errorf("of no bucket: got %+v", p)
	}
}

func TestABucketThatIsNotThereIsNotEmpty(t *testing.T) {
	v := newVault(t, testenv.S3(t), "there-is-none", nil)
	n := 0
	for _, err := range v.List(t.Context(), "backups/") {
		if n++; err == nil || errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("list: got error %v, want a failure", err)
		}
	}
	if n != 1 {
		t.Errorf("list: %d results, want one error", n)
	}
	for name, err := range map[string]error{
		"open":   func() error { _, err := v.Open(t.Context(), "backups/a", 0, -1); return err }(),
		"delete": v.Delete(t.Context(), "backups/a"),
		"load":   func() error { _, _, err := v.Load(t.Context(), "state/a"); return err }(),
	} {
		if err == nil || errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("%s: got error %v, want a failure", name, err)
		}
	}
	if _, err := v.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: v.bucket, Key: v.name("a")}); code(err) != "NoSuchBucket" {
		t.Errorf("versitygw says %v", err)
	}
}

func TestAListingThatIsCutShortIsAnError(t *testing.T) {
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		body := map[string]string{
			"ListObjectVersions":   `<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>`,
			"ListMultipartUploads": `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>`,
		}[op]
		return says(r, http.StatusOK, body), nil
	}}
	v := newVault(t, testenv.S3Server{URL: "http://127.0.0.1:1", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme",
		func(o *Options) { o.Client = &http.Client{Transport: w} })
	if err := v.Delete(t.Context(), "backups/a"); err == nil {
		t.Error("delete: no error")
	}
	n := 0
	for _, err := range v.ListUploads(t.Context(), "") {
		if n++; err == nil {
			t.Error("list uploads: no error")
		}
	}
	if n != 1 {
		t.Errorf("list uploads: %d results, want one", n)
	}
}

func TestAnAnswerThatBreaksOffIsAskedForAgain(t *testing.T) {
	server := testenv.S3(t)
	bucket, broken := server.NewBucket(t, testenv.Bucket{Versioned: true}), map[string]int{}
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		if op == "ListObjectsV2" || op == "ListObjectVersions" || op == "DeleteObjects" {
			if broken[op]++; broken[op] == 1 {
				return says(r, http.StatusOK, "<Result><Contents><Key>backups/"), nil
			}
		}
		return nil, nil
	}}
	v := newVault(t, server, bucket, func(o *Options) { o.Client = &http.Client{Transport: w} })
	put(t, v, "backups/a", "backups/b", "backups/c")
	if got := keys(t, v, "backups/"); len(got) != 3 {
		t.Errorf("listed %q, want three", got)
	}
	for _, err := range v.DeleteBatch(t.Context(), []string{"backups/a", "backups/b"}) {
		wants(t, "delete", err, nil)
	}
	if got := keys(t, v, "backups/"); !slices.Equal(got, []string{"backups/c"}) {
		t.Errorf("left are %q", got)
	}
	if len(broken) != 3 {
		t.Errorf("broke off: %v, want three kinds of answers", broken)
	}
}
