package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/b2"
)

// keyB2 is what `holdfast key b2` was asked for.
type keyB2 struct {
	bucket, prefix, role, out, api string
	asJSON                         bool
}

func keyB2Command(o *options) *cobra.Command {
	var k keyB2
	command := &cobra.Command{
		Use:   "b2 --bucket NAME",
		Short: "Make an application key of Backblaze B2 that can do no more than it has to",
		Long: `Make an application key of Backblaze B2 that can do no more than it has to.

It takes a key that may make keys, such as the account's master key, from
$B2_APPLICATION_KEY_ID and $B2_APPLICATION_KEY, and uses it this once. The new key
is good for one bucket, and for the names below --prefix. Its id and itself are
written to two files of mode 0600, which are never overwritten; the lines for
holdfast.yaml are printed, with what the key can do and what whoever steals it can.

holdfast serve uses one key for all that it does: --for all. The other roles are for
parts that run by themselves, each with a configuration of its own.`,
		Example: `  read -rs B2_APPLICATION_KEY && export B2_APPLICATION_KEY
  B2_APPLICATION_KEY_ID=0012ab34cd56 holdfast key b2 --bucket acme-backups --prefix holdfast`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			k.asJSON = o.asJSON
			return k.make(command)
		},
	}
	var names []string
	for _, role := range b2.Roles() {
		names = append(names, role.Name)
	}
	flags := command.Flags()
	flags.StringVar(&k.bucket, "bucket", "", "name of the bucket, which has to exist and be private")
	flags.StringVar(&k.prefix, "prefix", "", "what the vault's names begin with, as in holdfast.yaml (default: nothing)")
	flags.StringVar(&k.role, "for", "all", "what the key is for: "+strings.Join(names, ", "))
	flags.StringVar(&k.out, "out", "", "the files are this with .id and .key (default b2, or b2-ROLE)")
	flags.StringVar(&k.api, "api", "", "URL of B2's own API (default https://api.backblazeb2.com)")
	return command
}

func (k *keyB2) make(command *cobra.Command) error {
	role, unknown := b2.RoleOf(k.role)
	id, key := os.Getenv("B2_APPLICATION_KEY_ID"), secret.New(os.Getenv("B2_APPLICATION_KEY"))
	switch {
	case k.bucket == "":
		return cli.Usage(cli.Hint(errors.New("no --bucket given"),
			"this makes a key of Backblaze B2; an operator cannot be called b2: choose another name for `holdfast key NAME`"))
	case unknown != nil:
		return cli.Usage(fmt.Errorf("--for: %w", unknown))
	case id == "" || key.IsZero():
		return cli.Usage(cli.Hint(errors.New("no key to make keys with"),
			"set B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY to a key that may make keys (writeKeys), such as the account's master key"))
	}
	if k.out == "" {
		k.out = "b2"
		if role.Name != "all" {
			k.out += "-" + role.Name
		}
	}
	// Before a key is made that nobody would get to see.
	for _, path := range k.files() {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return cli.Usage(cli.Hint(fmt.Errorf("write %q: it exists already, and is left as it is", path), "choose another place with --out"))
		}
	}
	v, err := b2.New(b2.Options{Bucket: k.bucket, Prefix: k.prefix, KeyID: id, Key: key, API: k.api})
	if err != nil {
		return cli.Usage(err)
	}
	return k.makeIn(command.Context(), command.OutOrStdout(), v, role)
}

// files are where the key's id and the key go.
func (k *keyB2) files() []string { return []string{k.out + ".id", k.out + ".key"} }

func (k *keyB2) makeIn(ctx context.Context, out io.Writer, v *b2.Vault, role b2.Role) error {
	settings, err := v.Settings(ctx)
	if err != nil {
		return err
	}
	if settings.Public {
		return cli.Hint(fmt.Errorf("bucket %q is public: everybody on the internet can read it", k.bucket), "make it private (allPrivate) first, or take another")
	}
	made, err := v.NewKey(ctx, "holdfast-"+role.Name, role, 0)
	if err != nil {
		return err
	}
	for i, text := range []string{made.ID, made.Secret.Reveal()} {
		if err := cli.NewFile(k.files()[i], []byte(text+"\n"), 0o600); err != nil {
			return cli.Hint(err, "the key %s was made and is lost: delete it in B2's web pages", made.ID)
		}
	}
	return k.tell(out, role, made.ID, settings)
}

// tell prints what was made, without the secret.
func (k *keyB2) tell(out io.Writer, role b2.Role, id string, settings b2.Bucket) error {
	if k.asJSON {
		return cli.JSON(out, map[string]any{
			"for": role.Name, "id": id, "bucket": k.bucket, "prefix": k.prefix, "capabilities": role.Capabilities,
			"files": k.files(), "warnings": k.warnings(role, settings),
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# key %s of Backblaze B2, for %s: good for the bucket %s", id, role.Name, k.bucket)
	if k.prefix != "" {
		fmt.Fprintf(&b, ", and in it for names below %s/", strings.Trim(k.prefix, "/"))
	}
	fmt.Fprintf(&b, "\n# its capabilities: %s\n# it can %s\n# it cannot %s\n# whoever steals it can %s\n",
		strings.Join(role.Capabilities, ", "), role.Can, role.Cannot, role.Stolen)
	for _, warning := range k.warnings(role, settings) {
		fmt.Fprintf(&b, "# WARNING: %s\n", warning)
	}
	fmt.Fprintf(&b, "# paste into holdfast.yaml, beside which the two files belong:\nvaults:\n  b2:\n    b2:\n      bucket: %s\n", k.bucket)
	if k.prefix != "" {
		fmt.Fprintf(&b, "      prefix: %s\n", strings.Trim(k.prefix, "/"))
	}
	fmt.Fprintf(&b, "      key_id: file:%s\n      application_key: file:%s\n", k.files()[0], k.files()[1])
	if k.api != "" {
		fmt.Fprintf(&b, "      api: %s\n", k.api)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// warnings are what should be changed about the bucket.
func (k *keyB2) warnings(role b2.Role, settings b2.Bucket) []string {
	all := append([]string{}, settings.Wrong...)
	if !settings.Tidy && role.Name == "monitor" {
		state := strings.TrimPrefix(strings.Trim(k.prefix, "/")+"/state/", "/")
		all = append(all, fmt.Sprintf("this key cannot remove what its state replaces: give the bucket a lifecycle rule that deletes hidden files below %s after a day", state))
	}
	return all
}
