package b2

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// What the file information of a version of a document says.
const (
	infoParent     = "holdfast-parent"     // id of the version that it replaces
	infoGeneration = "holdfast-generation" // how many came before it
	infoWriter     = "holdfast-writer"     // which Swap it is of
)

// staleAfter is how much older than the newest a version of a document has to be
// before who replaces it removes it. Those that are still deciding whether they have
// won have to find themselves.
const staleAfter = time.Hour

// Load implements holdfast.Stater. The tag is the id of the version.
func (v *Vault) Load(ctx context.Context, key string) ([]byte, string, error) {
	body, tag, err := v.load(ctx, key)
	if err != nil {
		return nil, "", doing(ctx, "load", key, err)
	}
	return body, tag, nil
}

func (v *Vault) load(ctx context.Context, key string) ([]byte, string, error) {
	if v.checkKey(key) != nil {
		return nil, "", holdfast.ErrNotExist
	}
	of, _, err := v.versionsOf(ctx, key)
	if err != nil {
		return nil, "", err
	}
	one, ok := present(of)
	if !ok {
		return nil, "", holdfast.ErrNotExist
	}
	if one.size > holdfast.MaxState {
		return nil, "", fmt.Errorf("%w: more than %d bytes", holdfast.ErrCorrupt, holdfast.MaxState)
	}
	body, err := v.read(ctx, one, newest(of, one))
	return body, one.id, err
}

// Swap implements holdfast.Stater. It adds a version that names the one it replaces,
// and looks whether it is the first to replace that.
func (v *Vault) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	if err := v.checkKey(key); err != nil {
		return "", err
	}
	if !strings.HasPrefix(key, holdfast.StatePrefix) {
		return "", fmt.Errorf("swap %q: only what is under %s changes", key, holdfast.StatePrefix)
	}
	next, err := v.swap(ctx, key, body, tag)
	return next, doing(ctx, "swap", key, err)
}

func (v *Vault) swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	of, _, err := v.versionsOf(ctx, key)
	if err != nil {
		return "", err
	}
	if now, _ := tip(of); now.id != tag {
		return "", holdfast.ErrConflict
	}
	writer, generation := rand.Text(), 1
	if now, ok := tip(of); ok {
		generation += now.generation()
	}
	_, err = v.store(ctx, key, body, map[string]string{
		infoParent: tag, infoGeneration: strconv.Itoa(generation), infoWriter: writer,
	})
	if err != nil {
		return "", err
	}
	if of, _, err = v.versionsOf(ctx, key); err != nil {
		return "", err
	}
	won := chain(of)
	mine := slices.IndexFunc(won, func(one version) bool { return one.info[infoWriter] == writer })
	for _, one := range of { // also those of attempts whose answers were lost
		if one.info[infoWriter] == writer && (mine < 0 || one.id != won[mine].id) {
			v.takeBack(ctx, key, one.id)
		}
	}
	if mine < 0 {
		return "", holdfast.ErrConflict
	}
	v.prune(ctx, of, won[mine])
	return won[mine].id, nil
}

// prune removes what is older than the version and long replaced, as far as the key
// may: else a lifecycle rule has to.
func (v *Vault) prune(ctx context.Context, of []version, one version) {
	older := slices.IndexFunc(of, func(other version) bool { return other.id == one.id }) + 1
	for _, other := range slices.Backward(of[older:]) {
		if one.time.Sub(other.time) > staleAfter && other.action != actionStart && v.deleteVersion(ctx, other) != nil {
			return
		}
	}
}

// tip returns the version of a document that counts, of all of its versions.
func tip(of []version) (version, bool) {
	if won := chain(of); len(won) > 0 {
		return won[len(won)-1], true
	}
	return version{}, false
}

// chain returns the versions of a document that once counted or do, the present one
// last. Of those that replace the same version the oldest counts. The first is one
// whose predecessor is gone; where there are several, others were losers that
// nobody removed, and so of an earlier generation.
func chain(of []version) []version {
	there, first := map[string]bool{}, map[string]version{}
	for _, one := range of {
		there[one.id] = one.action == actionUpload
	}
	var root version
	for _, one := range slices.Backward(of) { // the oldest first
		if one.action != actionUpload {
			continue
		}
		parent := one.info[infoParent]
		if _, taken := first[parent]; !taken && parent != "" {
			first[parent] = one
		}
		if !there[parent] && (root.id == "" || one.generation() > root.generation()) {
			root = one
		}
	}
	var won []version
	for one, ok := root, root.id != ""; ok; one, ok = first[one.id] {
		won = append(won, one)
	}
	return won
}

// generation returns how many versions came before this one, as it says.
func (one version) generation() int {
	n, _ := strconv.Atoi(one.info[infoGeneration])
	return n
}
