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
	"strings"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// prometheus is a real one that collects from a manager.
type prometheus struct {
	t     *testing.T
	api   prometheusv1.API
	began time.Time
}

// configuration is that of docs/monitoring.md, with an address in place of the discovery of pods.
const configuration = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- job_name: reboot-operator
  scheme: https
  authorization:
    credentials_file: %q
  tls_config:
    ca_file: %q
    server_name: reboot-operator-metrics
  static_configs:
  - targets: [%q]
`

// startPrometheus has one collect from an address, with a token, and verify by an authority.
func startPrometheus(t *testing.T, target, token, authority string) *prometheus {
	t.Helper()
	path, folder := program(t, "prometheus"), t.TempDir()
	file := func(name, text string) string {
		written := filepath.Join(folder, name)
		if err := os.WriteFile(written, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return written
	}
	config := file("prometheus.yaml",
		fmt.Sprintf(configuration, writeRules(t, folder), file("token", token), file("ca.crt", authority), target))
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

// has says whether a query had data at any time since the Prometheus began.
func (p *prometheus) has(ctx context.Context, expr string) bool {
	p.t.Helper()
	result, _, _, err := p.api.QueryRange(ctx, expr, prometheusv1.Range{Start: p.began, End: time.Now(), Step: time.Second})
	if err != nil {
		if strings.Contains(err.Error(), "connection refused") {
			return false // It is starting.
		}
		p.t.Fatalf("%s: %v", expr, err)
	}
	matrix, ok := result.(model.Matrix)
	if !ok {
		p.t.Fatalf("%s gives a %s", expr, result.Type())
	}
	for _, series := range matrix {
		for _, sample := range series.Values {
			if !math.IsNaN(float64(sample.Value)) {
				return true
			}
		}
	}
	return false
}
