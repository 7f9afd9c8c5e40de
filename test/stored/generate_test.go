package stored

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// times are what people and programs take for a time.
var times = []string{
	"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z", "2026-01-01t00:00:00z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00+99:00",
	"2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00-00:00", "2026-01-01T23:59:60Z",
	"2026-01-01T24:00:00Z", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59.000000-23:59", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z",
	"9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
	"2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.123456789012Z",
	"2026-01-01T00:00:00.000000+01:00", "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T0:00:00Z", "2026-01-01T00:00:5xZ", "now", "",
}

var numbers = []json.Number{
	"0", "1", "-1", "2", "60", "100", "1e3", "1.0", "-0", "-0.0", "2147483647", "2147483648", "-2147483649", "9007199254740991",
	"9007199254740993",
	"9223372036854775807", "9223372036854775808", "1e18", "1e19", "1e20", "123456789012345678901234567890", "0.5", "1e-3",
}

var words = []string{
	"a", "Aa1", "example.com/x", "example.com/y", "Mon", "03:00", "10%", "1", "0", "true", "null", "UTC", "0 3 * * *", "app=web", "http://a.b",
	"", " ", "ä", "\u0000", "\u2028", strings.Repeat("x", 70), strings.Repeat("ä", 300),
}

// generator makes random JSON that looks like what a schema describes, with values that are hard to read.
type generator struct {
	*rand.Rand
}

func pick[T any](g generator, values []T) T { return values[g.IntN(len(values))] }

func (g generator) value(s *apiextensionsv1.JSONSchemaProps) any {
	switch {
	case g.IntN(200) == 0:
		return nil
	case len(s.Enum) > 0 && g.IntN(20) > 0:
		return json.RawMessage(pick(g, s.Enum).Raw)
	case s.XIntOrString:
		return pick(g, []any{pick(g, numbers), pick(g, words), pick(g, times)})
	}
	switch s.Type {
	case "object":
		return g.object(s)
	case "array":
		items := make([]any, 0, 3)
		for range g.IntN(4) {
			items = append(items, g.value(s.Items.Schema))
		}
		return items
	case "integer", "number":
		return g.number(s)
	case "boolean":
		return g.IntN(2) == 0
	}
	if s.Format == "date-time" {
		return pick(g, times)
	}
	return pick(g, words)
}

func (g generator) number(s *apiextensionsv1.JSONSchemaProps) any {
	bounds := []*float64{s.Minimum, s.Maximum}
	if bound := pick(g, bounds); bound != nil && g.IntN(2) == 0 {
		return json.Number(fmt.Sprintf("%.0f", *bound))
	}
	return pick(g, numbers)
}

func (g generator) object(s *apiextensionsv1.JSONSchemaProps) map[string]any {
	fields := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if slices.Contains(s.Required, name) || g.IntN(4) == 0 {
			fields[name] = g.value(&property)
		}
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		for range g.IntN(3) {
			fields[pick(g, words)] = g.value(s.AdditionalProperties.Schema)
		}
	}
	return fields
}

// some fields of an object: few enough that the server may take all of them.
func (g generator) some(s apiextensionsv1.JSONSchemaProps) map[string]any {
	fields := map[string]any{}
	names := slices.Sorted(maps.Keys(s.Properties))
	for range 1 + g.IntN(3) {
		name := pick(g, names)
		property := s.Properties[name]
		fields[name] = g.value(&property)
	}
	return fields
}

// confuse gives fields other types, as a later version of the schema might: stored objects keep their types.
func (g generator) confuse(s *apiextensionsv1.JSONSchemaProps, path string, keys []string) {
	leaf := s.Type == "string" || s.Type == "integer"
	inner := s.Type == "object" && s.Default == nil && strings.Count(path, ".") > 2
	if len(keys) == 0 && !s.XIntOrString && (leaf && g.IntN(3) == 0 || inner && g.IntN(12) == 0) {
		*s = apiextensionsv1.JSONSchemaProps{XIntOrString: true, Default: s.Default}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if !slices.Contains(keys, name) && !slices.Contains(selectable, path+"."+name) {
			g.confuse(&property, path+"."+name, nil)
			s.Properties[name] = property
		}
	}
	if s.Items != nil && s.Items.Schema != nil && (s.XListType == nil || *s.XListType != "set") {
		g.confuse(s.Items.Schema, path+"[]", s.XListMapKeys)
	}
}

// selectable fields are strings.
var selectable = []string{".apiVersion", ".kind", ".metadata", ".spec.nodeName", ".status.phase", ".status.policyName"}
