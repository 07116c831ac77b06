package broker

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestPartsAreBoundByNumberSizeAndQuota(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	full := holdfast.PartSize(1, holdfast.MaxParts)
	lastNumber := int((1 << 30) / full) // the part that ends exactly at max_size
	many := make([]holdfast.Part, api.MaxPartsPerCall+1)
	for i := range many {
		many[i] = holdfast.Part{Number: i + 1, Size: full, Sum: sum("x")}
	}
	one := func(n int, size int64, sum string) []holdfast.Part {
		return []holdfast.Part{{Number: n, Size: size, Sum: sum}}
	}
	cases := map[string]struct {
		parts  []holdfast.Part
		status int
	}{
		"as many as a call may have": {many[:api.MaxPartsPerCall], http.StatusOK},
		"more than a call may have":  {many, http.StatusBadRequest},
		"none":                       {nil, http.StatusBadRequest},
		"a full part":                {one(1, full, sum("x")), http.StatusOK},
		"a byte too long":            {one(1, full+1, sum("x")), http.StatusBadRequest},
		"empty":                      {one(1, 0, sum("x")), http.StatusBadRequest},
		"of negative size":           {one(1, -1, sum("x")), http.StatusBadRequest},
		"number 0":                   {one(0, 1, sum("x")), http.StatusBadRequest},
		"number below 0":             {one(-1, 1, sum("x")), http.StatusBadRequest},
		"number above the vault's":   {one(holdfast.MaxParts+1, 1, sum("x")), http.StatusBadRequest},
		"the last that fits":         {one(lastNumber, full, sum("x")), http.StatusOK},
		"a byte beyond max_size":     {one(lastNumber+1, 1, sum("x")), http.StatusRequestEntityTooLarge},
		"the highest number":         {one(holdfast.MaxParts, 1, sum("x")), http.StatusRequestEntityTooLarge},
		"without sum":                {one(1, 1, ""), http.StatusBadRequest},
		"sum in upper case":          {one(1, 1, strings.ToUpper(sum("x"))), http.StatusBadRequest},
		"sum of another algorithm":   {one(1, 1, sum("x")[:32]), http.StatusBadRequest},
		"sum with a line end":        {one(1, 1, sum("x")[:63]+"\n"), http.StatusBadRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			req := api.PartsRequest{UploadToken: begun.UploadToken, Stream: "crm", Parts: c.parts}
			before := len(w.vault.signed)
			rec := w.call("web1", "POST", idPath(api.PathParts, begun.ID), req)
			if rec.Code != c.status {
				t.Errorf("got %d, want %d: %s", rec.Code, c.status, rec.Body)
			}
			if c.status != http.StatusOK && len(w.vault.signed) != before {
				t.Error("something was signed")
			}
		})
	}
}
