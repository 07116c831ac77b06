package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// SignatureHeader is the header of the signature.
const SignatureHeader = "Holdfast-Signature"

// sign returns "t=<Unix time>,v1=<hex>": the HMAC-SHA256, with the secret as its
// key, of the time, a dot and the body. The time is signed so that who has seen a
// request cannot send it again later.
func sign(key secret.Secret, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
