package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// JobVaults says in which vaults the backups of a job live. In YAML it is the
// name of a vault, a list of them, or a map of names to what is asked there in
// place of what the job says.
type JobVaults struct {
	Names []string // in the order of the file, which is that of restoring
	Terms map[string]VaultTerms
}

// VaultTerms is what is asked of a job in one of its vaults.
type VaultTerms struct {
	// What to keep there. Default: as the job says.
	Keep *Keep `yaml:"keep"`
	// What to expect there. Default: as the job says.
	Expect *Expect `yaml:"expect"`
	// Whether `holdfast copy` fills this vault, and no host sends to it. Default: false.
	Copied bool `yaml:"copied"`
}

func (v *JobVaults) decodeNode(d *document, n ast.Node, path string) {
	if name, ok := scalar(n); ok {
		v.Names = []string{name}
		return
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		decodeInto(d, &v.Names, n, path)
		return
	}
	v.Terms = map[string]VaultTerms{}
	d.entries(n, path, func(name, at string, value ast.Node) {
		var terms VaultTerms
		decodeInto(d, &terms, value, at)
		v.Names, v.Terms[name] = append(v.Names, name), terms
	})
}

func (v JobVaults) check(d *document, at string, vaults []string) {
	if len(v.Names) == 0 && !d.broken(at) {
		d.errorf(at, "is empty; want the name of a vault, or several")
	}
	if d.broken(at) {
		return
	}
	if !slices.ContainsFunc(v.Names, func(name string) bool { return !v.Terms[name].Copied }) {
		d.errorf(at, "no host sends to any of them; want one that is not copied")
	}
	for i, name := range v.Names {
		switch {
		case !slices.Contains(vaults, name):
			d.errorf(at, "unknown vault %s", unknown(name, vaults))
		case slices.Index(v.Names, name) < i:
			d.errorf(at, "vault %q occurs twice", name)
		}
		if keep := v.Terms[name].Keep; keep != nil {
			keep.check(d, join(at, name, "keep"))
		}
		if expect := v.Terms[name].Expect; expect != nil {
			expect.check(d, join(at, name, "expect"))
		}
	}
}

// In returns what is asked of the job in one of its vaults.
func (j Job) In(vault string) Job {
	terms := j.Vault.Terms[vault]
	if terms.Keep != nil {
		j.Keep = *terms.Keep
	}
	if terms.Expect != nil {
		j.Expect = *terms.Expect
	}
	return j
}

// Signs reports whether the broker can sign uploads to the vault. To one that it
// can't, hosts send by themselves.
func (v Vault) Signs() bool { return v.SFTP == nil }
