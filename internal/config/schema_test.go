package config

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/holdfast-backup/holdfast"
)

type object = map[string]any

const (
	spanPattern = `^(0|[0-9]+(s|m|h|d|w|mo|y))$`
	sizePattern = `^[0-9.]+ *(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$`
	refPattern  = `^(env|file):.+$`
	anyRef      = `^(env:.+|file:.+|ssm:/.+)$`
	namePattern = `^[a-z0-9][a-z0-9-]{0,62}$`
)

// What the structs do not say, by struct and key.
var (
	enums = map[string][]string{
		"Compress.method": {"zstd", "gzip", "none"},
		"Postgres.format": {"plain", "custom"},
		"S3.store":        stores,
		"S3.checksum":     {"sha256", "md5"},
		"Lock.mode":       {"governance", "compliance"},
		"SMTP.tls":        {"starttls", "tls", "none"},
	}
	// alternatives are the structs of which exactly one pointer is given.
	alternatives = []string{"Vault", "SourceConfig", "Channel", "Destination", "otherEncryption"}
	// refs are where secrets may lie, by file.
	refs   = map[string]string{"pusher": refPattern, "holdfast": anyRef}
	needed = map[string][]string{
		"Pusher":    {"host", "key", "encrypt_to", "jobs"},
		"PusherJob": {"sources"},
		"Postgres":  {"url"},
		"MySQL":     {"url"},
		"SQLite":    {"path"},
		"Files":     {"include"},
		"Command":   {"run"},
		"Holdfast":  {"vaults"},
		"Broker":    {"url", "secret"},
		"Disk":      {"path"},
		"S3":        {"bucket"},
		"Lock":      {"mode", "for"},
		"B2":        {"bucket", "key_id", "application_key"},
		"SFTP":      {"host", "user", "key"},
		"LocalDisk": {"path"},
		"Adopt":     {"host", "job", "pattern"},

		"OtherBroker":     {"url"},
		"SSHCertificates": {"authority", "user"},
		"Host":            {"key"},
		"Operator":        {"key"},
		"Email":           {"from", "to"},
		"SMTP":            {"host"},
		"Webhook":         {"url"},
		"Shoutrrr":        {"url"},
	}
)

func TestSchemasAreUpToDate(t *testing.T) {
	all := structures(t)
	for file, root := range map[string]string{"pusher": "Pusher", "holdfast": "Holdfast"} {
		defs := object{}
		schemas{defs, all, refs[file]}.addDef(root)
		schema := defs[root].(object)
		delete(defs, root)
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["title"] = file + ".yaml"
		schema["$defs"] = defs
		text, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		checkGenerated(t, "../../docs/"+file+".schema.json", string(text)+"\n")
	}
}

// schemas writes the schema of one file.
type schemas struct {
	defs object
	all  map[string]structure
	ref  string // what a secret looks like in it
}

// addDef adds the schema of the struct, and of all it leads to, to defs.
func (g schemas) addDef(name string) {
	if _, ok := g.defs[name]; ok {
		return
	}
	s := g.all[name]
	properties, kinds := object{}, []any{}
	def := object{"type": "object", "description": about(s), "properties": properties, "additionalProperties": false}
	g.defs[name] = def
	for _, f := range s.fields {
		if slices.Contains(alternatives, name) && (strings.HasPrefix(f.typ, "*") || name == "otherEncryption") {
			kinds = append(kinds, object{"required": []string{f.key}})
		}
		value := g.schemaOf(f.typ)
		if choices := enums[name+"."+f.key]; choices != nil {
			value = object{"enum": choices}
		}
		value["description"] = f.meaning
		if f.standard != "" {
			value["description"] = f.meaning + " Default: " + f.standard + "."
		}
		properties[f.key] = value
	}
	if len(kinds) > 0 {
		def["oneOf"] = kinds
	}
	if keys := needed[name]; keys != nil {
		def["required"] = keys
	}
}

