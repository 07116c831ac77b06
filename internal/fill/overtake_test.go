package fill

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
	"github.com/holdfast-backup/holdfast/internal/vault/b2"
)

// killed is a target whose process ends before an upload is completed: nothing is
// discarded.
type killed struct{ vault }

func (killed) CompleteUpload(context.Context, holdfast.Upload, []holdfast.Part, int64) error {
	return errors.New("killed")
}
func (killed) AbortUpload(context.Context, holdfast.Upload) error { return nil }

// inB2 is a vault in a bucket of B2's.
func inB2(t *testing.T) *b2.Vault {
	t.Setenv("AWS_REGION", "eu-west-3") // versitygw's
	s := standin.New(t, testenv.Bucket{})
	role, err := b2.RoleOf("all")
	must(t, err)
	k := s.NewKey(t, "acme/", role.Capabilities...)
	v, err := b2.New(b2.Options{Bucket: s.Bucket, Prefix: "acme", KeyID: k.ID, Key: secret.New(k.Secret), API: s.URL})
	must(t, err)
	return v
}

// In B2 the first upload of a name to begin is the one that may become the object.
func TestACopyToB2ThatWasKilledIsFinishedByTheNext(t *testing.T) {
	hosts, copies := func(string, string) bool { return true }, func(string, string) bool { return false }
	for name, test := range map[string]struct {
		day  int // of October, the 28th being today
		sent func(host, job string) bool
		want bool
	}{
		"an old id":                               {20, hosts, true},
		"a new id, where no host sends":           {28, copies, true},
		"a new id, which the host may still send": {28, hosts, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), inB2(t)
			ref := refOf("crm", test.day)
			backup(t, a, ref, 100_000, 200_000)
			o := options()
			o.HostSends = test.sent
			result, err := Run(t.Context(), a, killed{b}, o)
			must(t, err)
			left := uploads(t, b)
			if len(result.Failed) != 1 || left == 0 {
				t.Fatalf("got %+v, %d uploads are left", result, left)
			}
			_, err = b.StartUpload(t.Context(), ref.Key("s0.sql.zst.other")) // of another name, which stays
			must(t, err)
			var told error
			o.Done = func(_ Copied, err error) { told = err }
			result, err = Run(t.Context(), a, b, o)
			must(t, err)
			if copied := len(result.Copied) == 1; copied != test.want || copied == errors.Is(told, holdfast.ErrExist) {
				t.Errorf("copied: %v, want %v; %s", copied, test.want, failures(result.Failed))
			}
			if test.want {
				equal(t, "target", objects(t, a), objects(t, b))
				left = 0
			}
			if n := uploads(t, b); n != left+1 {
				t.Errorf("%d uploads are left, want %d", n, left+1)
			}
		})
	}
}

// Of two copies at once the faster is through, and the slower finds that it is.
func TestACopyThatIsSlowerThanAnotherFindsTheObject(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) vault{"mem": backends["mem"], "signing": signing, "b2": func(t *testing.T) vault { return inB2(t) }} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), make(t)
			ref := refOf("crm", 20)
			backup(t, a, ref, 100_000)
			var faster Result
			slower := started{b, func() {
				var err error
				faster, err = Run(t.Context(), a, b, options())
				must(t, err)
			}}
			result, err := Run(t.Context(), a, slower, options())
			must(t, err)
			if len(faster.Copied) != 1 || len(result.Copied) != 1 {
				t.Errorf("faster: %+v; slower: %+v", faster, result)
			}
			equal(t, "target", objects(t, a), objects(t, b))
			if n := uploads(t, b); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// What somebody else has put there meanwhile is said to be there.
func TestAnotherObjectThatAppearsMeanwhileIsNamed(t *testing.T) {
	ref := refOf("crm", 27)
	for want, size := range map[string]int{"of 999 bytes and not 1000": 999, "of the same size": 1000} {
		a, b := memory(), signing(t)
		backup(t, a, ref, 1000)
		faster := started{b, func() { put(t, b, ref.Key("s0.sql.zst"), content("x", size)) }}
		result, err := Run(t.Context(), a, faster, options())
		must(t, err)
		if len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, want) {
			t.Errorf("got %+v, want it to say %q", result, want)
		}
	}
}

// started calls back when an upload has begun.
type started struct {
	vault
	then func()
}

func (s started) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	u, err := s.vault.StartUpload(ctx, key)
	s.then()
	return u, err
}
