package rehearsal

import (
	"encoding/json"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// deployment is Holdfast in the account: what Terraform made, and its functions
// running.
type deployment struct {
	whole      testing.TB // the test that has all steps in it
	place      string     // what is deployed, built
	cloud      *cloud
	terraform  *terraform
	internet   *internet
	guard      *guard
	url        string               // of AWS but for S3, as the functions see it
	variables  map[string]any       // of Terraform
	principals map[string]principal // by function: broker, restore, …
	functions  map[string]*Function // by function
	names      map[string]string    // of the functions in Lambda, by function
	apiNow     API                  // as of the last apply
	gateway    *Gateway
}

// newDeployment builds everything, starts the stand-ins and gets Terraform ready.
func newDeployment(t testing.TB) *deployment {
	t.Helper()
	d := &deployment{whole: t, place: build(t), cloud: newCloud(t), principals: map[string]principal{}, functions: map[string]*Function{}}
	moto, err := url.Parse(d.cloud.moto)
	if err != nil {
		t.Fatal(err)
	}
	d.guard = &guard{
		forward: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(moto) }},
		ses:     d.cloud.service("ses"), account: account, principals: map[string]principal{},
	}
	d.url = listen(t, d.guard)
	d.gateway = &Gateway{API: func() API { return d.apiNow }, Functions: d.function, Log: &Log{}}
	d.internet = newInternet(t, d.gateway)
	d.terraform = newTerraform(t, d.place, d.cloud.environ())
	return d
}

// account is the one that moto has.
const account = "123456789012"

// apply has Terraform make what the variables say.
func (d *deployment) apply(t testing.TB, variables map[string]any) {
	t.Helper()
	text, err := json.Marshal(variables)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.terraform.dir, "terraform.tfvars.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.terraform.must(t, "apply", "-no-color", "-auto-approve")
	d.variables, d.names = variables, map[string]string{}
	if err := json.Unmarshal([]byte(d.terraform.must(t, "output", "-json", "function_names")), &d.names); err != nil {
		t.Fatal(err)
	}
	d.apiNow = d.cloud.api(t)
	d.internet.setHost(strings.TrimPrefix(d.terraform.output(t, "broker_url"), "https://"))
}

// start starts the functions as they are deployed now, cold.
func (d *deployment) start(t testing.TB) {
	t.Helper()
	deployed := d.cloud.configurations(t)
	for name, inLambda := range d.names {
		configuration, ok := deployed[inLambda]
		if !ok {
			t.Fatalf("Lambda has no function %q", inLambda)
		}
		_, role, _ := strings.Cut(configuration.Role, ":role/")
		policies := d.cloud.policies(t, role)
		if who, ok := d.principals[name]; ok {
			d.cloud.store.setPolicies(t, inLambda, policies)
			d.principals[name] = principal{who.keys, policies}
		} else {
			d.principals[name] = d.cloud.store.newPrincipal(t, inLambda, policies)
		}
		d.guard.add(d.principals[name])
		log := &Log{}
		if old := d.functions[name]; old != nil {
			log = old.Log // its last words count too
			old.Stop()
		}
		k := d.principals[name].keys
		d.functions[name] = d.cloud.deploy(d.whole, configuration, zip(d.place, name), map[string]string{
			"AWS_ACCESS_KEY_ID": k.access, "AWS_SECRET_ACCESS_KEY": k.secret,
			"AWS_ENDPOINT_URL": d.url, "AWS_ENDPOINT_URL_S3": d.cloud.store.url,
		})
		d.functions[name].Log = log
	}
}

// function returns the function that has that name in Lambda.
func (d *deployment) function(inLambda string) *Function {
	for name, n := range d.names {
		if n == inLambda {
			return d.functions[name]
		}
	}
	return nil
}
