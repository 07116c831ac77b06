package test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// benchDump is how large the dump of BenchmarkVaults is, in bytes.
const benchDump = 1 << 30

// BenchmarkVaults times whole processes on loopback: a dump pushed to each kind of
// vault and restored from it, and the same with zstd, age and rclone's backend for
// the same server, in turn.
func BenchmarkVaults(b *testing.B) {
	dir := b.TempDir()
	dump := filepath.Join(dir, "dump.sql")
	shell(b, nil, fmt.Sprintf("go run ./bench/dump %d > '%s'", benchDump, dump))
	identity := filepath.Join(dir, "identity.txt")
	shell(b, nil, "age-keygen -o '"+identity+"'")
	text, err := os.ReadFile(identity)
	if err != nil {
		b.Fatal(err)
	}
	recipient := regexp.MustCompile(`age1[0-9a-z]+`).FindString(string(text))
	for _, kind := range []func(*testing.B, string) peer{diskPeer, s3Peer, b2Peer, sftpPeer} {
		at := b.TempDir()
		p := kind(b, at)
		p.install(b, at, recipient, dump)
		push := fmt.Sprintf("'%s' --config '%s/pusher.yaml' run --quiet", filepath.Join(bin, "pusher"), at)
		rcat := fmt.Sprintf("cat '%s' | zstd -3 -T2 -q | age -r %s | rclone rcat '%sdump.zst.age'", dump, recipient, p.remote)
		restore := fmt.Sprintf("'%s' --config '%s/holdfast.yaml' restore dump --stdout -q -i '%s' > /dev/null", filepath.Join(bin, "holdfast"), at, identity)
		cat := fmt.Sprintf("rclone cat '%sdump.zst.age' | age -d -i '%s' | zstd -dcq > /dev/null", p.remote, identity)
		for _, run := range []struct{ name, line string }{{"push/pusher", push}, {"push/rclone", rcat}, {"restore/holdfast", restore}, {"restore/rclone", cat}} {
			b.Run(p.name+"/"+run.name, func(b *testing.B) {
				b.SetBytes(benchDump)
				for b.Loop() {
					shell(b, p.env, run.line)
				}
			})
		}
	}
}

// peer is a kind of vault, and how both get there.
type peer struct {
	name   string
	vault  string   // YAML of it in holdfast.yaml
	to     string   // YAML of the pusher's destinations; "" for the broker
	remote string   // rclone's name for it, up to the file's
	env    []string // for all programs
}

// install makes a host and, where the vault needs one, a server.
func (p peer) install(b *testing.B, dir, recipient, dump string) {
	b.Helper()
	address := freeAddress(b)
	shell(b, nil, fmt.Sprintf("'%s' init --host web1 --broker http://%s --dir '%s' --recipient %s > '%s/init'", filepath.Join(bin, "pusher"), address, dir, recipient, dir))
	said, err := os.ReadFile(filepath.Join(dir, "init"))
	if err != nil {
		b.Fatal(err)
	}
	key := regexp.MustCompile(`ed25519:[A-Za-z0-9_-]+`).FindString(string(said))
	place := "broker: http://" + address
	if p.to != "" {
		place = "destinations: { main: " + p.to + " }"
	}
	put(b, filepath.Join(dir, "broker.secret"), strings.Repeat("secret-of-the-broker-", 3))
	put(b, filepath.Join(dir, "pusher.yaml"), fmt.Sprintf("host: web1\n%s\nkey: web1.key\nencrypt_to: [%s]\nstate_dir: %s/state\njobs: { dump: { sources: [{ command: { run: [cat, %q], file: dump.sql } }] } }\n",
		place, recipient, dir, dump))
	put(b, filepath.Join(dir, "holdfast.yaml"), fmt.Sprintf("broker: { url: \"http://%s\", listen: %q, secret: \"file:broker.secret\" }\nvaults: { main: %s }\nhosts: { web1: { key: %q, jobs: [dump] } }\njobs: { dump: { max_per_day: 1000 } }\n",
		address, address, p.vault, key))
	if p.to != "" {
		return
	}
	server := exec.Command(filepath.Join(bin, "holdfast"), "--config", filepath.Join(dir, "holdfast.yaml"), "serve")
	server.Env = append(os.Environ(), p.env...)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { end(server) })
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get("http://" + address + "/healthz"); err == nil {
			answer.Body.Close()
			return
		}
		if time.Since(begun) > 20*time.Second {
			b.Fatal("the server does not answer")
		}
	}
}