func (g schemas) schemaOf(typ string) object {
	text := func(pattern string) object { return object{"type": "string", "pattern": pattern} }
	either := func(of ...any) object { return object{"anyOf": of} }
	list := func(of any) object { return object{"type": "array", "items": of} }
	switch typ = strings.TrimPrefix(typ, "*"); typ {
	case "string":
		return object{"type": "string"}
	case "bool":
		return object{"type": "boolean"}
	case "int":
		return object{"type": "integer"}
	case "float64":
		return object{"type": "number"}
	case "holdfast.Span":
		return either(text(spanPattern), object{"const": 0})
	case "holdfast.Size":
		return either(text(sizePattern), object{"type": "integer"})
	case "holdfast.Scope":
		return object{"enum": []string{"push", "report"}}
	case "holdfast.Event":
		return object{"enum": holdfast.Events()}
	case "holdfast.Severity":
		return object{"enum": []string{"critical", "warning"}}
	case "Weekly":
		return text(`^[A-Za-z]+ [0-2][0-9]:[0-5][0-9]$`)
	case "Remind":
		return g.schemaOf("holdfast.Span")
	case "JobAlert":
		return either(text(namePattern), list(text(namePattern)), object{"type": "object", "additionalProperties": list(object{"enum": holdfast.Events()})})
	case "secret.Ref":
		return text(g.ref)
	case "DSN":
		return text(`^(env:.+|file:.+|[a-z]+://.*)$`)
	case "KeepValue":
		return either(object{"type": "integer", "minimum": 1}, text(spanPattern))
	case "EncryptTo":
		g.addDef("otherEncryption")
		return either(object{"const": "none"}, object{"type": "array", "items": object{"type": "string"}, "minItems": 1}, object{"$ref": "#/$defs/otherEncryption"})
	case "Paths":
		return either(object{"type": "string"}, object{"type": "array", "items": object{"type": "string"}, "minItems": 1})
	case "JobVaults":
		g.addDef("VaultTerms")
		return either(text(namePattern), object{"type": "array", "items": text(namePattern), "minItems": 1},
			object{"type": "object", "propertyNames": text(namePattern), "additionalProperties": either(object{"$ref": "#/$defs/VaultTerms"}, object{"type": "null"})})
	case "Commands":
		return list(either(object{"type": "string"}, list(object{"type": "string"})))
	case "Heartbeat":
		g.addDef(typ)
		return either(object{"type": "string"}, object{"$ref": "#/$defs/Heartbeat"})
	}
	switch {
	case strings.HasPrefix(typ, "[]"):
		return list(g.schemaOf(typ[2:]))
	case typ == "map[string]Job":
		return object{"type": "object", "additionalProperties": g.schemaOf("Job")} // names may be host/job
	case typ == "map[string]string": // severities of checks
		return object{"type": "object", "propertyNames": object{"enum": holdfast.Checks()}, "additionalProperties": object{"enum": []string{"critical", "warning", Off}}}
	case typ == "map[string]secret.Ref":
		return object{"type": "object", "additionalProperties": g.schemaOf("secret.Ref")}
	case strings.HasPrefix(typ, "map[string]"):
		return object{"type": "object", "propertyNames": text(namePattern), "additionalProperties": g.schemaOf(typ[len("map[string]"):])}
	}
	g.addDef(typ)
	return object{"$ref": "#/$defs/" + typ}
}

func TestExamplesFitTheSchemas(t *testing.T) {
	tests := []struct{ name, schema, text string }{
		{"pusher example", "pusher", PusherExample},
		{"pusher example with everything on", "pusher", uncomment(PusherExample)},
		{"pusher starter", "pusher", StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Local: "/srv/b", Key: "k", Recipient: "age1a"})},
		{"holdfast example", "holdfast", HoldfastExample},
		{"holdfast example with everything on", "holdfast", uncomment(HoldfastExample)},
		{"holdfast starter", "holdfast", StarterHoldfast("https://b.example", "/srv/b", "secret")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if faults := validate(t, test.schema, test.text); len(faults) > 0 {
				t.Error(strings.Join(faults, "\n"))
			}
		})
	}
}

