package gates

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzExpression: compiling and evaluating any expression ends. The message about it is one line that repeats nothing of the object,
// because its readers may not be allowed to see the object.
func FuzzExpression(f *testing.F) {
	const secret = "hunter2s3cr3t"
	object := map[string]any{
		"metadata": map[string]any{"name": "a", "labels": map[string]any{"x": secret}},
		"spec":     map[string]any{"list": []any{secret, int64(7), nil, map[string]any{"k": secret}}, "text": secret},
	}
	for _, seed := range []string{
		"object.status.health == 'Green'",
		"{'x': true}[object.spec.text]",
		"object.spec.list.all(x, x == 7)",
		"object.spec.list.map(x, string(x))[9]",
		"int(object.spec.text) > 0",
		"quantity(object.spec.text).isGreaterThan(quantity('1'))",
		"object.spec.list.exists(a, object.spec.list.exists(b, a == b))",
		"dyn(1) + dyn('a') == object",
		"'\\u2028' + object.spec.text",
		"object[object.spec.text]",
		"has(object.a.b)",
		"(",
		"",
		"duration(object.spec.text) > duration('1s')",
		"object.metadata.labels.x.matches(object.spec.text + '(')",
		"url(object.spec.text).getHost() == ''",
		"timestamp(object.spec.text) > timestamp('2020-01-01T00:00:00Z')",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1024 { // as in the schema
			return
		}
		compiled, err := compile(text)
		if err != nil {
			oneLine(t, text, err.Error())
			return
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		_, err = compiled.holds(ctx, object)
		if ctx.Err() != nil {
			t.Fatalf("%q takes more than a minute", text)
		}
		if err == nil {
			return
		}
		said := failure(ctx, err, time.Minute)
		oneLine(t, text, said)
		if strings.Contains(said, secret) && !strings.Contains(text, secret) {
			t.Fatalf("%q: %q repeats what is in the object", text, said)
		}
	})
}

func oneLine(t *testing.T, about, said string) {
	t.Helper()
	if strings.TrimSpace(said) == "" || strings.ContainsAny(said, "\n\r") {
		t.Fatalf("%q: %q is not one line", about, said)
	}
}

// FuzzAlerts: what an Alertmanager answers is a list of alerts, or an error: what is not understood never counts as no alert.
func FuzzAlerts(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `{}`, `[{"labels":{"alertname":"A"}}]`, `[{"labels":7}]`, `[{}]x`, ``, `[`, `[{"labels":null},null]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		alerts, err := decodeAlerts(strings.NewReader(body))
		if err != nil {
			return
		}
		var want []any
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&want); err != nil || want == nil || len(want) != len(alerts) {
			t.Fatalf("%q is read as %d alerts, and has %d (%v)", body, len(alerts), len(want), err)
		}
	})
}
