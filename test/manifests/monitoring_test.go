package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// scraped is what is rendered for those who collect metrics.
type scraped struct {
	monitor *monitoringv1.ServiceMonitor
	manager *appsv1.Deployment
	objects Rendered
}

func scrapedWith(t *testing.T, components ...string) scraped {
	t.Helper()
	objects, err := RenderWith(components...)
	if err != nil {
		t.Fatal(err)
	}
	s := scraped{objects: objects, monitor: &monitoringv1.ServiceMonitor{}}
	if s.manager, err = Find[appsv1.Deployment](objects, "Deployment", "reboot-operator-manager"); err != nil {
		t.Fatal(err)
	}
	strictly(t, objects, "ServiceMonitor", s.monitor)
	return s
}

// strictly reads the only object of a kind, and refuses fields that the kind does not have.
func strictly(t *testing.T, objects Rendered, kind string, into any) {
	t.Helper()
	found := 0
	for _, object := range objects {
		if object.Kind() == kind {
			found++
			if err := yaml.UnmarshalStrict([]byte(YAML(object)), into); err != nil {
				t.Fatalf("%s %s: %v", kind, object.Name(), err)
			}
		}
	}
	if found != 1 {
		t.Fatalf("%d objects are a %s", found, kind)
	}
}

// endpoint is the only one of the monitor, of a Service that there is, and the Service's name is what is verified.
func (s scraped) endpoint(t *testing.T) monitoringv1.Endpoint {
	t.Helper()
	if len(s.monitor.Spec.Endpoints) != 1 || s.monitor.Spec.Endpoints[0].TLSConfig == nil {
		t.Fatalf("endpoints %+v", s.monitor.Spec.Endpoints)
	}
	endpoint := s.monitor.Spec.Endpoints[0]
	service, err := Find[corev1.Service](s.objects, "Service", ptr.Deref(endpoint.TLSConfig.ServerName, ""))
	if err != nil {
		t.Fatal(err)
	}
	selected := labels.SelectorFromSet(s.monitor.Spec.Selector.MatchLabels).Matches(labels.Set(service.Labels))
	named := slices.ContainsFunc(service.Spec.Ports, func(port corev1.ServicePort) bool { return port.Name == endpoint.Port })
	if !selected || !named || service.Labels[s.monitor.Spec.JobLabel] != "reboot-operator" {
		t.Errorf("the Service is selected: %t, has the port: %t, names the job %q", selected, named, service.Labels[s.monitor.Spec.JobLabel])
	}
	if ptr.Deref(endpoint.TLSConfig.InsecureSkipVerify, false) || ptr.Deref(endpoint.Scheme, "") != "https" {
		t.Errorf("it is not verified: %+v", endpoint)
	}
	return endpoint
}

func TestPrometheusVerifiesTheManagerByTheAuthorityThatItPublishes(t *testing.T) {
	s := scrapedWith(t, "monitoring")
	authority := s.endpoint(t).TLSConfig.CA.ConfigMap
	if authority == nil || authority.Key != "ca.crt" {
		t.Fatalf("the authority is in %+v", authority)
	}
	published, err := Find[corev1.ConfigMap](s.objects, "ConfigMap", authority.Name)
	if err != nil {
		t.Fatal(err)
	}
	role, err := Find[rbacv1.Role](s.objects, "Role", "reboot-operator-manager")
	if err != nil {
		t.Fatal(err)
	}
	mayWrite := slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Equal(rule.ResourceNames, []string{published.Name}) && slices.Contains(rule.Verbs, "update")
	})
	// Data here would replace what the manager wrote whenever the manifests are applied.
	if !mayWrite || len(published.Data) > 0 {
		t.Errorf("the manager may write it: %t, the manifests have %v", mayWrite, published.Data)
	}
}

func TestPrometheusMayCollectWithTheComponentAndWithoutItNobodyElse(t *testing.T) {
	objects := scrapedWith(t, "monitoring").objects
	binding, err := Find[rbacv1.ClusterRoleBinding](objects, "ClusterRoleBinding", "reboot-operator-prometheus")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Find[rbacv1.ClusterRole](objects, "ClusterRole", binding.RoleRef.Name); err != nil {
		t.Error(err)
	}
	discovery, err := Find[rbacv1.RoleBinding](objects, "RoleBinding", "reboot-operator-prometheus")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(binding.Subjects, discovery.Subjects); diff != "" {
		t.Errorf("who may collect and who may find what to collect from (-collect +find):\n%s", diff)
	}
	without, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text(without), "prometheus") {
		t.Error("config/default has something for Prometheus")
	}
}

func TestTheRulesAreOfTheirKind(t *testing.T) {
	strictly(t, scrapedWith(t, "monitoring").objects, "PrometheusRule", &monitoringv1.PrometheusRule{})
}

func TestCertManagersCertificateIsServedAndVerified(t *testing.T) {
	s := scrapedWith(t, "monitoring", "metrics-cert-manager")
	endpoint, pod := s.endpoint(t), s.manager.Spec.Template.Spec
	authority := endpoint.TLSConfig.CA.Secret
	if authority == nil || endpoint.TLSConfig.CA.ConfigMap != nil {
		t.Fatalf("it is verified by %+v", endpoint.TLSConfig.CA)
	}
	volume := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == authority.Name })
	if volume < 0 {
		t.Fatalf("the Secret %s is not mounted", authority.Name)
	}
	mount := slices.IndexFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == pod.Volumes[volume].Name })
	if mount < 0 || !slices.Contains(pod.Containers[0].Args, "--metrics-cert-dir="+pod.Containers[0].VolumeMounts[mount].MountPath) {
		t.Errorf("arguments %q do not name where it is mounted", pod.Containers[0].Args)
	}
	for _, object := range s.objects {
		if object.Kind() != "Certificate" || object.Name() != "reboot-operator-metrics" {
			continue
		}
		var certificate struct {
			Spec struct {
				DNSNames   []string `json:"dnsNames"`
				SecretName string   `json:"secretName"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(YAML(object)), &certificate); err != nil {
			t.Fatal(err)
		}
		if certificate.Spec.SecretName != authority.Name || !slices.Contains(certificate.Spec.DNSNames, *endpoint.TLSConfig.ServerName) {
			t.Errorf("the certificate %+v is not what is verified", certificate)
		}
		return
	}
	t.Error("there is no Certificate")
}

// The sidecar of Grafana's chart knows a dashboard by its label.
func TestEveryDashboardIsShippedAsItIs(t *testing.T) {
	objects, err := RenderWith("dashboards")
	if err != nil {
		t.Fatal(err)
	}
	root, err := configRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "components", "dashboards", "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatalf("dashboards %q, error %v", files, err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		shipped, err := Find[corev1.ConfigMap](objects, "ConfigMap", "reboot-operator-dashboard-"+strings.TrimSuffix(name, ".json"))
		if err != nil {
			t.Error(err)
			continue
		}
		if shipped.Data[name] != string(want) || shipped.Labels["grafana_dashboard"] != "1" || shipped.Namespace != Namespace {
			t.Errorf("%s: labels %v in %s, or other content", name, shipped.Labels, shipped.Namespace)
		}
	}
}