func TestSchemaFindsFaults(t *testing.T) {
	for _, test := range []struct{ name, old, new string }{
		{"an unknown key", "host: web1", "hots: web1"},
		{"an unknown key far below", "path: /var/lib/wiki", "pat: /var/lib/wiki"},
		{"two kinds of source", "      - sqlite:\n", "      - command: { run: [a] }\n        sqlite:\n"},
		{"a list that is none", "include: [/srv/crm/uploads, /etc/crm]", "include: /srv"},
		{"a name that is none", "  wiki:", "  Wiki:"},
		{"a secret that is none", "password: file:shop-db-password", "password: hunter2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(PusherExample, test.old, test.new, 1)
			if text == PusherExample {
				t.Fatal("changes nothing")
			}
			if len(validate(t, "pusher", text)) == 0 {
				t.Error("the schema accepts it")
			}
		})
	}
}

// validate returns what of the YAML text does not fit the checked-in schema, as
// far as the schemas here use JSON Schema.
func validate(t *testing.T, name, text string) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema object
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(asJSON, &value); err != nil {
		t.Fatal(err)
	}
	return fits(schema, schema["$defs"].(object), value, name)
}

func fits(schema, defs object, value any, at string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	for keyword, arg := range schema {
		switch keyword {
		case "$ref":
			faults = append(faults, fits(defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(object), defs, value, at)...)
		case "anyOf", "oneOf":
			fitting := 0
			for _, one := range arg.([]any) {
				if len(fits(one.(object), defs, value, at)) == 0 {
					fitting++
				}
			}
			if fitting == 0 || keyword == "oneOf" && fitting > 1 {
				fault("%v fits %d of %s", value, fitting, keyword)
			}
		case "enum":
			if !slices.Contains(arg.([]any), value) {
				fault("%v: want one of %v", value, arg)
			}
		case "const":
			if value != arg {
				fault("%v: want %v", value, arg)
			}
		case "type":
			if typ := typeOf(value); typ != arg && !(typ == "integer" && arg == "number") {
				fault("is %s, want %v", typ, arg)
			}
		case "pattern":
			if s, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(s) {
				fault("%q: does not match %v", s, arg)
			}
		case "minimum":
			if n, ok := value.(float64); ok && n < arg.(float64) {
				fault("%v: want at least %v", n, arg)
			}
		case "minItems":
			if list, ok := value.([]any); ok && float64(len(list)) < arg.(float64) {
				fault("%d items, want at least %v", len(list), arg)
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				faults = append(faults, fits(arg.(object), defs, item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "required":
			for _, key := range arg.([]any) {
				if m, ok := value.(object); ok && m[key.(string)] == nil {
					fault("has no %s", key)
				}
			}
		case "propertyNames":
			m, _ := value.(object)
			for key := range m {
				faults = append(faults, fits(arg.(object), defs, key, at+"."+key)...)
			}
		case "properties", "additionalProperties":
		case "$schema", "$defs", "title", "description":
		default:
			fault("the schema uses %s, which is not checked here", keyword)
		}
	}
	return append(faults, fitsKeys(schema, defs, value, at)...)
}

func fitsKeys(schema, defs object, value any, at string) (faults []string) {
	m, _ := value.(object)
	properties, _ := schema["properties"].(object)
	for key, v := range m {
		if property, ok := properties[key].(object); ok {
			faults = append(faults, fits(property, defs, v, at+"."+key)...)
			continue
		}
		switch rest := schema["additionalProperties"].(type) {
		case bool:
			if !rest {
				faults = append(faults, at+": unknown key "+key)
			}
		case object:
			faults = append(faults, fits(rest, defs, v, at+"."+key)...)
		}
	}
	return faults
}

func typeOf(value any) string {
	switch v := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case object:
		return "object"
	}
	return "null"
}
