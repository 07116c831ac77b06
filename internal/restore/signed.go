package restore

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/presigned"
)

// downloader is the broker's part in a restore; internal/client has it.
type downloader interface {
	Downloads(ctx context.Context, ref holdfast.Ref) (api.DownloadResponse, error)
}

// errRefused: an answer that would be the same the next time.
var errRefused = errors.New("refused")

// signed reads through downloads that the broker signs, and signs again once
// they have expired.
type signed struct {
	broker   downloader
	ref      holdfast.Ref
	http     *http.Client
	transfer transfer

	mu       sync.Mutex
	answer   api.DownloadResponse
	answered int // how often the broker was asked
}

// Signed returns a Fetcher that reads the backup through signed downloads. A nil
// client stands for one that honours the proxy settings of the environment.
func Signed(broker downloader, ref holdfast.Ref, client *http.Client) Fetcher {
	if client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = time.Minute
		transport.MaxIdleConnsPerHost = usualTransfer.parallel
		client = &http.Client{Transport: transport}
	}
	return &signed{broker: broker, ref: ref, http: client, transfer: usualTransfer}
}

func (f *signed) Ref() holdfast.Ref { return f.ref }

// downloads returns the present answer of the broker and its number. If stale
// is that number, it asks for a new one first; of several that find the same
// answer stale, one asks.
func (f *signed) downloads(ctx context.Context, stale int) (api.DownloadResponse, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answered == stale {
		answer, err := f.broker.Downloads(ctx, f.ref)
		if err != nil {
			return api.DownloadResponse{}, f.answered, brokerError(err)
		}
		f.answer = answer
		f.answered++
	}
	return f.answer, f.answered, nil
}

// brokerError says which refusals of the broker would be the same the next time.
func brokerError(err error) error {
	problem, ok := errors.AsType[*api.Problem](err)
	switch {
	case !ok || problem.Status/100 != 4 || problem.Status == http.StatusTooManyRequests:
		return err
	case problem.Type == api.ProblemNotFound:
		return fmt.Errorf("%w: %w", err, holdfast.ErrNotExist)
	}
	return fmt.Errorf("%w: %w", err, errRefused)
}

func (f *signed) Manifest(ctx context.Context) ([]byte, []ed25519.PublicKey, error) {
	doc, err := f.transfer.readAll(ctx, f.ranger(func(a api.DownloadResponse) (holdfast.Request, bool) {
		return a.Manifest, true
	}, -1))
	if err != nil {
		return nil, nil, fmt.Errorf("read manifest of %s: %w", f.ref, err)
	}
	answer, _, err := f.downloads(ctx, -1)
	if err != nil {
		return nil, nil, err
	}
	var keys []ed25519.PublicKey
	for _, text := range answer.HostKeys {
		key, err := holdfast.ParsePublicKey(text)
		if err != nil {
			return nil, nil, fmt.Errorf("keys of host %q: %w", f.ref.Host, err)
		}
		keys = append(keys, key)
	}
	return doc, keys, nil
}

func (f *signed) Open(ctx context.Context, s holdfast.Stream) (io.ReadCloser, error) {
	open := f.ranger(func(a api.DownloadResponse) (holdfast.Request, bool) {
		req, ok := a.Streams[s.File]
		return req, ok
	}, s.StoredSize)
	return f.transfer.newWindows(ctx, s.StoredSize, open), nil
}

// ranger returns a ranger of the object whose request pick finds in the
// broker's answer; size is what the object must have, or negative.
func (f *signed) ranger(pick func(api.DownloadResponse) (holdfast.Request, bool), size int64) ranger {
	return func(ctx context.Context, offset, n int64) (io.ReadCloser, error) {
		stale := 0
		for {
			answer, number, err := f.downloads(ctx, stale)
			if err != nil {
				return nil, err
			}
			req, ok := pick(answer)
			if !ok {
				return nil, fmt.Errorf("broker gave no download of it: %w", holdfast.ErrNotExist)
			}
			body, err := f.get(ctx, req, offset, n, size)
			// A refusal usually means that the signature has expired. Whoever
			// gets it on a fresh one waits like after any other failure.
			if !errors.Is(err, errExpired) || stale != 0 {
				return body, err
			}
			stale = number
		}
	}
}

var errExpired = errors.New("signed download was not accepted")

func (f *signed) get(ctx context.Context, signed holdfast.Request, offset, n, size int64) (io.ReadCloser, error) {
	req, err := presigned.NewRequest(ctx, signed, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errRefused)
	}
	whole := offset == 0 && (n < 0 || n == size)
	switch {
	case whole:
	case n < 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	default:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := presigned.Do(f.http, req)
	if err != nil {
		return nil, fmt.Errorf("get from %s: %w", req.URL.Host, err)
	}
	if err := checkAnswer(resp, whole, offset, size); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("get from %s: %w", req.URL.Host, err)
	}
	return resp.Body, nil
}

// checkAnswer returns an error unless resp brings the bytes asked for, of an
// object of size bytes where that is not negative.
func checkAnswer(resp *http.Response, whole bool, offset, size int64) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if size >= 0 && resp.ContentLength >= 0 && resp.ContentLength != size {
			return fmt.Errorf("stored object has %d bytes, not %d: %w", resp.ContentLength, size, holdfast.ErrCorrupt)
		}
		if !whole {
			return fmt.Errorf("server ignores Range: %w", errRefused)
		}
		return nil
	case http.StatusPartialContent:
		first, total, err := parseContentRange(resp.Header.Get("Content-Range"))
		switch {
		case err != nil:
			return fmt.Errorf("%v: %w", err, errRefused)
		case total >= 0 && size >= 0 && total != size:
			return fmt.Errorf("stored object has %d bytes, not %d: %w", total, size, holdfast.ErrCorrupt)
		case first != offset:
			return fmt.Errorf("server sends from byte %d on, not %d: %w", first, offset, errRefused)
		}
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("stored object ends before byte %d: %w", offset, holdfast.ErrCorrupt)
	case http.StatusNotFound:
		return holdfast.ErrNotExist
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusGone:
		return fmt.Errorf("%s: %w", resp.Status, errExpired)
	}
	return errors.New(resp.Status)
}

// parseContentRange reads "bytes 0-99/1234"; total is -1 where it is "*".
func parseContentRange(s string) (first, total int64, err error) {
	bad := fmt.Errorf("content range %q is malformed", s)
	span, ok := strings.CutPrefix(s, "bytes ")
	span, size, ok2 := strings.Cut(span, "/")
	from, _, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, bad
	}
	if first, err = strconv.ParseInt(from, 10, 64); err != nil || first < 0 {
		return 0, 0, bad
	}
	if size == "*" {
		return first, -1, nil
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil || total < 0 {
		return 0, 0, bad
	}
	return first, total, nil
}
