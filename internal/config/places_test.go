package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

const twoSecrets = `host: web1
broker: https://backup.example.com
key: web1.key
encrypt_to:
  passphrase: file:/none/passphrase
jobs:
  crm:
    sources:
      - command: { run: [a], env: { B: "env:HOLDFAST_TEST_NO_SUCH" } }
      - name: second
        command:
          run: [a]
          env: { B: "env:HOLDFAST_TEST_NO_SUCH" }
`

func TestASecretThatIsNotThereIsToldWithItsPlace(t *testing.T) {
	c, err := ParsePusher("/etc/holdfast/pusher.yaml", []byte(twoSecrets))
	if err != nil {
		t.Fatal(err)
	}
	_, missing := c.EncryptTo.Passphrase.Resolve()
	_, unset := c.Jobs["crm"].Sources[0].Command.Env["B"].Resolve()
	_, other := secret.Ref("env:HOLDFAST_TEST_OTHER").Resolve()
	const (
		file     = "/etc/holdfast/pusher.yaml:5: encrypt_to.passphrase: read secret: stat /none/passphrase: no such file or directory"
		variable = "/etc/holdfast/pusher.yaml:9: jobs.crm.sources[0].command.env.B: secret env:HOLDFAST_TEST_NO_SUCH: is empty (for jobs.crm.sources[1].command.env.B too)"
	)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"as it is", missing, file},
		{"with what came on the way", fmt.Errorf("open vault at nas: passphrase: %w", missing), file},
		{"what two keys refer to", unset, variable},
		{"several that were joined", errors.Join(missing, errors.New("a fault"), unset), file + "\na fault\n" + variable},
		{"several with words around them", fmt.Errorf("clean: %w", errors.Join(errors.New("a fault"), missing)), "clean: a fault\nread secret: stat /none/passphrase: no such file or directory"},
		{"two in a sentence", fmt.Errorf("%w and so %w", missing, fs.ErrExist), "read secret: stat /none/passphrase: no such file or directory and so file already exists"},
		{"a reference of no file", other, "secret env:HOLDFAST_TEST_OTHER: is empty"},
		{"another fault", errors.New("a fault"), "a fault"},
		{"faults that were joined", fmt.Errorf("%w: with %w", errors.New("a fault"), fs.ErrExist), "a fault: with file already exists"},
	} {
		got := c.Locate(tt.err)
		if got.Error() != tt.want {
			t.Errorf("%s: got\n%v\nwant\n%s", tt.name, got, tt.want)
		}
		if again := c.At("encrypt_to", c.Locate(got)); strings.Contains(tt.want, "pusher.yaml") && len(strings.Split(tt.want, "\n")) == 1 && again.Error() != tt.want {
			t.Errorf("%s: located twice: %v", tt.name, again)
		}
	}
	if !errors.Is(c.Locate(missing), fs.ErrNotExist) {
		t.Error("what kind of error it is got lost")
	}
	if c.Locate(nil) != nil || c.At("key", nil) != nil {
		t.Error("no error became one")
	}
	if err := (&Pusher{}).Locate(missing); err == nil || err.Error() != missing.Error() {
		t.Errorf("without a file: got %v", err)
	}
}

func TestAFaultIsToldWithThePlaceOfItsKey(t *testing.T) {
	c, err := ParsePusher("pusher.yaml", []byte(twoSecrets))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"key":                           "pusher.yaml:3: key: a fault",
		"jobs.crm.sources[1].command":   "pusher.yaml:11: jobs.crm.sources[1].command: a fault",
		"jobs.crm.sources[0].name":      "pusher.yaml:9: jobs.crm.sources[0].name: a fault", // by what it should stand in
		"encrypt_to.openpgp.not.at.all": "pusher.yaml:4: encrypt_to.openpgp.not.at.all: a fault",
	} {
		if got := c.At(path, errors.New("a fault")); got.Error() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestHoldfastsSecretsHavePlacesToo(t *testing.T) {
	c, err := ParseHoldfast("holdfast.yaml", []byte("broker: { url: https://b.example, secret: file:/none }\nvaults:\n  main:\n    b2: { bucket: backups, key_id: \"ssm:/id\",\n      application_key: \"ssm:/key\" }\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, missing := c.Broker.Secret.Resolve()
	if got, want := c.Locate(fmt.Errorf("broker.secret: %w", missing)).Error(), "holdfast.yaml:1: broker.secret: read secret: stat /none: no such file or directory"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	elsewhere := &secret.RefError{Ref: c.Vaults["main"].B2.Key, Err: errors.New("no such parameter")}
	if got, want := c.Locate(elsewhere).Error(), "holdfast.yaml:5: vaults.main.b2.application_key: no such parameter"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAKeyWithoutANameIsUnknown(t *testing.T) {
	if _, err := ParsePusher("pusher.yaml", []byte(twoSecrets+"\"\": a\n")); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("got %v, want an unknown key", err)
	}
}
