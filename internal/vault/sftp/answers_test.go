package sftp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// answer is about what the server's answer to one request takes, in bytes: fewer than
// any, so that cutting after multiples of it cuts between all of them.
const answer = 60

// cutting tries again and again, each time with the connection cut after some more
// answers, until it is over before the cut. fresh returns a vault for each.
func cutting(t *testing.T, proxy *testenv.Proxy, fresh func() *Vault, try func(v *Vault, n int)) {
	t.Helper()
	const most = 100
	for n := 1; n <= most; n++ {
		v := fresh()
		if err := firstError(v.List(t.Context(), "")); err != nil {
			t.Fatal(err)
		}
		proxy.CutAnswersAfter(int64(n * answer))
		try(v, n)
		if !proxy.Spare() {
			if n < 5 {
				t.Errorf("it is over after %d answers, before anything was cut", n)
			}
			return
		}
	}
	t.Errorf("it is not over after %d answers", most)
}

// always returns the one vault.
func always(v *Vault) func() *Vault { return func() *Vault { return v } }

// kinds are servers that make objects in each of the ways there are.
func kinds() map[string]testenv.SSHDOptions {
	return map[string]testenv.SSHDOptions{
		"by link": {}, "by rename": {Deny: []string{"hardlink"}}, "in place": {Deny: testenv.DenyMoves()},
	}
}

func TestWhateverAnswerIsLostACallIsDoneOnce(t *testing.T) {
	for what, try := range map[string]func(t *testing.T, v, other *Vault, n int){
		"put": putOnce, "upload": uploadOnce, "swap": swapOnce,
	} {
		for name, kind := range kinds() {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				s := testenv.StartSSHD(t, kind)
				o, proxy := behind(t, s)
				v, other := open(t, o), open(t, options(s))
				cutting(t, proxy, always(v), func(_ *Vault, n int) { try(t, v, other, n) })
			})
		}
	}
}

func putOnce(t *testing.T, v, other *Vault, n int) {
	key, body := fmt.Sprintf("backups/%d/manifest.json", n), []byte(fmt.Sprint("body ", n))
	if err := v.Put(t.Context(), key, body); err != nil {
		t.Errorf("%s: %v", key, err)
	}
	sameBytes(t, other, key, body)
}

func uploadOnce(t *testing.T, v, other *Vault, n int) {
	key, body := fmt.Sprintf("backups/%d/data", n), []byte(fmt.Sprint("body ", n))
	u, p := start(t, v, key), split(body)
	if err := v.SendPart(t.Context(), u, p[0], bytes.NewReader(body)); err != nil {
		t.Errorf("%s: %v", key, err)
	}
	if err := v.CompleteUpload(t.Context(), u, p, int64(len(body))); err != nil {
		t.Errorf("%s: %v", key, err)
	}
	sameBytes(t, other, key, body)
}

func swapOnce(t *testing.T, v, other *Vault, n int) {
	key := fmt.Sprintf("state/document-%d", n)
	tag, err := v.Swap(t.Context(), key, []byte("one"), "")
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	body, present, err := other.Load(t.Context(), key)
	if err != nil || string(body) != "one" || present != tag {
		t.Fatalf("got %q with tag %q and error %v, want one with tag %q", body, present, err, tag)
	}
}

// What a crash leaves of a Put is no object, wherever it happens.
func TestWhereverAPutBreaksOffThereIsAWholeObjectOrNone(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.StartSSHD(t, kind)
			o, proxy := behind(t, s)
			o.GiveUp = 1
			other := open(t, options(s))
			whole, none := 0, 0
			cutting(t, proxy, func() *Vault { return open(t, o) }, func(v *Vault, n int) {
				key, body := fmt.Sprintf("backups/%d/manifest.json", n), random(40<<10)
				err := v.Put(t.Context(), key, body)
				v.Close()
				there := map[string]int64{}
				for o, err := range other.List(t.Context(), "backups/"+strconv.Itoa(n)+"/") {
					if err != nil {
						t.Fatal(err)
					}
					there[o.Key] = o.Size
				}
				switch size, ok := there[key]; {
				case ok && size == int64(len(body)) && len(there) == 1:
					whole++
					sameBytes(t, other, key, body)
				case len(there) > 0:
					t.Errorf("cut after %d answers there is %v", n, there)
				case err == nil:
					t.Errorf("cut after %d answers it has succeeded, and is not there", n)
				default:
					none++
					if _, err := other.Open(t.Context(), key, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
						t.Errorf("open: got error %v, want %v", err, holdfast.ErrNotExist)
					}
				}
			})
			if whole == 0 || none == 0 {
				t.Errorf("%d were whole and %d not there, want some of both", whole, none)
			}
		})
	}
}
