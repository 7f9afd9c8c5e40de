package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/log"

	plugincommands "github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/check"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// checked is a cluster with the operator installed, its manager running as a process, and three nodes.
type checked struct {
	*testbed.Cluster
	t *testing.T
}

func startChecked(ctx context.Context, t *testing.T) *checked {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log.SetLogger(logr.Discard())
	cluster, err := testbed.Start(ctx, testbed.Options{Log: logr.FromSlogHandler(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, node := range testbed.Fleet(3, 3, 0) {
		if _, err := cluster.AddNode(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.InstallWithManagers(ctx); err != nil {
		t.Fatal(err)
	}
	return &checked{cluster, t}
}

// run a command line against the cluster.
func (c *checked) run(ctx context.Context, in string, args ...string) (code int, out, errOut string) {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	a := app.New(genericiooptions.IOStreams{In: strings.NewReader(in), Out: &stdout, ErrOut: &stderr})
	code = plugincommands.Run(ctx, a, append([]string{"--kubeconfig", c.Kubeconfig()}, args...))
	return code, stdout.String(), stderr.String()
}

// lines of the check, by what is checked.
func (c *checked) lines(ctx context.Context) (map[string]check.Line, int) {
	c.t.Helper()
	code, out, errOut := c.run(ctx, "", "check", "-o", "json")
	var lines []check.Line
	if err := json.Unmarshal([]byte(out), &lines); err != nil {
		c.t.Fatalf("exit code %d: %v: %s%s", code, err, out, errOut)
	}
	byName := map[string]check.Line{}
	for _, line := range lines {
		byName[line.Check] = line
	}
	return byName, code
}

const linuxPolicy = "apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata: {name: linux}\nspec: {nodes: All}\n"

// TestAnInstallationIsChecked runs one story after another on one cluster, as a start takes seconds.
func TestAnInstallationIsChecked(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	c := startChecked(ctx, t)
	if err := c.Apply(ctx, []byte(linuxPolicy)); err != nil {
		t.Fatal(err)
	}
	t.Run("it lacks nothing", func(t *testing.T) { c.lacksNothing(ctx, t) })
	t.Run("a node is explained", func(t *testing.T) { c.isExplained(ctx, t) })
	t.Run("policies are compared", func(t *testing.T) { c.isLinted(ctx, t) })
	t.Run("an admission policy that is missing is noticed", func(t *testing.T) { c.missesAdmission(ctx, t) })
}

func (c *checked) lacksNothing(ctx context.Context, t *testing.T) {
	var failed []check.Line
	defer func() {
		if t.Failed() {
			t.Logf("these were not OK: %+v", failed)
		}
	}()
	await.True(t, "every line is OK", func() bool {
		lines, _ := c.lines(ctx)
		failed = nil
		for _, line := range lines {
			if line.Status != check.OK {
				failed = append(failed, line)
			}
		}
		return len(failed) == 0 && lines["policy linux"].Status == check.OK && lines["kind RebootPolicy"].Status == check.OK
	})
	if _, code := c.lines(ctx); code != app.ExitOK {
		t.Errorf("it ended with %d", code)
	}
}

func (c *checked) isExplained(ctx context.Context, t *testing.T) {
	node := c.Hosts()[0].Name()
	code, out, errOut := c.run(ctx, "", "why", node, "-o", "json")
	var answers []why.Answer
	if err := json.Unmarshal([]byte(out), &answers); err != nil || code != app.ExitOK || len(answers) != 1 {
		t.Fatalf("exit code %d: %v: %s%s", code, err, out, errOut)
	}
	if answer := answers[0]; answer.Reason != why.ReasonNoNeed || !strings.Contains(answer.Explanation,
		"is Ready and has seen no sentinel: it looks at the file") ||
		strings.Contains(answer.Explanation, "No manager") {
		t.Errorf("it says %+v", answer)
	}
	if code, _, errOut = c.run(ctx, "", "why", node+"x"); code != app.ExitFailed || !strings.Contains(errOut, "Did you mean "+node) {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func (c *checked) isLinted(ctx context.Context, t *testing.T) {
	code, out, errOut := c.run(ctx, linuxPolicy, "lint", "--strict", "-f", "-")
	if code != app.ExitOK || out != "" {
		t.Errorf("exit code %d: %s%s", code, out, errOut)
	}
	wrong := strings.Replace(linuxPolicy, "nodes: All", "nodeSelector: {matchLabels: {"+corev1.LabelOSStable+": beos}}", 1)
	if code, out, _ = c.run(ctx, wrong, "lint", "--strict", "-f", "-"); code != app.ExitNo || !strings.Contains(out,
		"it selects no node in the cluster") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func (c *checked) missesAdmission(ctx context.Context, t *testing.T) {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-helper"}}
	if err := c.Client().Delete(ctx, policy); err != nil {
		t.Fatal(err)
	}
	lines, code := c.lines(ctx)
	if line := lines["admission"]; line.Status != check.Fail || !strings.Contains(line.Message,
		"ValidatingAdmissionPolicy reboot-operator-helper") || code != app.ExitNo {
		t.Errorf("exit code %d: %+v", code, line)
	}
}
