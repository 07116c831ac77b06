package s3

import (
	"net/http"
	"slices"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestCompleting(t *testing.T) {
	server := testenv.S3(t)
	type answering = func(op string, r *http.Request) (*http.Response, error)
	once := func(status int, body string) answering {
		said := false
		return func(op string, r *http.Request) (*http.Response, error) {
			if op != "CompleteMultipartUpload" || said {
				return nil, nil
			}
			said = true
			return says(r, status, body), nil
		}
	}
	always := func(status int, code string) answering {
		return func(op string, r *http.Request) (*http.Response, error) {
			if op != "CompleteMultipartUpload" {
				return nil, nil
			}
			return fails(r, status, code), nil
		}
	}
	const look, complete, abort = "ListObjectsV2", "CompleteMultipartUpload", "AbortMultipartUpload"
	for _, c := range []struct {
		name string
		// versitygw answers with no such errors; nil is versitygw itself.
		answer answering
		want   error
		stored bool
		sent   []string
	}{
		{"as it should be", nil, nil, true, []string{look, complete}},
		{"a status of success around an error that passes", once(200, `<Error><Code>InternalError</Code><Message>try again</Message></Error>`), nil, true,
			[]string{look, complete, complete}},
		{"a conflict that passes", once(409, `<Error><Code>ConditionalRequestConflict</Code></Error>`), nil, true, []string{look, complete, complete}},
		{"a store that is too busy for a moment", once(503, `<Error><Code>SlowDown</Code></Error>`), nil, true, []string{look, complete, complete}},
		{"an answer that is lost, and is given again", losing(complete, 0, "").answer, nil, true, []string{look, complete, complete}},
		{"an answer that is lost, and the upload with it", losing(complete, 404, "NoSuchUpload").answer, holdfast.ErrExist, true, []string{look, complete, complete, look}},
		{"an answer that is lost, and the key taken by it", losing(complete, 412, "PreconditionFailed").answer, holdfast.ErrExist, true, []string{look, complete, complete, abort}},
		{"an upload that vanished", always(404, "NoSuchUpload"), holdfast.ErrNotExist, false, []string{look, complete, look}},
		{"a key taken since it was looked at", always(412, "PreconditionFailed"), holdfast.ErrExist, false, []string{look, complete, abort}},
		{"a part that differs", always(400, "InvalidPart"), holdfast.ErrCorrupt, false, []string{look, complete}},
		{"another total", always(400, "InvalidRequest"), holdfast.ErrCorrupt, false, []string{look, complete}},
		{"a full store", always(507, "InsufficientStorage"), holdfast.ErrFull, false, []string{look, complete}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // repeating waits
			w := &wire{}
			v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Client = &http.Client{Transport: w} })
			u, parts := begin(t, v, "backups/a", []byte("a body"))
			w.sent()
			w.answer = c.answer
			wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 6), c.want)
			if sent := w.sent(); !slices.Equal(sent, c.sent) {
				t.Errorf("sent %v, want %v", sent, c.sent)
			}
			if stored := len(keys(t, v, "")) > 0; stored != c.stored {
				t.Errorf("it is stored: %v, want %v", stored, c.stored)
			}
		})
	}
}

func TestAfterALostRaceThePartsAreGone(t *testing.T) {
	server := testenv.S3(t)
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), nil)
	u, parts := begin(t, v, "backups/a", []byte("a body"))
	put(t, v, "backups/a")
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 6), holdfast.ErrExist)
	for u := range v.ListUploads(t.Context(), "") {
		t.Errorf("the upload of %q is still there", u.Key)
	}
}

// TestAPartThatIsNotWhatItSays is about stores that don't look at the total
// size: what a host says of its parts is held against what is stored.
func TestAPartThatIsNotWhatItSays(t *testing.T) {
	server := testenv.S3(t)
	for _, name := range []string{"aws", "minio", "other"} {
		v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Store = preset(t, name) })
		u, parts := begin(t, v, "backups/a", []byte("a body"))
		parts[0].Size = 7
		wants(t, name+": complete", v.CompleteUpload(t.Context(), u, parts, 7), holdfast.ErrCorrupt)
		parts[0].Size, parts[0].Sum = 6, part(v, 1, []byte("b body")).Sum
		wants(t, name+": complete with another checksum", v.CompleteUpload(t.Context(), u, parts, 6), holdfast.ErrCorrupt)
		if got := keys(t, v, ""); len(got) > 0 {
			t.Errorf("%s: %v is there", name, got)
		}
	}
}