func diskPeer(b *testing.B, dir string) peer {
	vault := filepath.Join(dir, "vault")
	if err := os.Mkdir(vault, 0o700); err != nil {
		b.Fatal(err)
	}
	return peer{name: "disk", vault: "{ disk: { path: " + vault + " } }", to: "{ disk: { path: " + vault + " } }", remote: filepath.Join(dir, "rclone") + "/", env: rcloneEnv(dir)}
}

func s3Peer(b *testing.B, dir string) peer {
	s := testenv.S3(b)
	bucket, other := s.NewBucket(b, testenv.Bucket{}), s.NewBucket(b, testenv.Bucket{})
	return peer{
		name:   "s3",
		vault:  fmt.Sprintf("{ s3: { bucket: %s, endpoint: %q, region: %s, access_key: \"env:BENCH_ID\", secret_key: \"env:BENCH_KEY\" } }", bucket, s.URL, s.Region),
		remote: ":s3:" + other + "/",
		env: append(rcloneEnv(dir), "BENCH_ID="+s.AccessKey, "BENCH_KEY="+s.SecretKey, "RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ENDPOINT="+s.URL,
			"RCLONE_S3_REGION="+s.Region, "RCLONE_S3_ACCESS_KEY_ID="+s.AccessKey, "RCLONE_S3_SECRET_ACCESS_KEY="+s.SecretKey),
	}
}

func b2Peer(b *testing.B, dir string) peer {
	s := b2.New(b, testenv.Bucket{})
	k := s.NewKey(b, "", b2.Capabilities()...)
	return peer{
		name:   "b2",
		vault:  fmt.Sprintf("{ b2: { bucket: %s, key_id: \"env:BENCH_ID\", application_key: \"env:BENCH_KEY\", api: %q } }", s.Bucket, s.URL),
		remote: ":b2:" + s.Bucket + "/rclone/",
		env: append(rcloneEnv(dir), "BENCH_ID="+k.ID, "BENCH_KEY="+k.Secret, "AWS_REGION="+s.Region(), "RCLONE_B2_ENDPOINT="+s.URL,
			"RCLONE_B2_ACCOUNT="+k.ID, "RCLONE_B2_KEY="+k.Secret),
	}
}

func sftpPeer(b *testing.B, dir string) peer {
	s := testenv.StartSSHD(b, testenv.SSHDOptions{})
	key := filepath.Join(dir, "nas.key")
	put(b, key, s.Key)
	if err := os.Chmod(key, 0o600); err != nil {
		b.Fatal(err)
	}
	vault := fmt.Sprintf("{ sftp: { host: %s, port: %d, user: %s, path: %q, key: %q, host_key: [%q] } }", s.Host, s.Port, s.User, s.Path, "file:"+key, s.Fingerprint)
	return peer{
		name: "sftp", vault: vault, to: vault, remote: ":sftp:" + s.Path + "/rclone-",
		env: append(rcloneEnv(dir), "RCLONE_SFTP_HOST="+s.Host, fmt.Sprint("RCLONE_SFTP_PORT=", s.Port), "RCLONE_SFTP_USER="+s.User, "RCLONE_SFTP_KEY_FILE="+key),
	}
}

// rcloneEnv is what rclone needs whatever the backend.
func rcloneEnv(dir string) []string {
	return []string{"RCLONE_CONFIG=" + filepath.Join(dir, "rclone.conf"), "RCLONE_EXPECT_CONTINUE_TIMEOUT=0", "AWS_CA_BUNDLE="}
}

// shell runs a line of bash, in which no program may fail.
func shell(b *testing.B, env []string, line string) {
	b.Helper()
	command := exec.Command("bash", "-euo", "pipefail", "-c", line)
	command.Env = append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
}
