// Command demo runs Holdfast's main job on this machine, in a temporary folder:
// a server, a host with a real database and real files, a backup, a look at what
// stays and what is watched, a destroyed database, and its restore. It runs the
// built programs, as a person would; its argument is the directory they are in.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo DIRECTORY-OF-THE-PROGRAMS")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		os.Exit(1)
	}
}

// demo is the stage: where everything lies.
type demo struct {
	bin, dir, url string
	began         time.Time
}

func run(bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	d := &demo{bin: bin, dir: dir, url: "http://" + address, began: time.Now()}
	for _, step := range []func() error{d.prepare, d.configure, d.withServer} {
		if err := step(); err != nil {
			return fmt.Errorf("%w\neverything is still in %s", err, dir)
		}
	}
	d.summary()
	return nil
}

// prepare makes what is worth a backup: a database and some files.
func (d *demo) prepare() error {
	d.say("An app host has a SQLite database and a folder of uploads.")
	if err := fillDatabase(d.path("app/shop.db")); err != nil {
		return err
	}
	for i := range 200 {
		name := d.path(fmt.Sprintf("app/uploads/%02d/picture-%03d.txt", i%20, i))
		if err := writeFile(name, strings.Repeat(fmt.Sprintf("picture %d\n", i), 200), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("  %s: 20,000 orders\n  %s: 200 files\n", d.path("app/shop.db"), d.path("app/uploads"))
	return nil
}

// configure introduces the server and the host to each other.
func (d *demo) configure() error {
	d.say("The server is set up, on what would be another machine.")
	if _, err := d.show("holdfast", "init", "--dir", d.path("server"), "--url", d.url, "--vault", d.path("server/vault")); err != nil {
		return err
	}
	d.say("The host makes its key; the age identity that decrypts goes to a safe place away from both.")
	printed, err := d.show("pusher", "init", "--host", "web1", "--broker", d.url, "--dir", d.path("host"), "--identity", d.path("safe/identity.txt"))
	if err != nil {
		return err
	}
	key := regexp.MustCompile(`ed25519:[A-Za-z0-9_-]+`).FindString(printed)
	identity, err := os.ReadFile(d.path("safe/identity.txt"))
	if err != nil {
		return err
	}
	recipient := regexp.MustCompile(`age1[0-9a-z]+`).FindString(string(identity))

	d.say("Both configurations, as one would edit them: what to back up, and what to expect and keep.")
	if err := d.edit("host/pusher.yaml", fmt.Sprintf(`host: web1
broker: %s
key: web1.key
encrypt_to: [%s]
state_dir: %s
jobs:
  shop:
    sources:
      - sqlite: { path: %s }
      - files: { include: [%s] }
`, d.url, recipient, d.path("host/state"), d.path("app/shop.db"), d.path("app/uploads"))); err != nil {
		return err
	}
	return d.edit("server/holdfast.yaml", fmt.Sprintf(`broker: { url: "%s", listen: "%s", secret: "file:broker.secret" }
vaults:
  main: { disk: { path: %s } }
hosts:
  web1: { key: "%s", jobs: [shop] }
jobs:
  shop:
    expect: { every: 24h, grace: 2h, min_size: 10kB }
    keep: { all: 7d, daily: 16d, weekly: 8w, monthly: 4mo, yearly: 2y, max_total: 5GB }
`, d.url, strings.TrimPrefix(d.url, "http://"), d.path("server/vault"), key))
}

// withServer runs the server and, while it runs, everything else.
func (d *demo) withServer() error {
	d.say("The server starts: broker, vault, retention and monitor in one process.")
	log, err := os.Create(d.path("server/serve.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	server := exec.Command(filepath.Join(d.bin, "holdfast"), "--config", d.path("server/holdfast.yaml"), "serve")
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	fmt.Printf("  $ holdfast serve    (its log: %s)\n", log.Name())
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	if err := d.waitForServer(); err != nil {
		return err
	}
	for _, step := range []func() error{d.backUp, d.lookAfter, d.loseAndRestore} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) backUp() error {
	d.say("doctor proves what must work, and tries as an attacker with this host's key what must not.")
	if _, err := d.pusher("doctor"); err != nil {
		return err
	}
	d.say("The backup: snapshot, compressed, encrypted, sent, committed.")
	_, err := d.pusher("run")
	return err
}

func (d *demo) lookAfter() error {
	d.say("What is in the vault.")
	if _, err := d.holdfast("list"); err != nil {
		return err
	}
	d.say("What this policy would keep after 400 nightly backups.")
	if _, err := d.holdfast("simulate", "--job", "shop", "--days", "400", "--every", "24h"); err != nil {
		return err
	}
	d.say("Retention over the real vault: one backup, which stays.")
	if _, err := d.holdfast("clean"); err != nil {
		return err
	}
	d.say("The monitor judges every job from outside the host.")
	_, err := d.holdfast("monitor")
	return err
}

func (d *demo) loseAndRestore() error {
	d.say("Disaster: the database is gone.")
	before, err := fingerprint(d.path("app/shop.db"))
	if err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(d.path("app/shop.db" + suffix)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	fmt.Printf("  $ rm %s\n", d.path("app/shop.db"))

	d.say("Restore, with the identity from the safe place: signature and hashes are verified before the file bears its name.")
	if _, err := d.holdfast("restore", "shop", "--into", "sqlite:"+d.path("app/shop.db"), "--identity", d.path("safe/identity.txt")); err != nil {
		return err
	}
	after, err := fingerprint(d.path("app/shop.db"))
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("the restored database differs: %s, was %s", after, before)
	}
	fmt.Printf("  compared: %s, before and after\n", after)

	d.say("One file out of the tree, and then the whole tree.")
	one := filepath.Join(d.path("app/uploads"), "07/picture-107.txt")
	if _, err := d.holdfast("restore", "shop", "--path", one, "--to", d.path("one-file"), "--identity", d.path("safe/identity.txt")); err != nil {
		return err
	}
	if _, err := d.holdfast("restore", "shop", "--stream", "files", "--to", d.path("restored"), "--identity", d.path("safe/identity.txt")); err != nil {
		return err
	}
	restored := filepath.Join(d.path("restored/files"), d.path("app/uploads"))
	if out, err := exec.Command("diff", "-r", d.path("app/uploads"), restored).CombinedOutput(); err != nil {
		return fmt.Errorf("the restored files differ: %w\n%s", err, out)
	}
	fmt.Println("  compared: 200 files, byte by byte")
	return nil
}

func (d *demo) summary() {
	fmt.Printf("\nDone in %s. Everything lies in %s:\n", time.Since(d.began).Round(100*time.Millisecond), d.dir)
	for _, line := range [][2]string{
		{"server/holdfast.yaml", "the server's configuration: hosts, jobs, what to expect and keep"},
		{"server/vault", "the vault: backups/web1/shop/<id>/manifest.json is readable"},
		{"host/pusher.yaml", "the host's configuration: what to back up"},
		{"safe/identity.txt", "the only thing that decrypts"},
		{"restored", "what came back"},
	} {
		fmt.Printf("  %-22s %s\n", line[0], line[1])
	}
	fmt.Printf("Remove it with: rm -r %s\n", d.dir)
}

func writeFile(path, text string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), mode)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
