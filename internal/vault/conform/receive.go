package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// receiveChecks are of vaults that take parts by SendPart; others can't run them.
func receiveChecks() []Check {
	return []Check{
		check("receive-parts", "Parts handed to the vault in any order and at once make one object.", receiveParts),
		check("receive-other", "Other bytes than the part's, fewer or more are ErrCorrupt and don't count.", receiveOther),
		check("receive-broken", "A part whose body breaks off is an error and doesn't count.", receiveBroken),
		check("receive-repeated", "The same part may be handed over twice.", receiveRepeated),
		check("receive-replaced", "A part that is handed over again replaces the one before.", receiveReplaced),
		check("receive-late", "After completion no part that is handed over changes anything.", receiveLate),
		check("receive-unknown", "A part of an upload that there is not is ErrNotExist.", receiveUnknown),
	}
}

// received starts an upload to a vault that receives.
func (s *scratch) received(ctx context.Context) (holdfast.Receiver, holdfast.Upload, error) {
	receiver, err := s.receiver()
	if err != nil {
		return nil, holdfast.Upload{}, err
	}
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	return receiver, u, err
}

// receives returns an error unless the upload still takes body as its only part and
// becomes the object: what came before has left nothing.
func (s *scratch) receives(ctx context.Context, u holdfast.Upload, body []byte) error {
	p, err := s.receive(ctx, u, 1, body)
	if err != nil {
		return err
	}
	if err := s.Vault.CompleteUpload(ctx, u, []holdfast.Part{p}, p.Size); err != nil {
		return err
	}
	return s.holds(ctx, u.Key, body)
}

func receiveParts(ctx context.Context, s *scratch) error {
	_, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	const count = 3
	bodies, parts := make([][]byte, count), make([]holdfast.Part, count)
	for i := range bodies {
		n := int(holdfast.PartSize(i+1, s.Vault.UploadLimits().MaxParts))
		if i == count-1 {
			n = 54321
		}
		bodies[i] = bytes.Repeat([]byte{byte('a' + i), byte(i), '\n'}, n/3+1)[:n]
	}
	send := func(i int) (err error) {
		parts[i], err = s.receive(ctx, u, i+1, bodies[i])
		return err
	}
	if err := send(count - 1); err != nil {
		return err
	}
	if err := errors.Join(together(count-1, send)...); err != nil {
		return err
	}
	whole := bytes.Join(bodies, nil)
	if err := s.Vault.CompleteUpload(ctx, u, parts, int64(len(whole))); err != nil {
		return err
	}
	return s.holds(ctx, u.Key, whole)
}

func receiveOther(ctx context.Context, s *scratch) error {
	receiver, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	body := []byte("a body")
	for _, other := range []string{"b body", "A body", "a bod", "a body and more", ""} {
		err := receiver.SendPart(ctx, u, s.part(1, body), strings.NewReader(other))
		if err := wants(fmt.Sprintf("send %q as another part", other), err, holdfast.ErrCorrupt); err != nil {
			return err
		}
		for _, named := range [][]byte{body, []byte(other)} {
			err := s.corrupt(ctx, "complete with a part that was refused", u, []holdfast.Part{s.part(1, named)}, int64(len(named)))
			if err != nil {
				return err
			}
		}
	}
	return s.receives(ctx, u, body)
}

// errBroken is what a body breaks off with.
var errBroken = errors.New("broken off")

// brokenBody yields text and then errBroken.
type brokenBody struct{ text *strings.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	if b.text.Len() == 0 {
		return 0, errBroken
	}
	return b.text.Read(p)
}

func receiveBroken(ctx context.Context, s *scratch) error {
	receiver, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	body := []byte("a body")
	err = receiver.SendPart(ctx, u, s.part(1, body), brokenBody{strings.NewReader("a b")})
	if err := wants("send a part whose body breaks off", err, errBroken); err != nil {
		return err
	}
	if err := s.corrupt(ctx, "complete with a part that broke off", u, []holdfast.Part{s.part(1, body)}, int64(len(body))); err != nil {
		return err
	}
	return s.receives(ctx, u, body)
}

func receiveRepeated(ctx context.Context, s *scratch) error {
	_, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	body := []byte("a body")
	for range 2 {
		if _, err := s.receive(ctx, u, 1, body); err != nil {
			return err
		}
	}
	return s.receives(ctx, u, body)
}

func receiveReplaced(ctx context.Context, s *scratch) error {
	_, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	for _, body := range []string{"short", "one that is longer"} {
		if _, err := s.receive(ctx, u, 1, []byte(body)); err != nil {
			return err
		}
	}
	return s.receives(ctx, u, []byte("in between"))
}

func receiveLate(ctx context.Context, s *scratch) error {
	receiver, u, err := s.received(ctx)
	if err != nil {
		return err
	}
	body, other := []byte("a body"), []byte("b body")
	if err := s.receives(ctx, u, body); err != nil {
		return err
	}
	for n := 1; n <= 2; n++ {
		// A vault may say that it took the part, as long as nothing comes of it.
		if err := receiver.SendPart(ctx, u, s.part(n, other), bytes.NewReader(other)); ctx.Err() != nil {
			return err
		}
		if err := s.holds(ctx, u.Key, body); err != nil {
			return err
		}
	}
	return s.listed(ctx, s.prefix, u.Key)
}

func receiveUnknown(ctx context.Context, s *scratch) error {
	receiver, aborted, err := s.received(ctx)
	if err != nil {
		return err
	}
	if err := s.Vault.AbortUpload(ctx, aborted); err != nil {
		return err
	}
	present, err := s.Vault.StartUpload(ctx, s.prefix+"present")
	if err != nil {
		return err
	}
	body := []byte("a body")
	for what, u := range map[string]holdfast.Upload{
		"an aborted upload":              aborted,
		"an upload of another key":       {Key: aborted.Key, ID: present.ID},
		"an upload that there never was": {Key: present.Key, ID: "none"},
		"an upload outside":              {Key: present.Key, ID: "../" + present.ID},
	} {
		err := receiver.SendPart(ctx, u, s.part(1, body), bytes.NewReader(body))
		if err := wants("send a part of "+what, err, holdfast.ErrNotExist); err != nil {
			return err
		}
	}
	return s.receives(ctx, present, body)
}
