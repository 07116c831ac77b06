package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// header sets headers that nobody signed.
func header(pairs ...string) func(r *http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
	}
}

// query changes parameters of the signed URL; a value of "-" takes one out.
func query(pairs ...string) func(r *http.Request) {
	return func(r *http.Request) {
		q := r.URL.Query()
		for i := 0; i < len(pairs); i += 2 {
			if q.Del(pairs[i]); pairs[i+1] != "-" {
				q.Set(pairs[i], pairs[i+1])
			}
		}
		r.URL.RawQuery = q.Encode()
	}
}

// to changes the path and keeps the signature.
func to(path string) func(r *http.Request) {
	return func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + path }
}

// body changes what is sent, and its length with it.
func body(content []byte) func(r *http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	}
}

func all(changes ...func(r *http.Request)) func(r *http.Request) {
	return func(r *http.Request) {
		for _, change := range changes {
			change(r)
		}
	}
}

// attempt is one thing to try with a signed part.
type attempt struct {
	name   string
	change func(r *http.Request)
}

// unsignedHeaders: "any x-amz-* headers that you plan to add to the request are
// also required for signature calculation" (Amazon S3 API Reference,
// "Authenticating Requests: Using Query Parameters"). What AWS would do with one
// is listed here by what an attacker would gain.
func unsignedHeaders(p openPart, own, other pushed) []attempt {
	var all []attempt
	for _, h := range [][]string{
		{"X-Amz-Copy-Source", p.key(own.ref.Key("crm.sql"))},                  // read what was committed into a new part
		{"X-Amz-Copy-Source", p.key(other.ref.Key("media.sql"))},              // and another host's
		{"X-Amz-Copy-Source", url.QueryEscape(p.key(own.ref.Key("crm.sql")))}, // the same in another spelling
		{"x-amz-copy-source-range", "bytes=0-9"},
		{"X-Amz-Copy-Source-If-Match", "*"},
		{"X-Amz-Acl", "public-read"},
		{"X-Amz-Acl", "bucket-owner-full-control"},
		{"X-Amz-Grant-Full-Control", `uri="http://acs.amazonaws.com/groups/global/AllUsers"`},
		{"X-Amz-Meta-Holdfast", "evil"},
		{"X-Amz-Storage-Class", "GLACIER"},
		{"X-Amz-Tagging", "delete=yes"},
		{"X-Amz-Website-Redirect-Location", "https://evil.example"},
		{"X-Amz-Object-Lock-Mode", "COMPLIANCE"}, // storage that must be paid for until then
		{"X-Amz-Object-Lock-Retain-Until-Date", "2099-01-01T00:00:00Z"},
		{"X-Amz-Object-Lock-Legal-Hold", "ON"},
		{"X-Amz-Bypass-Governance-Retention", "true"},
		{"X-Amz-Server-Side-Encryption", "aws:kms"},
		{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "arn:aws:kms:eu-west-3:999999999999:key/evil"},
		{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256"}, // a key that only the attacker has
		{"X-Amz-Server-Side-Encryption-Customer-Key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
		{"X-Amz-Checksum-Crc32", "AAAAAA=="},
		{"X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA="},
		{"X-Amz-Checksum-Sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
		{"X-Amz-Checksum-Algorithm", "CRC32"},
		{"X-Amz-Sdk-Checksum-Algorithm", "CRC32"},
		{"X-Amz-Trailer", "x-amz-checksum-crc32"},
		{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
		{"X-Amz-Decoded-Content-Length", "1"},
		{"X-Amz-Write-Offset-Bytes", "0"},
		{"X-Amz-Mp-Object-Size", "1"},
		{"X-Amz-Security-Token", p.start.UploadToken},
		{"X-Amz-Date", "20200101T000000Z"},
		{"X-Amz-Expected-Bucket-Owner", "999999999999"},
		{"X-Amz-Request-Payer", "requester"},
	} {
		all = append(all, attempt{h[0] + ": " + p.plain(h[1], own, other), header(h...)})
	}
	return all
}

// otherBytes are bodies and checksums that were not signed.
func otherBytes(p openPart) []attempt {
	evil := bytes.Replace(p.content, []byte("3"), []byte("6"), 1)
	sum := "X-Amz-Checksum-Sha256"
	if p.start.Uploads[0].Checksum == holdfast.ChecksumMD5 {
		sum = "Content-Md5"
	}
	const another = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=" // of nothing in particular
	chunked := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(p.content), p.content)
	return []attempt{
		{"other bytes", body(evil)},
		{"more bytes", body(append(p.content, '!'))},
		{"fewer bytes", body(p.content[1:])},
		{"no bytes", body(nil)},
		{"many bytes", body(bytes.Repeat([]byte("x"), 1<<20))},
		{"another checksum", header(sum, another[:len(p.pushed.url.Header[sum])])},
		{"another checksum and its bytes", all(header(sum, another[:len(p.pushed.url.Header[sum])]), body(evil))},
		{"no checksum", func(r *http.Request) { r.Header.Del(sum) }},
		{"no checksum and other bytes", all(func(r *http.Request) { r.Header.Del(sum) }, body(evil))},
		{"an empty checksum", header(sum, "")},
		{"two checksums", func(r *http.Request) { r.Header.Add(sum, another) }},
		{"a checksum of another kind instead", func(r *http.Request) {
			r.Header.Del(sum)
			r.Header.Set("X-Amz-Checksum-Crc32", "AAAAAA==")
		}},
		{"the checksum in the query", func(r *http.Request) {
			query(strings.ToLower(sum), r.Header.Get(sum))(r)
			r.Header.Del(sum)
		}},
		{"a body of unknown length", func(r *http.Request) { r.ContentLength = -1 }},
		{"a body of unknown length, and other bytes", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(evil)), -1
		}},
		{"aws-chunked", all(body(chunked), header("Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(p.content)),
			"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))},
		{"aws-chunked, said by Content-Encoding alone", all(body(chunked), header("Content-Encoding", "aws-chunked"))},
	}
}

// otherURLs are changes of what the URL says.
func otherURLs(p openPart, own, other pushed) []attempt {
	sig, signed := p.url.Query().Get("X-Amz-Signature"), p.url.Query().Get("X-Amz-SignedHeaders")
	flipped := strings.Map(func(c rune) rune { return c ^ 1 }, sig[:1]) + sig[1:]
	list := []attempt{
		{"no signature", query("X-Amz-Signature", "-")},
		{"an empty signature", query("X-Amz-Signature", "")},
		{"another signature", query("X-Amz-Signature", flipped)},
		{"no query but the upload", func(r *http.Request) {
			r.URL.RawQuery = url.Values{"uploadId": {r.URL.Query().Get("uploadId")}, "partNumber": {"1"}}.Encode()
		}},
		{"no query at all", func(r *http.Request) { r.URL.RawQuery = "" }},
		{"another part number", query("partNumber", "2")},
		{"part zero", query("partNumber", "0")},
		{"a part beyond the quota", query("partNumber", "10000")},
		{"no part number", query("partNumber", "-")},
		{"two part numbers", func(r *http.Request) { r.URL.RawQuery += "&partNumber=2" }},
		{"two part numbers, the other first", func(r *http.Request) { r.URL.RawQuery = "partNumber=2&" + r.URL.RawQuery }},
		{"another upload", query("uploadId", "00000000-0000-0000-0000-000000000000")},
		{"no upload", query("uploadId", "-")},
		{"a whole object instead of a part", query("uploadId", "-", "partNumber", "-")},
		{"a copy in the query", query("x-amz-copy-source", p.key(own.ref.Key("crm.sql")))},
		{"an ACL in the query", query("x-amz-acl", "public-read")},
		{"metadata in the query", query("x-amz-meta-holdfast", "evil")},
		{"longer", query("X-Amz-Expires", "604800")},
		{"for ever", query("X-Amz-Expires", "-")},
		{"from tomorrow", query("X-Amz-Date", time.Now().Add(24*time.Hour).UTC().Format("20060102T150405Z"))},
		{"fewer signed headers", query("X-Amz-SignedHeaders", "host")},
		{"fewer signed headers, and fewer headers", func(r *http.Request) {
			query("X-Amz-SignedHeaders", "host")(r)
			r.Header = http.Header{}
		}},
		{"more signed headers, and the header", all(query("X-Amz-SignedHeaders", signed+";x-amz-acl"), header("X-Amz-Acl", "public-read"))},
		{"more signed headers, and a copy", all(query("X-Amz-SignedHeaders", signed+";x-amz-copy-source"), header("X-Amz-Copy-Source", p.key(own.ref.Key("crm.sql"))))},
		{"another algorithm", query("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256")},
		{"the oldest signatures", query("X-Amz-Algorithm", "-", "X-Amz-Signature", "-", "AWSAccessKeyId", "x", "Signature", sig, "Expires", "4102444800")},
		{"another key", query("X-Amz-Credential", strings.Replace(p.url.Query().Get("X-Amz-Credential"), "/", "x/", 1))},
		{"a session", query("X-Amz-Security-Token", p.start.UploadToken)},
	}
	for _, sub := range []string{"acl", "tagging", "retention", "legal-hold", "versionId", "policy", "restore", "torrent", "attributes", "delete", "uploads", "append"} {
		list = append(list, attempt{"?" + sub, query(sub, "")})
	}
	for _, path := range []string{
		p.key(own.ref.Key("crm.sql")), p.key(own.ref.ManifestKey()), p.key(other.ref.Key("media.sql")), p.key(other.ref.ManifestKey()), p.key(other.ref.HoldKey()),
		p.key(p.ref.ManifestKey()), p.key("backups/web1/tiny/" + string(p.ref.ID) + "/crm.sql"), p.key("backups/web2/crm/" + string(p.ref.ID) + "/crm.sql"),
		p.key("state/monitor.json"), p.key("reports/web1/crm/" + string(p.ref.ID) + ".json"), "/another-bucket/" + p.ref.Key("crm.sql"), "/" + p.name, "/" + p.name + "/", "/",
		p.own() + "/", p.own() + "/x", p.own() + "%00", "/" + p.own(), "/" + p.name + "/../" + p.name + "/" + other.ref.Key("media.sql"),
		p.own() + "/../../../../../web2/media/" + string(other.ref.ID) + "/media.sql",
		p.own() + "/..%2f..%2f..%2f..%2f../web2/media/" + string(other.ref.ID) + "/media.sql",
	} {
		list = append(list, attempt{"to " + p.plain(path, own, other), to(path)})
	}
	return list
}
