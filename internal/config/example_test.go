package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var switchedOff = regexp.MustCompile(`(?m)^( *)#([^ \n])`)

// uncomment switches on every setting of an example that is off: the lines that
// begin with # and no blank.
func uncomment(text string) string { return switchedOff.ReplaceAllString(text, "$1$2") }

func TestExamplesParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		parse      func(string, []byte) error
	}{
		{"pusher as it is", PusherExample, pusherError},
		{"pusher with everything on", uncomment(PusherExample), pusherError},
		{"holdfast as it is", HoldfastExample, holdfastError},
		{"holdfast with everything on", uncomment(HoldfastExample), holdfastError},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.parse("example.yaml", []byte(test.text)); err != nil {
				t.Errorf("%v\n%s", err, test.text)
			}
		})
	}
}

func pusherError(name string, data []byte) error   { _, err := ParsePusher(name, data); return err }
func holdfastError(name string, data []byte) error { _, err := ParseHoldfast(name, data); return err }

// Every field of the structs has a value somewhere in the examples.
func TestExamplesHaveEveryField(t *testing.T) {
	pusher, err := ParsePusher("pusher.example.yaml", []byte(uncomment(PusherExample)))
	if err != nil {
		t.Fatal(err)
	}
	server, err := ParseHoldfast("holdfast.example.yaml", []byte(uncomment(HoldfastExample)))
	if err != nil {
		t.Fatal(err)
	}
	// Defaults that check fills in would count as given.
	for _, line := range []string{"method: zstd", "timeout: 24h", "timeout: 10m", "format: plain"} {
		if !strings.Contains(uncomment(PusherExample), line) {
			t.Errorf("pusher.example.yaml: no %q", line)
		}
	}
	for _, line := range []string{"listen: 127", "retention: 1h", "monitor: 5m"} {
		if !strings.Contains(uncomment(HoldfastExample), line) {
			t.Errorf("holdfast.example.yaml: no %q", line)
		}
	}
	seen := map[string]bool{}
	mark(reflect.ValueOf(*pusher), seen)
	mark(reflect.ValueOf(*server), seen)
	if len(seen) < 60 {
		t.Fatalf("found %d fields in all, want them all", len(seen))
	}
	for _, field := range slices.Sorted(maps.Keys(seen)) {
		if !seen[field] {
			t.Errorf("%s: not in the examples", field)
		}
	}
}

// mark notes for every field of the structs in v whether one of them has a value.
func mark(v reflect.Value, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			mark(reflect.Zero(v.Type().Elem()), seen)
			return
		}
		mark(v.Elem(), seen)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			mark(v.MapIndex(key), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			mark(v.Index(i), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Tag.Get("yaml") == "" { // of a value that YAML can write in more than one way
				mark(v.Field(i), seen)
				continue
			}
			name := fmt.Sprintf("%s.%s", v.Type().Name(), field.Tag.Get("yaml"))
			seen[name] = seen[name] || !v.Field(i).IsZero()
			mark(v.Field(i), seen)
		}
	}
}

