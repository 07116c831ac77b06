package doctor

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// probe is what is sent and written for nothing but to be tried with.
const probe = "doctor was here\n"

// otherHost is a host that this one is not.
const otherHost = "holdfast-doctor-other-host"

// attacks tries, with all that this host has, what a host must not be able to
// do. Each attempt goes to the running broker and its vaults.
func (b *broker) attacks(ctx context.Context) []holdfast.Examination {
	jobs := slices.DeleteFunc(b.jobNames(), func(name string) bool {
		return !slices.Contains(b.Config.To(b.Config.Jobs[name]), b.Name)
	})
	if len(jobs) == 0 {
		return []holdfast.Examination{b.called(bad("attacks", errors.New("there is no job to try with"), "name one in pusher.yaml"))}
	}
	a := &attack{broker: b, ctx: ctx, job: jobs[0]}
	a.asOperator()
	a.asOtherHost()
	a.withUploads()
	for i := range a.tried {
		a.tried[i] = b.called(a.tried[i])
	}
	return a.tried
}

// attack is a series of attempts.
type attack struct {
	*broker
	ctx   context.Context
	job   string
	in    string // a vault, where there are several
	tried []holdfast.Examination
}

// asOperator tries to see, fetch and remove backups.
func (a *attack) asOperator() {
	ref := holdfast.Ref{Host: a.Config.Host, Job: a.job, ID: "20200101T000000Z-00000000"}
	a.call("list all backups", http.MethodGet, api.PathStart, nil)
	a.call("list its own backups", http.MethodGet, api.PathStart+"?host="+ref.Host+"&job="+ref.Job, nil)
	a.call("read a backup", http.MethodPost, api.PathDownloads, api.DownloadRequest{Ref: ref})
	a.call("make a ticket to a backup", http.MethodPost, api.PathTickets, api.TicketRequest{Ref: ref, File: holdfast.ManifestFile, TTL: 60})
	a.call("delete a backup", http.MethodDelete, api.PathStart+"/"+string(ref.ID), nil)
}

// asOtherHost tries to write as a host or into a place that is not its own.
func (a *attack) asOtherHost() {
	start := api.StartRequest{Job: a.job, Streams: probeStreams}
	a.callAs(otherHost, "write for another host", http.MethodPost, api.PathStart, start)
	start.Job = otherHost + "/" + a.job
	a.call("write into another host's folder", http.MethodPost, api.PathStart, start)
	start.Job = "../" + otherHost
	a.call("write outside its folder", http.MethodPost, api.PathStart, start)
	start.Job, start.Streams = a.job, []api.StartStream{{Name: "doctor", File: holdfast.ManifestFile}}
	a.call("write a manifest as data", http.MethodPost, api.PathStart, start)
}

// withUploads begins a backup and tries to do more with it, in each vault, than add
// what was signed. It ends by aborting it.
func (a *attack) withUploads() {
	started, err := a.Client.Start(a.ctx, api.StartRequest{Job: a.job, Streams: probeStreams, Pusher: a.Version})
	if err != nil {
		a.note(bad("begin a backup to try the rest with", err, "the attempts with an upload were not made"))
		return
	}
	for _, v := range started.Vaults {
		if len(started.Vaults) > 1 {
			a.in = " (vault " + holdfast.Printable(v.Vault) + ")"
		}
		a.withUpload(started.ID, v)
	}
	a.in = ""
}

// note records an attempt.
func (a *attack) note(e holdfast.Examination) {
	e.Name += a.in
	a.tried = append(a.tried, e)
}

func (a *attack) withUpload(id holdfast.ID, started api.VaultUpload) {
	probe := []byte(probe)
	part := holdfast.Part{Number: 1, Size: int64(len(probe)), Sum: hexSHA256(probe)}
	if len(started.Uploads) > 0 && started.Uploads[0].Checksum == holdfast.ChecksumMD5 {
		sum := md5.Sum(probe)
		part.Sum = hex.EncodeToString(sum[:])
	}
	path := api.PathStart + "/" + string(id)
	sign := api.PartsRequest{UploadToken: started.UploadToken, Stream: probeStreams[0].Name, Parts: []holdfast.Part{part}}

	a.call("choose a backup's id and time", http.MethodPost, api.PathStart+"/20200101T000000Z-00000000/parts", sign)
	oversized := sign
	oversized.Parts = []holdfast.Part{{Number: 1, Size: holdfast.MinPartSize + 1, Sum: part.Sum}}
	a.call("send an oversized part", http.MethodPost, path+"/parts", oversized)
	a.call("commit without a manifest", http.MethodPost, path+"/commit", api.CommitRequest{UploadToken: started.UploadToken})

	var signed api.PartsResponse
	if err := a.answer(path+"/parts", sign, &signed); err != nil || len(signed.Requests) != 1 {
		a.note(bad("get a part signed to try the rest with", fmt.Errorf("%v, %d requests", err, len(signed.Requests)), ""))
	} else {
		a.withPart(signed.Requests[0], probe)
	}
	if err := a.Client.Abort(a.ctx, id, api.AbortRequest{UploadToken: started.UploadToken, Reason: "doctor"}); err != nil {
		a.note(bad("abort the backup that was begun", err, "the sweep removes it in two days"))
		return
	}
	if len(signed.Requests) == 1 {
		a.send("use a part's URL after its upload ended", http.MethodPut, signed.Requests[0], probe)
	}
}

