package sftp

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// dial logs in with the host's key, as whoever has taken it would.
func dial(t *testing.T, s *testenv.SSHD) *ssh.Client {
	t.Helper()
	signer, err := ssh.ParsePrivateKey([]byte(s.Key))
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mkdirClosed makes directories of mode 0, by requests that package pkg/sftp does not
// make: they say the mode as the directory is made, so no server denies it.
func mkdirClosed(t *testing.T, s *testenv.SSHD, dirs ...string) {
	t.Helper()
	session, err := dial(t, s).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	ask := func(packet []byte) []byte {
		t.Helper()
		if _, err := in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)); err != nil {
			t.Fatal(err)
		}
		var size [4]byte
		if _, err := io.ReadFull(out, size[:]); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(out, answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	const packetInit, packetMkdir, version = 1, 14, 3
	ask([]byte{packetInit, 0, 0, 0, version})
	for _, dir := range dirs {
		name := s.Path + "/" + dir
		packet := binary.BigEndian.AppendUint32([]byte{packetMkdir, 0, 0, 0, 9}, uint32(len(name)))
		packet = binary.BigEndian.AppendUint32(append(packet, name...), attrPermissions)
		if answer := ask(binary.BigEndian.AppendUint32(packet, 0)); binary.BigEndian.Uint32(answer[5:9]) != 0 {
			t.Fatalf("make %s: status %d", dir, binary.BigEndian.Uint32(answer[5:9]))
		}
	}
}

// Both at once on a server that denies all there is to deny: one MKDIR, and one WRITE
// far behind the beginning of a new file.
func TestWhatCanBeAddedStopsNobodyWhoReads(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(s))
	const good, job = "backups/web1/crm/20251027T030000Z-00000007/manifest.json", "backups/web1/crm/"
	for _, key := range []string{good, "reports/web1/crm/20251027T030000Z-00000007.json", "backups/web1/web/20251027T030000Z-00000007/x"} {
		if err := v.Put(t.Context(), key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	id := func(letter string) string { return strings.Repeat(letter, 26) }
	for _, dir := range []string{layout.UploadDir(id("A")), layout.UploadPath(id("B"), layout.RecordFile)} {
		makeDirs(t, v, dir)
	}
	sparse(t, v, layout.UploadPath(id("A"), layout.RecordFile), 1<<30)
	mkdirClosed(t, s, job+"20251028T030000Z-00000001", "reports/web1/crm/x", layout.UploadDir(id("C")), layout.TempPath("x"))

	other := newDisk(t, s)
	for name, vault := range map[string]holdfast.Vault{"by SFTP": v, "as a directory": other} {
		testenv.Unprivileged(t, func() {
			want := []string{good, job + "20251028T030000Z-00000001/"}
			if got := keysOf(vault.List(context.WithoutCancel(t.Context()), job)); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			want = []string{"reports/web1/crm/20251027T030000Z-00000007.json", "reports/web1/crm/x/"}
			if got := keysOf(vault.List(t.Context(), holdfast.ReportsPrefix)); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			if err := firstError(vault.List(t.Context(), job+"20251028T030000Z-00000001/")); err == nil {
				t.Errorf("%s: what is closed is listed as empty", name)
			}
			var ids []string
			for u, err := range vault.ListUploads(t.Context(), "") {
				if ids = append(ids, u.ID); err != nil || u.Key != "" || u.Started.IsZero() {
					t.Errorf("%s: got %+v and error %v, want an upload without a key", name, u, err)
				}
			}
			slices.Sort(ids)
			if want := []string{id("A"), id("B"), id("C")}; !slices.Equal(ids, want) {
				t.Errorf("%s: got uploads %q, want %q", name, ids, want)
			}
		})
	}
	// What hides a whole job is no detail.
	if err := os.Chmod(filepath.Join(s.Dir, "backups/web1/web"), 0); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{holdfast.BackupsPrefix, "backups/web1/web/"} {
		if err := firstError(v.List(t.Context(), prefix)); !errors.Is(err, ErrDenied) {
			t.Errorf("%q with a closed job: got error %v, want %v", prefix, err, ErrDenied)
		}
	}
}

// newDisk opens the server's directory as a disk vault, a day later.
func newDisk(t *testing.T, s *testenv.SSHD) *disk.Vault {
	t.Helper()
	var v *disk.Vault
	var err error
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	testenv.Unprivileged(t, func() {
		v, err = disk.New(s.Dir, disk.Options{Now: func() time.Time { return time.Now().Add(layout.Abandoned + time.Hour) }})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("to open the directory took %d MiB of memory", got>>20)
	}
	return v
}

func keysOf(all func(func(holdfast.Object, error) bool)) (keys []string) {
	for o, err := range all {
		if err != nil {
			return append(keys, err.Error())
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func makeDirs(t *testing.T, v *Vault, dir string) {
	t.Helper()
	if _, err := do(t.Context(), v, func(o op) (none struct{}, err error) { return none, o.makeDirs(dir) }); err != nil {
		t.Fatal(err)
	}
}

// sparse makes a file of that size with one byte in it.
func sparse(t *testing.T, v *Vault, name string, size int64) {
	t.Helper()
	_, err := do(t.Context(), v, func(o op) (none struct{}, err error) {
		f, err := o.create(name)
		if err != nil {
			return none, err
		}
		_, err = f.WriteAt([]byte("x"), size-1)
		return none, errors.Join(err, o.close(f))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever others have made of an upload goes with it, where things can be removed.
func TestAnUploadThatOthersHaveFilledIsRemoved(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v := open(t, options(s))
	id := func(letter string) string { return strings.Repeat(letter, 26) }
	makeDirs(t, v, layout.UploadPath(id("B"), layout.RecordFile)+"/deep/down")
	makeDirs(t, v, layout.UploadsDir)
	sparse(t, v, layout.UploadPath(id("B"), "other"), 1<<30)
	mkdirClosed(t, s, layout.UploadDir(id("C")))
	aborted := 0
	for u, err := range v.ListUploads(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := v.AbortUpload(t.Context(), u); err != nil {
			t.Error(err)
		}
		aborted++
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir, layout.UploadsDir)); aborted != 2 || err != nil || len(left) > 0 {
		t.Errorf("%d uploads were aborted, want 2; left: %v, error %v", aborted, left, err)
	}
}
