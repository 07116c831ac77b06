package config

import "testing"

// `holdfast copy` may bring a backup from any of a job's vaults to any other.
func TestTimesAreDoubtedWhereACopyMayHaveBroughtThem(t *testing.T) {
	c, err := ParseHoldfast("holdfast.yaml", []byte(`
vaults:
  nas: { sftp: { host: nas.example.com, user: backup, key: "env:K", host_key: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] } }
  usb: { disk: { path: /mnt/usb } }
  beside: { s3: { bucket: acme-1, region: eu-west-3 } }
  filled: { s3: { bucket: acme-2, region: eu-west-3 } }
  alone: { s3: { bucket: acme-3, region: eu-west-3 } }
  source: { s3: { bucket: acme-4, region: eu-west-3 } }
hosts:
  web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm, media, wiki, shop] }
jobs:
  crm: { vault: [nas, beside] }
  media: { vault: { usb: {}, filled: { copied: true } } }
  wiki: { vault: [alone, beside] }
  shop: { vault: { source: {}, usb: { copied: true } } }
`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	for vault, want := range map[string]bool{"nas": true, "usb": true, "beside": true, "filled": true, "alone": false, "source": false} {
		if got := r.HostNamed(vault); got != want {
			t.Errorf("%s: doubted %v, want %v", vault, got, want)
		}
	}
	if !r.Vouches("beside") {
		t.Error("hosts can't write to beside, and it is not vouched for")
	}
}
