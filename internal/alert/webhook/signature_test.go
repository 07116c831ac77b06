package webhook

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

func TestTheSignatureIsTheDocumentedOne(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	header := SignatureHeader + ": " + sign(secret.New("example"), time.Unix(1761660000, 0), []byte(`{"version":1}`))
	if !strings.Contains(string(doc), header+"\n") {
		t.Errorf("docs/webhook.md has not %s", header)
	}
}
