package server

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// A vault that hosts reach by themselves is no business of the broker's, and one
// that is down does not keep the server from starting.
func TestAVaultThatHostsReachByThemselvesIsNotTheBrokers(t *testing.T) {
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(fmt.Sprintf(`
broker: { url: "http://127.0.0.1:8420", secret: "env:SECRET" }
vaults:
  main: { disk: { path: %q } }
  nas: { sftp: { host: 127.0.0.1, port: 1, user: u, key: "env:KEY", host_key: ["SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI"] } }
hosts: { web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm] } }
jobs: { crm: { vault: [main, nas] } }
`, t.TempDir())))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Options{
		Config: c, Log: slog.New(slog.DiscardHandler),
		Secrets: func(_ context.Context, ref secret.Ref) (secret.Secret, error) {
			return secret.New(map[secret.Ref]string{"env:SECRET": strings.Repeat("s", 32), "env:KEY": string(pem.EncodeToMemory(block))}[ref]), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequest("GET", api.PathHealth, nil))
	var health api.Health
	if err := json.Unmarshal(answer.Body.Bytes(), &health); err != nil {
		t.Fatal(err)
	}
	if _, seen := health.Vaults["nas"]; answer.Code != http.StatusOK || seen || health.Vaults["main"] != "ok" {
		t.Errorf("got %d %+v, want main alone", answer.Code, health)
	}
	if len(s.vaults) != 2 {
		t.Errorf("%d vaults are looked after, want both", len(s.vaults))
	}
}
