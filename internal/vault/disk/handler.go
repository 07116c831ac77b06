package disk

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Handler serves the signed requests: PUT of parts under p/ and GET and HEAD of
// downloads under d/. Mount it at the path of Options.BaseURL, which it strips
// itself. Its answers name no path and repeat nothing that was sent.
func (v *Vault) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /p/{sealed}", v.servePart)
	mux.HandleFunc("GET /d/{sealed}", v.serveDownload)
	return http.StripPrefix(v.base.Path, mux)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}

const badSignature = "the signature is wrong or has expired"

func (v *Vault) servePart(w http.ResponseWriter, r *http.Request) {
	var c partClaims
	if !v.unseal(r, kindPart, &c) || c.Vault != v.base.String() {
		answer(w, http.StatusForbidden, badSignature)
		return
	}
	switch {
	case r.ContentLength < 0:
		answer(w, http.StatusLengthRequired, "a part needs a Content-Length")
		return
	case r.ContentLength > c.Size:
		answer(w, http.StatusRequestEntityTooLarge, "larger than what was signed")
		return
	case r.ContentLength < c.Size:
		answer(w, http.StatusBadRequest, "smaller than what was signed")
		return
	}
	// Any time that has passed: a Read under way then fails at once.
	cut := func() { http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
	err := v.storePart(r.Context(), c, r.Body, cut)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errBody):
		answer(w, http.StatusBadRequest, "other bytes than were signed, or not all of them")
	case errors.Is(err, errShort):
		answer(w, http.StatusConflict, "only the last part of an upload may be short, and another one is")
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusTooManyRequests, "too many parts of this upload are being sent at once")
	case errors.Is(err, context.Canceled):
		answer(w, http.StatusConflict, "the same part is being sent again, or its upload has ended")
	default:
		v.fail(w, "store part", err)
	}
}

func (v *Vault) serveDownload(w http.ResponseWriter, r *http.Request) {
	var c downloadClaims
	if !v.unseal(r, kindDownload, &c) || c.Vault != v.base.String() {
		answer(w, http.StatusForbidden, badSignature)
		return
	}
	f, err := v.openFile(c.Key)
	if err != nil {
		v.fail(w, "serve download", err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		v.fail(w, "serve download", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": c.File}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-store")
	http.ServeContent(patient(w), r, "", info.ModTime(), f)
}

// unseal reports whether the request bears what this vault has signed, still
// good, and reads it into claims.
func (v *Vault) unseal(r *http.Request, kind string, claims any) bool {
	return v.sealer != nil && v.sealer.Open(kind, r.PathValue("sealed"), claims, v.now()) == nil
}

// fail answers what is not the client's fault; what an operator has to look at
// goes to the log.
func (v *Vault) fail(w http.ResponseWriter, doing string, err error) {
	switch err = cause(err); {
	case errors.Is(err, holdfast.ErrNotExist):
		answer(w, http.StatusNotFound, fmt.Sprint(holdfast.ErrNotExist))
	case errors.Is(err, holdfast.ErrFull):
		v.log.Error(doing, "err", err)
		answer(w, http.StatusInsufficientStorage, fmt.Sprint(holdfast.ErrFull))
	default:
		v.log.Error(doing, "err", err)
		answer(w, http.StatusInternalServerError, "the vault has failed")
	}
}
