package monitoring

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// serviceMonitor is what this test reads of one.
type serviceMonitor struct {
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		JobLabel  string `json:"jobLabel"`
		Endpoints []struct {
			Port, Scheme string
			TLSConfig    struct {
				ServerName string `json:"serverName"`
				CA         struct {
					ConfigMap corev1.ConfigMapKeySelector `json:"configMap"`
				} `json:"ca"`
			} `json:"tlsConfig"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// services are those that the operator installs.
func services(t *testing.T) []corev1.Service {
	t.Helper()
	var all []corev1.Service
	for _, file := range []string{"manager/manager.yaml", "webhook/service.yaml"} {
		for _, text := range bytes.Split(read(t, "../../config/"+file), []byte("\n---\n")) {
			var service corev1.Service
			if err := yaml.Unmarshal(text, &service); err == nil && service.Kind == "Service" {
				all = append(all, service)
			}
		}
	}
	return all
}

// What the Prometheus Operator makes of a ServiceMonitor: the endpoints of each Service that it selects which have the port, under the job
// that a label of the Service names.
func TestTheServiceMonitorSelectsThePortOfOneServiceUnderTheJobOfTheRules(t *testing.T) {
	var monitor serviceMonitor
	if err := yaml.Unmarshal(read(t, components+"monitoring/servicemonitor.yaml"), &monitor); err != nil {
		t.Fatal(err)
	}
	endpoint := monitor.Spec.Endpoints[0]
	var selected []string
	for _, service := range services(t) {
		hasPort := slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint.Port })
		if !hasPort || !labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(service.Labels)) {
			continue
		}
		selected = append(selected, service.Name)
		if job := service.Labels[monitor.Spec.JobLabel]; !strings.Contains(rulesOf(t)[0].Expr, `job="`+job+`"`) {
			t.Errorf("the job is %q, which the rules do not know", job)
		}
	}
	if len(services(t)) != 2 || len(selected) != 1 || selected[0] != endpoint.TLSConfig.ServerName {
		t.Errorf("of %d Services %q are selected, and the certificate is that of %q", len(services(t)), selected, endpoint.TLSConfig.ServerName)
	}
	manager := string(read(t, "../../config/manager/manager.yaml"))
	ca := endpoint.TLSConfig.CA.ConfigMap
	if ca.Key != "ca.crt" || !strings.Contains(manager, "kind: ConfigMap\nmetadata:\n  name: "+ca.Name+"\n") {
		t.Errorf("what to verify by is %q of ConfigMap %q", ca.Key, ca.Name)
	}
	if len(monitor.Spec.Endpoints) != 1 || endpoint.Scheme != "https" {
		t.Errorf("%d endpoints, by %q", len(monitor.Spec.Endpoints), endpoint.Scheme)
	}
}
