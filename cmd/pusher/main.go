// Command pusher backs up databases and files of the host it runs on. What a
// broker keeps it can only add to: it holds no key that lists, reads or deletes
// such backups. Where it sends by itself (sftp, disk) it can do what the server lets
// it do; `pusher doctor` tells.
package main

import (
	"errors"
	"io/fs"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// version is set by the linker.
var version = "development"

// softMemoryLimit makes the garbage collector work harder long before the
// process reaches the 96 MiB it is promised to stay below.
const softMemoryLimit = 64 << 20 // bytes

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemoryLimit)
	}
	os.Exit(cli.Main(rootCommand()))
}

// options are the flags that every command has.
type options struct {
	configPath string
}

func rootCommand() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "pusher",
		Short: "Back up this host's databases and files to where it cannot destroy them",
		Long: `Back up this host's databases and files to where it cannot destroy them.

pusher dumps, compresses, encrypts and sends; a broker elsewhere admits, names
and keeps. Nothing on this host can list, read or delete a backup there. Backups
can also go, at the same time, to other brokers, to a server by SFTP and to a
directory; what this host can do there pusher doctor tells.

Exit codes: 0 all well, 1 failed, 2 configuration or usage, 3 part of it failed.`,
		Example: `  pusher init --host web1 --broker https://backup.example.org --identity identity.txt
  pusher doctor
  pusher run
  mysqldump shop | pusher push shop`,
		Version: version,
	}
	root.PersistentFlags().StringVarP(&o.configPath, "config", "c", "", "pusher.yaml (default: $PUSHER_CONFIG, ./pusher.yaml, ~/.config/holdfast/pusher.yaml, /etc/holdfast/pusher.yaml)")
	root.AddCommand(initCommand(), runCommand(&o), pushCommand(&o), doctorCommand(&o), scheduleCommand(&o), versionCommand())
	return root
}

// load finds and reads pusher.yaml.
func (o *options) load() (*config.Pusher, error) {
	path, err := o.find()
	if err != nil {
		return nil, err
	}
	c, err := config.LoadPusher(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, howToFind)
	}
	return c, cli.Usage(err)
}

const howToFind = "make one with `pusher init`, or name it with --config"

// find returns the path of pusher.yaml.
func (o *options) find() (string, error) {
	path, err := cli.FindConfig(o.configPath, "PUSHER_CONFIG", "pusher.yaml")
	return path, cli.Hint(err, howToFind)
}
