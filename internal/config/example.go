package config

import (
	_ "embed"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// PusherExample is a pusher.yaml with every setting there is, explained.
//
//go:embed pusher.example.yaml
var PusherExample string

// HoldfastExample is a holdfast.yaml with every setting there is, explained.
//
//go:embed holdfast.example.yaml
var HoldfastExample string

//go:embed pusher.starter.yaml
var pusherStarter string

//go:embed holdfast.starter.yaml
var holdfastStarter string

// StarterHoldfast returns the holdfast.yaml that `holdfast init` writes: valid,
// with no hosts yet. address is the URL of the broker. secretFile may be relative to the file.
func StarterHoldfast(address, vaultPath, secretFile string) string {
	return fill(holdfastStarter, map[string]string{
		"url": address, "vault": vaultPath, "secret": "file:" + secretFile, "listen": loopbackAddress(address),
	})
}

// loopbackAddress returns the address of a URL that leads to this machine, which
// is then where the server has to listen; "" for any other.
func loopbackAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || !loopback(u.Hostname()) || u.Port() == "" {
		return ""
	}
	return u.Host
}

// condition is what a line of a starter may begin with: "+name|" for one that is
// there if the name has a value, "-name|" for one that is there if not.
var condition = regexp.MustCompile(`^([+-])([a-z]+)\|`)

// fill fills in a starter: ${name} becomes the value, written so that whatever
// stands in it stays one value. It does without text/template, whose use of
// reflection keeps the linker from leaving out what no program calls: 3 MB.
func fill(text string, values map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if m := condition.FindStringSubmatch(line); m != nil {
			if (m[1] == "+") != (values[m[2]] != "") {
				continue
			}
			line = line[len(m[0]):]
		}
		b.WriteString(os.Expand(line, func(name string) string { return quote(values[name]) }))
	}
	return b.String()
}

// quote returns s as a YAML value: as it is where that is safe, else in quotes.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:-") == "" &&
		!strings.HasPrefix(s, "-") && !strings.HasSuffix(s, ":") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