func TestStarters(t *testing.T) {
	const recipient = "age1xyykmspdvtydav06vpevuhzpvxl36v20zwyldqxn9ncuxm0rcewq68cm94"
	t.Run("pusher encrypts to the recipient", func(t *testing.T) {
		c, err := ParsePusher("/etc/holdfast/pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Broker: "http://127.0.0.1:8420", Local: "/srv/b", Key: "web1.key", Recipient: recipient})))
		if err != nil {
			t.Fatal(err)
		}
		if c.Host != "web1" || c.Broker != "http://127.0.0.1:8420" || c.Key != "/etc/holdfast/web1.key" {
			t.Errorf("got %+v", c)
		}
		if !slices.Equal(c.EncryptTo.Recipients, []string{recipient}) || c.EncryptTo.None {
			t.Errorf("encrypt_to: got %+v", c.EncryptTo)
		}
	})
	t.Run("pusher says none without a recipient", func(t *testing.T) {
		c, err := ParsePusher("pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Local: "/srv/b", Key: "k"})))
		if err != nil || !c.EncryptTo.None {
			t.Errorf("got %+v, %v", c, err)
		}
	})
	t.Run("pusher takes an ssh key and a path with quotes and colons", func(t *testing.T) {
		c, err := ParsePusher("pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Local: "/srv/b", Key: "/a'b: #c/k", Recipient: "ssh-ed25519 AAAA me@home"})))
		if err != nil {
			t.Fatal(err)
		}
		if c.Key != "/a'b: #c/k" || c.EncryptTo.Recipients[0] != "ssh-ed25519 AAAA me@home" {
			t.Errorf("got %q, %q", c.Key, c.EncryptTo.Recipients)
		}
	})
	t.Run("pusher without a broker keeps backups in a directory", func(t *testing.T) {
		c, err := ParsePusher("pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Local: "/srv/my backups", Key: "k", Recipient: recipient})))
		if err != nil || c.Broker != "" || c.Destinations["here"].Disk.Path != "/srv/my backups" {
			t.Errorf("got %+v, %v", c, err)
		}
	})
	server := &StarterSFTP{Name: "nas", Host: "nas.example.com", Port: 23, User: "web1", Path: "/my vault", Key: "file:nas.key", HostKey: "SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI"}
	t.Run("pusher sends to a server, with a broker or without", func(t *testing.T) {
		for _, broker := range []string{"", "https://b.example"} {
			text := StarterPusher(Starter{Host: "web1", Broker: broker, Local: "/srv/b", Key: "k", Recipient: recipient, SFTP: server})
			c, err := ParsePusher("/etc/holdfast/pusher.yaml", []byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			to := c.Destinations["nas"].SFTP
			if c.Broker != broker || len(c.Destinations) != 1 || to.Host != server.Host || to.Port != 23 || to.User != "web1" || to.Path != "/my vault" ||
				to.Key != "file:/etc/holdfast/nas.key" || !slices.Equal(to.HostKey, []string{server.HostKey}) {
				t.Errorf("with the broker %q: got %+v", broker, to)
			}
		}
	})
	t.Run("pusher waits for the server's fingerprint", func(t *testing.T) {
		silent := *server
		silent.HostKey = ""
		err := pusherError("pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Key: "k", Recipient: recipient, SFTP: &silent})))
		if err == nil || !strings.Contains(err.Error(), "destinations.nas.sftp.host_key[0]: is not filled in; what `ssh-keygen -lf ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("pusher encrypts by OpenPGP or a passphrase", func(t *testing.T) {
		c, err := ParsePusher("/etc/holdfast/pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Key: "k", OpenPGP: "my key, old.asc"})))
		if err != nil || !slices.Equal(c.EncryptTo.OpenPGP, []string{"/etc/holdfast/my key, old.asc"}) {
			t.Errorf("got %+v, %v", c, err)
		}
		c, err = ParsePusher("/etc/holdfast/pusher.yaml", []byte(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Key: "k", Passphrase: "file:backup.passphrase"})))
		if err != nil || c.EncryptTo.Passphrase != "file:/etc/holdfast/backup.passphrase" || c.EncryptTo.None {
			t.Errorf("got %+v, %v", c, err)
		}
	})
	t.Run("pusher with everything on", func(t *testing.T) {
		if err := pusherError("pusher.yaml", []byte(uncomment(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Local: "/srv/b", Key: "k", Recipient: recipient})))); err != nil {
			t.Error(err)
		}
	})
	t.Run("holdfast", func(t *testing.T) {
		c, err := ParseHoldfast("/etc/holdfast/holdfast.yaml", []byte(StarterHoldfast("https://b.example", "/srv/my backups, all", "secret")))
		if err != nil {
			t.Fatal(err)
		}
		if c.Broker.URL != "https://b.example" || c.Broker.Secret != "file:/etc/holdfast/secret" || c.Vaults["main"].Disk.Path != "/srv/my backups, all" {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("holdfast with everything on, once the keys are real", func(t *testing.T) {
		text := uncomment(StarterHoldfast("https://b.example", "/srv/b", "secret"))
		for n := byte(1); strings.Contains(text, "ed25519:…"); n++ {
			text = strings.Replace(text, "ed25519:…", testKey(n), 1)
		}
		if err := holdfastError("holdfast.yaml", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
}
