package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Way is how callers prove who they are, at some of the paths of an interface.
type Way struct {
	Name   string
	Scheme huma.SecurityScheme
	// For gives the scopes of which a caller needs one at a path; ok is false where the way does not lead there.
	For func(path string) (scopes []string, ok bool)
}

// DPoP is the way by an access token that is bound to a key of the client's (RFC 9449), of one scope a path.
func DPoP(tokenEndpoint string, scopeOf func(path string) (scope string, ok bool)) Way {
	return Way{Name: "dpop", Scheme: huma.SecurityScheme{Type: "http", Scheme: "DPoP", Description: "`Authorization: DPoP TOKEN` and, in the " +
		"header `DPoP`, a proof by the key to which the token is bound (RFC 9449): method, address without query, `ath`, a new `jti`. " +
		"Tokens come from `POST " + tokenEndpoint + "`, where the client signs an assertion (`private_key_jwt`). The name beside it is the scope that the token must have."},
		For: func(path string) ([]string, bool) {
			scope, ok := scopeOf(path)
			return []string{scope}, ok
		}}
}

// Secure says of every operation that is described so far how its callers prove who they are.
func Secure(api huma.API, ways ...Way) {
	doc := api.OpenAPI()
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	for _, way := range ways {
		doc.Components.SecuritySchemes[way.Name] = &way.Scheme
		for path, item := range doc.Paths {
			for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
				if scopes, ok := way.For(path); ok && op != nil {
					op.Security = append(op.Security, map[string][]string{way.Name: append([]string{}, scopes...)})
				}
			}
		}
	}
}

// Describe adds an operation that is served without huma: its body is what T is as JSON.
func Describe[T any](api huma.API, op huma.Operation) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	op.Responses = map[string]*huma.Response{fmt.Sprint(op.DefaultStatus): {Description: "Taken."}, "default": problemResponse(api)}
	api.OpenAPI().AddOperation(&op)
}

// described is what CheckDescription looks at of an OpenAPI document.
type described struct {
	Paths map[string]map[string]struct {
		OperationID, Summary, Description string
		Tags                              []string
		Security                          []map[string][]string
		Responses                         map[string]struct{ Content map[string]any }
	}
	Components struct {
		SecuritySchemes map[string]struct{ Type, Description string }
	}
}

// CheckDescription lists what is missing in the description of an interface: an operation without words, tag, security
// or a problem as its error, and a way to prove who calls that is unknown, unused or not explained.
func CheckDescription(text []byte) []string {
	var doc described
	if err := json.Unmarshal(text, &doc); err != nil || len(doc.Paths) == 0 {
		return []string{fmt.Sprintf("not a description of anything: %v", err)}
	}
	var found []string
	used := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range doc.Paths[path] {
			wrong := func(format string, args ...any) {
				found = append(found, strings.ToUpper(method)+" "+path+": "+fmt.Sprintf(format, args...))
			}
			if op.OperationID == "" || op.Summary == "" || op.Description == "" {
				wrong("no id, summary or description")
			}
			if len(op.Tags) == 0 {
				wrong("no tag")
			}
			if len(op.Security) == 0 {
				wrong("no security")
			}
			for _, way := range op.Security {
				for name := range way {
					used[name] = true
					if doc.Components.SecuritySchemes[name].Type == "" {
						wrong("unknown security %q", name)
					}
				}
			}
			for status, r := range op.Responses {
				if _, problem := r.Content["application/problem+json"]; !problem && (status == "default" || status[0] == '4' && status != "402" || status[0] == '5') {
					wrong("%s is no problem", status)
				}
			}
			if _, ok := op.Responses["default"]; !ok {
				wrong("no word on errors")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.SecuritySchemes)) {
		if !used[name] {
			found = append(found, name+": a security scheme that no operation uses")
		}
		if doc.Components.SecuritySchemes[name].Description == "" {
			found = append(found, name+": a security scheme that nothing explains")
		}
	}
	return found
}
