// Package infra_test holds the Terraform module against the programs it deploys.
package infra_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// What Terraform renders for examples/complete is a holdfast.yaml that the strict
// parser takes, and says what the example's variables say.
func TestTerraformConfig(t *testing.T) {
	document := terraformDocument(t)
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(document))
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if got, want := *c.Vaults["main"].S3, (config.S3{
		Bucket: "acme-backups-123456789012-eu-west-3", Region: "eu-west-3", Store: "aws", StorageClass: "STANDARD_IA",
		Lock: &config.Lock{Mode: "governance", For: holdfast.Span{N: 7, Unit: holdfast.Day}},
	}); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got, want := c.Broker.Secret, "ssm:/acme-backups/broker-secret"; string(got) != want {
		t.Errorf("secret: got %s, want %s", got, want)
	}
	// 10 is a number of backups and "16d" a length of time, which one type of
	// Terraform has to carry both.
	if got, want := c.Jobs["web1/media"].Keep.Daily, (config.KeepValue{Number: 7}); got != want {
		t.Errorf("daily: got %v, want %v", got, want)
	}
	if got, want := c.Jobs["crm"].Keep.Daily, (config.KeepValue{Length: holdfast.Span{N: 16, Unit: holdfast.Day}}); got != want {
		t.Errorf("daily: got %v, want %v", got, want)
	}
	if got, want := c.Vaults["main"].Price, "0.0125 USD"; got != want {
		t.Errorf("price: got %q, want %q", got, want)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	want := []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}}
	if got := registry.Expected(); !cmp.Equal(got, want) {
		t.Errorf("expected jobs: %s", cmp.Diff(want, got))
	}
	if !registry.Revoked("old1") {
		t.Error("old1 is not cut off")
	}
	_, policy, ok := registry.Job("web1", "db-sessions")
	if !ok || policy.Expect.Every != (holdfast.Span{N: 1, Unit: holdfast.Hour}) {
		t.Errorf("web1/db-sessions: got %+v, %v", policy.Expect, ok)
	}
}

// terraformDocument returns the document as test/terraform says it.
func terraformDocument(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../test/terraform", "document").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("terraform: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	lines := bufio.NewReader(bytes.NewReader(out))
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("terraform shows no state of examples/complete: %v\n%.2000s", err, out)
		}
		var event struct {
			Run   string `json:"@testrun"`
			State struct {
				Outputs struct {
					Document struct{ Value string } `json:"config_document"`
				}
			} `json:"test_state"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("terraform: %v\n%.2000s", err, line)
		}
		if document := event.State.Outputs.Document.Value; event.Run == "complete" && document != "" {
			return document
		}
	}
}
