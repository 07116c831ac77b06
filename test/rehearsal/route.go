package rehearsal

import (
	"strings"
)

// Route is a route of an HTTP API: "GET /v1/backups", "ANY /{proxy+}", "$default".
type Route struct {
	Key      string
	Function string // name of the function behind it
	Timeout  int    // of the integration, milliseconds
}

// match is a route that fits a request.
type match struct {
	route      Route
	parameters map[string]string
	rank       int
}

// find returns the route of a request as an HTTP API chooses it: a full match
// before one that ends in a greedy variable, and that before $default; in each,
// the method before ANY, and more fixed segments before fewer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func find(routes []Route, method, path string) (match, bool) {
	best := match{rank: -1}
	for _, r := range routes {
		if m, ok := r.match(method, path); ok && m.rank > best.rank {
			best = m
		}
	}
	return best, best.rank >= 0
}

func (r Route) match(method, path string) (match, bool) {
	if r.Key == "$default" {
		return match{route: r}, true
	}
	verb, pattern, ok := strings.Cut(r.Key, " ")
	if !ok || verb != method && verb != "ANY" {
		return match{}, false
	}
	m := match{route: r, parameters: map[string]string{}, rank: 10_000}
	if verb == method {
		m.rank++
	}
	given := strings.Split(strings.Trim(path, "/"), "/")
	for n, want := range strings.Split(strings.Trim(pattern, "/"), "/") {
		name, variable := strings.CutPrefix(strings.TrimSuffix(want, "}"), "{")
		switch {
		case variable && strings.HasSuffix(name, "+"):
			if n >= len(given) || given[n] == "" {
				return match{}, false
			}
			m.parameters[strings.TrimSuffix(name, "+")] = strings.Join(given[n:], "/")
			m.rank -= 5_000
			return m, true
		case n >= len(given):
			return match{}, false
		case variable && given[n] != "":
			m.parameters[name] = given[n]
		case given[n] == want:
			m.rank += 10
		default:
			return match{}, false
		}
		if n == strings.Count(strings.Trim(pattern, "/"), "/") && len(given) != n+1 {
			return match{}, false
		}
	}
	return m, true
}
