package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

func scheduleCommand(o *options) *cobra.Command {
	var cron, systemd bool
	command := &cobra.Command{
		Use:   "schedule --cron|--systemd",
		Short: "Print the lines that run the backups every night",
		Long: `Print the lines that run the backups every night, at a random minute between
1 and 5 o'clock, so that not all hosts come at once. Nothing is installed:
paste them where they belong.`,
		Example: `  pusher schedule --cron >> /etc/cron.d/holdfast
  pusher schedule --systemd`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := cli.ExactlyOne(command, "cron", "systemd"); err != nil {
				return err
			}
			path, err := o.find()
			if err != nil {
				return err
			}
			c, err := o.load()
			if err != nil {
				return err
			}
			warnOfVariables(command.ErrOrStderr(), c)
			s, err := newSchedule(path)
			if err != nil {
				return err
			}
			if cron {
				return s.cron(command.OutOrStdout())
			}
			return s.systemd(command.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&cron, "cron", false, "print a line for /etc/cron.d (as root) or crontab -e")
	command.Flags().BoolVar(&systemd, "systemd", false, "print a service and a timer")
	return command
}

// schedule is what the printed lines say.
type schedule struct {
	hour, minute          int
	user, program, config string
}

func newSchedule(configPath string) (schedule, error) {
	program, err := os.Executable()
	if err != nil {
		return schedule{}, fmt.Errorf("find this program: %w", err)
	}
	configPath, err = filepath.Abs(configPath)
	if err != nil {
		return schedule{}, cli.Usage(err)
	}
	name := "root"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return schedule{1 + rand.IntN(4), rand.IntN(60), name, program, configPath}, nil
}

// cron prints a line for /etc/cron.d, where root writes, or for a user's own
// crontab, which has no column for the user.
func (s schedule) cron(w io.Writer) error {
	place, column := "for `crontab -e`", ""
	if s.user == "root" {
		place, column = "for /etc/cron.d; in `crontab -e` leave out root", "root "
	}
	command := strings.ReplaceAll(shellWord(s.program)+" --config "+shellWord(s.config)+" run --quiet", "%", `\%`)
	_, err := fmt.Fprintf(w, `# Holdfast, every night at %02d:%02d, %s.
# cron mails what goes wrong, and only that.
%d %d * * * %s%s
`, s.hour, s.minute, place, s.minute, s.hour, column, command)
	return err
}

// shellWord quotes a path where a shell would not take it as it is.
func shellWord(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// unitWord quotes a path for a systemd unit.
func unitWord(path string) string {
	path = strings.NewReplacer("%", "%%", `\`, `\\`, `"`, `\"`).Replace(path)
	if strings.ContainsAny(path, " \t'") {
		return `"` + path + `"`
	}
	return path
}

func (s schedule) systemd(w io.Writer) error {
	_, err := fmt.Fprintf(w, `# /etc/systemd/system/holdfast-pusher.service
[Unit]
Description=Holdfast backup of this host
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=%s
ExecStart=%s --config %s run --quiet
# Where pusher.yaml takes secrets from the environment (env:NAME):
#EnvironmentFile=/etc/holdfast/pusher.env
Nice=10
IOSchedulingClass=idle
NoNewPrivileges=yes
ProtectSystem=full
PrivateTmp=yes

# /etc/systemd/system/holdfast-pusher.timer
[Unit]
Description=Holdfast backup of this host, every night

[Timer]
OnCalendar=*-*-* %02d:%02d:00
RandomizedDelaySec=10m
Persistent=true

[Install]
WantedBy=timers.target

# then: systemctl daemon-reload && systemctl enable --now holdfast-pusher.timer
`, s.user, unitWord(s.program), unitWord(s.config), s.hour, s.minute)
	return err
}

// warnOfVariables says what the configuration takes from an environment that a scheduler
// does not have.
func warnOfVariables(w io.Writer, c *config.Pusher) {
	if names := c.Variables(); len(names) > 0 {
		fmt.Fprintf(w, "pusher: warning: pusher.yaml takes %s from the environment, which cron and systemd do not have; use file:… instead\n", strings.Join(names, ", "))
	}
}