// withPart tries to do more with a part's URL than store the part.
func (a *attack) withPart(r holdfast.Request, probe []byte) {
	a.send("read with a part's URL", http.MethodGet, r, nil)
	a.send("delete with a part's URL", http.MethodDelete, r, nil)
	other := bytes.ToUpper(probe)
	a.send("store other bytes than were signed", r.Method, r, other)
	a.send("store more bytes than were signed", r.Method, r, append(probe, probe...))
	elsewhere := r
	if u, err := url.Parse(r.URL); err == nil { // the name in it, and nothing else
		u.Path, u.RawPath = u.Path+"x", ""
		elsewhere.URL = u.String()
	}
	a.send("store under another name", r.Method, elsewhere, probe)
	a.control(r, probe)
}

// control sends the part as it was signed, which must work: refusals prove
// nothing where everything is refused.
func (a *attack) control(r holdfast.Request, probe []byte) {
	const name = "but store what was signed"
	status, _, err := a.request(r.Method, r.URL, r.Header, probe)
	switch {
	case err != nil:
		a.note(bad(name, fmt.Errorf("could not be tried: %w", err), "is the vault reached from this host?"))
	case status != http.StatusOK:
		a.note(bad(name, fmt.Errorf("refused too: status %d", status), "uploads to the vault do not work; look at the server's log"))
	default:
		a.note(good(name, "accepted"))
	}
}

// call makes a call of the broker, which must be refused.
func (a *attack) call(name, method, path string, body any) {
	a.callAs(a.Config.Host, name, method, path, body)
}

func (a *attack) callAs(host, name, method, path string, body any) {
	status, _, err := a.exchange(host, method, path, body)
	a.judge(name, status, err)
}

// answer makes a call of the broker that is this host's right.
func (a *attack) answer(path string, body, into any) error {
	status, text, err := a.exchange(a.Config.Host, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var p api.Problem
		_ = json.Unmarshal(text, &p) // where it is none, the status has to do
		return fmt.Errorf("status %d %s", status, p.Detail)
	}
	return json.Unmarshal(text, into)
}

// exchange signs a call with this host's key, in the name of host, and sends it.
func (a *attack) exchange(host, method, path string, body any) (status int, text []byte, err error) {
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	signer, err := token.NewSigner(a.Key, host, a.URL)
	if err != nil {
		return 0, nil, err
	}
	bearer, err := signer.Sign(method, path, payload, a.Now())
	if err != nil {
		return 0, nil, err
	}
	header := map[string]string{"Authorization": "Bearer " + bearer, "Content-Type": "application/json"}
	return a.request(method, strings.TrimSuffix(a.URL, "/")+path, header, payload)
}

// send sends a signed request of the vault in a way that it was not signed for.
func (a *attack) send(name, method string, r holdfast.Request, body []byte) {
	status, _, err := a.request(method, r.URL, r.Header, body)
	a.judge(name, status, err)
}

func (a *attack) request(method, url string, header map[string]string, body []byte) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(a.ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("the URL cannot be used") // err would show it
	}
	for k, v := range header {
		request.Header.Set(k, v)
	}
	response, err := a.HTTP.Do(request)
	if err != nil {
		return 0, nil, errors.New("no answer")
	}
	defer response.Body.Close()
	text, err = io.ReadAll(io.LimitReader(response.Body, api.MaxBody))
	return response.StatusCode, text, err
}

// judge records an attempt. Only a refusal is a refusal: a broken connection or
// a failing server proves nothing.
func (a *attack) judge(name string, status int, err error) {
	switch {
	case err != nil:
		a.note(bad(name, fmt.Errorf("could not be tried: %w", err), ""))
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		a.note(good(name, fmt.Sprintf("refused (%d)", status)))
	case status >= 500 || status == http.StatusTooManyRequests:
		a.note(bad(name, fmt.Errorf("neither refused nor done: status %d", status), "try again later"))
	default:
		a.note(bad(name, fmt.Errorf("WORKED (status %d): whoever takes over this host can do it", status), "do not rely on these backups before this is mended; see SECURITY.md"))
	}
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
