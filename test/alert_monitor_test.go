package test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestAVaultThatCannotBeReadIsToldOnceAndItsEnd(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n  shop: {}\n")
	h := w.addHost("web1", []string{"crm", "shop"}, dumps("crm", w.customers("crm", 100))+dumps("shop", w.customers("shop", 100)))
	w.writeConfig()
	// Root may read whatever the permissions say, so this one may not.
	var by []string
	if os.Getuid() == 0 {
		by = []string{testenv.LookPath(t, "util-linux", "setpriv"), "--bounding-set=-dac_override,-dac_read_search"}
	}
	w.server = w.watch(w.config, strings.TrimPrefix(w.url, "http://"), by...)
	w.push(h)
	w.forward(25*time.Hour + 30*time.Minute)
	w.push(h, "crm")
	w.forward(90 * time.Minute)
	w.tells("[critical] web1/shop: the newest good backup is 27h old")
	w.quiet()

	w.pulse.waitFor("success") // so that none is under way
	must(t, os.Chmod(w.vault, 0))
	w.tells("[critical] vault: the vault cannot be judged: …permission denied")
	w.pulse.waitFor("failure")
	w.quiet()
	well := w.pulse.count("success")
	w.forward(24 * time.Hour)
	w.tells("[reminder] vault: the vault cannot be judged: …permission denied", "[reminder] web1/shop: the newest good backup is 27h old")

	if n := w.pulse.count("success"); n != well {
		t.Errorf("%d rounds over a vault that cannot be read were a success", n-well)
	}
	must(t, os.Chmod(w.vault, 0o700))
	w.tells("[resolved] vault: the vault cannot be judged: …permission denied")
	w.pulse.waitFor("success")
	w.push(h)
	w.tells("[resolved] web1/shop: the newest good backup is …")
	w.quiet()
}

func TestAMonitorThatStopsIsMissedElsewhereAndGoesOnWithoutRepeatingItself(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n")
	h := w.addHost("web1", []string{"crm"}, dumps("crm", w.customers("crm", 100)))
	w.begin()
	w.push(h)
	w.forward(27 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 27h old")
	w.pulse.waitFor("success") // of the monitor, though a job is not well

	must(t, w.server.Process.Signal(syscall.SIGSTOP))
	w.pulse.silence()
	must(t, w.server.Process.Signal(syscall.SIGCONT))
	w.pulse.waitFor("success")
	w.quiet()

	end(w.server)
	w.pulse.silence()
	w.forward(24 * time.Hour)
	w.begin()
	w.tells("[reminder] web1/crm: the newest good backup is 51h old")
	w.pulse.waitFor("success")
	w.quiet()
	if n := w.pulse.count("failure"); n > 0 {
		t.Errorf("%d rounds failed", n)
	}
}
