package server

import (
	"bytes"
	"context"
	"log"
	"log/slog"
)

// webLog takes what net/http reports outside of any handler: a panic, no file
// left for a connection. That is for the operator to know.
func webLog(l *slog.Logger) *log.Logger { return log.New(webErrors{l}, "", 0) }

type webErrors struct{ log *slog.Logger }

// Write logs one message of a log.Logger.
func (w webErrors) Write(message []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(message, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug // whoever scans the port makes hundreds
	}
	w.log.Log(context.Background(), level, "web server", "err", string(bytes.TrimSpace(message)))
	return len(message), nil
}
