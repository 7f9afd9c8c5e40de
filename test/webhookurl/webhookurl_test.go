package webhookurl

import (
	"strings"
	"testing"
)

const installed = `
kind: Service
metadata: {name: s}
---
kind: ValidatingWebhookConfiguration
metadata: {name: w}
webhooks:
- name: a
  clientConfig: {service: {name: s, namespace: n, path: /p}}
  timeoutSeconds: 5
`

func TestWebhooksAreReachedByTheAddress(t *testing.T) {
	got, err := In([]byte(installed), "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"url: https://127.0.0.1:1/p": true, "namespace": false, "timeoutSeconds: 5": true, "kind: Service": true} {
		if strings.Contains(string(got), text) != want {
			t.Errorf("has %q: %t\n%s", text, !want, got)
		}
	}
	if _, err := In([]byte("kind: Service"), "127.0.0.1:1"); err == nil {
		t.Error("no error without webhooks")
	}
}
