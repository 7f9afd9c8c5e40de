package monitoring

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// prometheus is a real one that collects from a manager.
type prometheus struct {
	t     *testing.T
	api   prometheusv1.API
	began time.Time
}

// source is what a Prometheus discovers, and with which credentials and authority it scrapes.
type source struct {
	found            []endpoint
	token, authority string
}

// endpoint is a port of a Service, as Prometheus discovers it.
type endpoint struct{ service, port, address string }

// configuration is the one of docs/monitoring.md, with other files, and with what was found in place of the discovery: the Prometheus of
// Debian has none for Kubernetes.
func (s *source) configuration(t *testing.T, rules string, file func(name, text string) string) string {
	t.Helper()
	page := string(read(t, "../../docs/monitoring.md"))
	example := regexp.MustCompile("(?s)```yaml\n(scrape_configs:.*?)```").FindStringSubmatch(page)
	if example == nil {
		t.Fatal("docs/monitoring.md has no scrape_configs")
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(example[1]), &config); err != nil {
		t.Fatal(err)
	}
	job := config["scrape_configs"].([]any)[0].(map[string]any)
	job["authorization"] = map[string]any{"credentials_file": file("token", s.token)}
	job["tls_config"].(map[string]any)["ca_file"] = file("ca.crt", s.authority)
	delete(job, "kubernetes_sd_configs")
	var targets []any
	for _, e := range s.found {
		targets = append(targets, map[string]any{"targets": []string{e.address}, "labels": map[string]string{
			"__meta_kubernetes_service_name": e.service, "__meta_kubernetes_endpoint_port_name": e.port, "__meta_kubernetes_pod_name": "manager-0",
		}})
	}
	job["static_configs"] = targets
	config["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	config["rule_files"] = []string{rules}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startPrometheus has one find and collect from managers.
func startPrometheus(t *testing.T, from *source) *prometheus {
	t.Helper()
	path, folder := program(t, "prometheus"), t.TempDir()
	file := func(name, text string) string {
		written := filepath.Join(folder, name)
		if err := os.WriteFile(written, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return written
	}
	config := file("prometheus.yaml", from.configuration(t, writeRules(t, folder), file))
	address := freeAddress(t)
	var output bytes.Buffer
	command := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("Prometheus said:\n%s", output.String())
		}
	})
	client, err := promapi.NewClient(promapi.Config{Address: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	return &prometheus{t: t, api: prometheusv1.NewAPI(client), began: time.Now()}
}

// freeAddress is one on loopback that nothing listens on, and that no other program is given: the IP address is that of this process alone.
func freeAddress(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// awaitTarget waits until the manager is collected from, and says what the last error was if it never is.
func (p *prometheus) awaitTarget(ctx context.Context) {
	p.t.Helper()
	last := "it has not asked yet"
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("what came of the last scrape: %q", last)
		}
	})
	await.True(p.t, "Prometheus collects from the manager", func() bool {
		targets, err := p.api.Targets(ctx)
		if err != nil || len(targets.Active) != 1 {
			last = fmt.Sprint(err)
			return false
		}
		last = targets.Active[0].LastError
		return targets.Active[0].Health == prometheusv1.HealthGood
	})
}

// most is the largest sample that a query had at any time since the Prometheus began; NaN means none.
func (p *prometheus) most(ctx context.Context, expr string) float64 {
	p.t.Helper()
	most := math.NaN()
	result, _, _, err := p.api.QueryRange(ctx, expr, prometheusv1.Range{Start: p.began, End: time.Now(), Step: time.Second})
	if err != nil {
		if strings.Contains(err.Error(), "connection refused") {
			return most // It is starting.
		}
		p.t.Fatalf("%s: %v", expr, err)
	}
	matrix, ok := result.(model.Matrix)
	if !ok {
		p.t.Fatalf("%s gives a %s", expr, result.Type())
	}
	for _, series := range matrix {
		for _, sample := range series.Values {
			if value := float64(sample.Value); math.IsNaN(most) || value > most {
				most = value
			}
		}
	}
	return most
}
