// Package webhookurl has an API server reach the webhooks of a manager that is no pod: by an address, where the manifests name a Service.
package webhookurl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// In returns the manifests with the webhooks at address, such as 127.0.0.1:10250, and everything else as it was.
func In(manifests []byte, address string) ([]byte, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	var result bytes.Buffer
	changed := 0
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		if strings.HasSuffix(object.GetKind(), "WebhookConfiguration") {
			if err := move(object, address); err != nil {
				return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
			changed++
		}
		text, err := sigsyaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("write manifests: %w", err)
		}
		result.WriteString("---\n")
		result.Write(text)
	}
	if changed == 0 {
		return nil, errors.New("there are no webhooks in the manifests")
	}
	return result.Bytes(), nil
}

func move(configuration *unstructured.Unstructured, address string) error {
	webhooks, found, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil || !found {
		return errors.Join(errors.New("it has no webhooks"), err)
	}
	for _, entry := range webhooks {
		webhook, _ := entry.(map[string]any)
		path, found, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil || !found {
			return errors.Join(errors.New("a webhook names no path of a Service"), err)
		}
		webhook["clientConfig"] = map[string]any{"url": "https://" + address + path}
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}
