package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
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
			path, err := o.find()
			if err != nil {
				return err
			}
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
	command.Flags().BoolVar(&cron, "cron", false, "print a line for /etc/cron.d; for crontab -e leave out the user")
	command.Flags().BoolVar(&systemd, "systemd", false, "print a service and a timer")
	command.MarkFlagsOneRequired("cron", "systemd")
	command.MarkFlagsMutuallyExclusive("cron", "systemd")
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

func (s schedule) cron(w io.Writer) error {
	_, err := fmt.Fprintf(w, `# Holdfast: every night at %02d:%02d; cron mails what goes wrong, and only that.
%d %d * * * %s %s --config %s run --quiet
`, s.hour, s.minute, s.minute, s.hour, s.user, s.program, s.config)
	return err
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
`, s.user, s.program, s.config, s.hour, s.minute)
	return err
}
