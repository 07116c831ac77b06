package server

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/status"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// Where the state of everything is shown, below the broker's URL.
const (
	loginPath   = "/login/"
	metricsPath = "/metrics"
	jsonPath    = "/status.json"
)

// LinkLife is how long a link to the status page opens it.
const LinkLife = 7 * 24 * time.Hour

// sessionCookie holds what the link held, in the browser that opened it.
const sessionCookie = "holdfast_status"

// look is what a link to the status page carries: nothing but that it was given out.
type look struct{}

// StatusLink returns a link that lets whoever has it see the status page until
// it expires.
func StatusLink(sealer *token.Sealer, publicURL string, expires time.Time) (string, error) {
	sealed, err := sealer.Seal(token.KindStatus, look{}, expires)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(publicURL, "/") + loginPath + sealed, nil
}

// statusPages show the state of everything to whoever has a link, and its
// metrics to whoever has the token.
type statusPages struct {
	root   string // of the broker's URL, without a slash at its end
	secure bool   // whether that is https
	sealer *token.Sealer
	token  secret.Secret // of metrics; zero for none
	now    func() time.Time
	state  func() status.Status
	log    *slog.Logger
}

// register adds the pages to the mux.
func (p *statusPages) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+p.root+loginPath+"{token}", p.login)
	mux.HandleFunc("GET "+p.root+"/{$}", p.shown("text/html; charset=utf-8", p.viewer, func(w io.Writer, s status.Status) error {
		return status.HTML(w, s, status.Options{})
	}))
	either := func(r *http.Request) bool { return p.viewer(r) || p.bearer(r) }
	mux.HandleFunc("GET "+p.root+jsonPath, p.shown("application/json", either, status.WriteJSON))
	mux.HandleFunc("GET "+p.root+metricsPath, p.shown("text/plain; version=0.0.4; charset=utf-8", either, status.Metrics))
}

// login turns a link into a cookie, so that the link stays out of the address
// bar, of screenshots and of what the page passes on.
func (p *statusPages) login(w http.ResponseWriter, r *http.Request) {
	p.guard(w)
	sealed := r.PathValue("token")
	if err := p.sealer.Open(token.KindStatus, sealed, &look{}, p.now()); err != nil {
		p.refuse(w, errors.Is(err, token.ErrExpired))
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: sealed, Path: p.root + "/", MaxAge: int(LinkLife / time.Second),
		HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode, // Strict would not be sent when a chat's link leads here
	})
	http.Redirect(w, r, p.root+"/", http.StatusSeeOther)
}

// shown answers with what render writes, to those who may see it.
func (p *statusPages) shown(kind string, may func(*http.Request) bool, render func(io.Writer, status.Status) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.guard(w)
		if !may(r) {
			p.refuse(w, p.expired(r))
			return
		}
		var body bytes.Buffer
		if err := render(&body, p.state()); err != nil {
			p.log.Error("show status", "err", err)
			http.Error(w, "the status cannot be shown; the server's log says why", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Write(body.Bytes())
	}
}

// viewer reports whether the browser has come by a link that is still good.
func (p *statusPages) viewer(r *http.Request) bool {
	cookie, err := r.Cookie(sessionCookie)
	return err == nil && p.sealer.Open(token.KindStatus, cookie.Value, &look{}, p.now()) == nil
}

// expired reports whether the browser has come by a link that was good once.
func (p *statusPages) expired(r *http.Request) bool {
	cookie, err := r.Cookie(sessionCookie)
	return err == nil && errors.Is(p.sealer.Open(token.KindStatus, cookie.Value, &look{}, p.now()), token.ErrExpired)
}

// bearer reports whether the request bears the token of metrics.
func (p *statusPages) bearer(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && !p.token.IsZero() && subtle.ConstantTimeCompare([]byte(given), []byte(p.token.Reveal())) == 1
}

// guard sets what holds for every answer. The page itself says which script it
// may run.
func (p *statusPages) guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
}

// refuse says how to get in, and nothing of what is inside.
func (p *statusPages) refuse(w http.ResponseWriter, expired bool) {
	why := "This page opens by a link."
	if expired {
		why = "This link has expired."
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Holdfast</title>
<body style="font:1rem/1.6 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem">
<h1 style="font-size:1.2rem">%s</h1><p>Make one where the server runs: <code>holdfast status</code></p></body></html>
`, html.EscapeString(why))
}
