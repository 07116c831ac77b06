package rehearsal

import (
	zipfile "archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// cloud is the account that is deployed to.
type cloud struct {
	moto  string
	store *store
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	moto := testenv.Moto(t).URL
	return &cloud{moto: moto, store: newStore(t, moto)}
}

// service returns one of moto's APIs.
func (c *cloud) service(name string) service { return service{name, c.moto, region, rootKeys} }

// environ is what leads AWS's own tools to the stand-ins.
func (c *cloud) environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + c.moto, "AWS_ENDPOINT_URL_S3=" + c.store.url,
		"AWS_ACCESS_KEY_ID=" + rootKeys.access, "AWS_SECRET_ACCESS_KEY=" + rootKeys.secret,
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// configuration is a function as Lambda's API describes it.
type configuration struct {
	FunctionName, FunctionArn, Role, Runtime, Handler, CodeSha256 string
	Architectures                                                 []string
	MemorySize, Timeout                                           int
	Environment                                                   struct{ Variables map[string]string }
}

// configurations returns the deployed functions by name.
func (c *cloud) configurations(t testing.TB) map[string]configuration {
	t.Helper()
	var answer struct{ Functions []configuration }
	c.service("lambda").get(t, "/2015-03-31/functions/", &answer)
	all := map[string]configuration{}
	for _, f := range answer.Functions {
		all[f.FunctionName] = f
	}
	return all
}

// policies returns the policy documents of a role, inline and attached.
func (c *cloud) policies(t testing.TB, role string) []string {
	t.Helper()
	iam := c.service("iam")
	var inline struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	iam.query(t, &inline, "ListRolePolicies", "RoleName", role)
	var documents []string
	add := func(encoded string) {
		t.Helper()
		document, err := url.QueryUnescape(encoded)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, document)
	}
	for _, name := range inline.Names {
		var policy struct {
			Document string `xml:"GetRolePolicyResult>PolicyDocument"`
		}
		iam.query(t, &policy, "GetRolePolicy", "RoleName", role, "PolicyName", name)
		add(policy.Document)
	}
	var attached struct {
		ARNs []string `xml:"ListAttachedRolePoliciesResult>AttachedPolicies>member>PolicyArn"`
	}
	iam.query(t, &attached, "ListAttachedRolePolicies", "RoleName", role)
	for _, arn := range attached.ARNs {
		var policy struct {
			Version string `xml:"GetPolicyResult>Policy>DefaultVersionId"`
		}
		iam.query(t, &policy, "GetPolicy", "PolicyArn", arn)
		var version struct {
			Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
		}
		iam.query(t, &version, "GetPolicyVersion", "PolicyArn", arn, "VersionId", policy.Version)
		add(version.Document)
	}
	return documents
}

// api returns the one HTTP API that is deployed. Its integrations name functions
// by their ARN.
func (c *cloud) api(t testing.TB) API {
	t.Helper()
	gateway := c.service("apigateway")
	var apis struct {
		Items []struct{ ApiID, ApiEndpoint, ProtocolType string }
	}
	gateway.get(t, "/v2/apis", &apis)
	if len(apis.Items) != 1 || apis.Items[0].ProtocolType != "HTTP" {
		t.Fatalf("HTTP APIs: got %+v, want one", apis.Items)
	}
	id := apis.Items[0].ApiID
	var stages struct{ Items []struct{ StageName string } }
	gateway.get(t, "/v2/apis/"+id+"/stages", &stages)
	if len(stages.Items) != 1 || stages.Items[0].StageName != "$default" {
		t.Fatalf("stages: got %+v, want $default, which adds nothing to paths", stages.Items)
	}
	var integrations struct {
		Items []struct {
			IntegrationID, IntegrationType, IntegrationURI, PayloadFormatVersion string
			TimeoutInMillis                                                      int
		}
	}
	gateway.get(t, "/v2/apis/"+id+"/integrations", &integrations)
	api := API{ID: id, Account: account, Stage: "$default"}
	var routes struct {
		Items []struct{ RouteKey, Target, AuthorizationType string }
	}
	gateway.get(t, "/v2/apis/"+id+"/routes", &routes)
	for _, r := range routes.Items {
		for _, to := range integrations.Items {
			if r.Target != "integrations/"+to.IntegrationID {
				continue
			}
			if to.PayloadFormatVersion != "2.0" || to.IntegrationType != "AWS_PROXY" {
				t.Fatalf("integration of %s: got %+v, want AWS_PROXY with payload 2.0", r.RouteKey, to)
			}
			api.Routes = append(api.Routes, Route{Key: r.RouteKey, Function: functionName(to.IntegrationURI), Timeout: to.TimeoutInMillis})
		}
	}
	return api
}

// functionName finds the function in its ARN or in API Gateway's URI of it.
func functionName(arn string) string {
	_, name, _ := strings.Cut(arn, ":function:")
	name, _, _ = strings.Cut(name, "/invocations")
	name, _, _ = strings.Cut(name, ":") // an alias
	return name
}

// deploy unpacks the zip that was deployed as f, proven by its hash, and makes
// it ready to be invoked.
func (c *cloud) deploy(t testing.TB, f configuration, zip string, extra map[string]string) *Function {
	t.Helper()
	content, err := os.ReadFile(zip)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != f.CodeSha256 {
		t.Fatalf("%s: deployed is the code %s, %s has %s", f.FunctionName, f.CodeSha256, zip, got)
	}
	dir := unpack(t, zip)
	env := map[string]string{}
	for name, value := range f.Environment.Variables {
		env[name] = value
	}
	for name, value := range extra {
		env[name] = value
	}
	function := &Function{
		Name: f.FunctionName, ARN: f.FunctionArn, Dir: dir, Env: env, Region: region,
		Memory: f.MemorySize, Timeout: time.Duration(f.Timeout) * time.Second, Limit: 10, Log: &Log{},
	}
	t.Cleanup(function.Stop)
	return function
}

// unpack unpacks the zip of a function, as Lambda does.
func unpack(t testing.TB, zip string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	archive, err := zipfile.OpenReader(zip)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" {
		t.Fatalf("%s: got %d files, want one, bootstrap", filepath.Base(zip), len(archive.File))
	}
	if err := os.CopyFS(dir, archive); err != nil {
		t.Fatal(err)
	}
	return dir
}
