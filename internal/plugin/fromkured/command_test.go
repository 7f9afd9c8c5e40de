package fromkured_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

const (
	whole = "configuration: {drainTimeout: 30m, startTime: '1:00', endTime: '5:00'}\n"
	// undecided has a shell around the command.
	undecided = "configuration: {drainTimeout: 30m, useRebootSentinelHostPath: false, rebootSentinelCommand: sh -c '! needs-restarting'}\n"
	wrong     = "configuration:\n  drainTimeout: 30\n"
)

func kuredSet(t *testing.T, namespace, name string) *appsv1.DaemonSet {
	t.Helper()
	data, err := os.ReadFile("../../kured/testdata/daemonset-1.23.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var set appsv1.DaemonSet
	if err := yaml.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	set.Namespace, set.Name = namespace, name
	return &set
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheEndOfTheCommandSaysWhetherEverythingWasCarriedOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content   string
		args      []string
		code      int
		out, errs []string
	}{
		"everything": {whole, nil, app.ExitOK, []string{"kind: RebootPolicy", "name: from-kured", "mode: " +
			"Observe", `through: "05:00"`}, []string{"note  "}},
		"another name": {whole, []string{"--name", "night", "--mode", "Enforce"}, app.ExitOK, []string{"name: night", "mode: " +
			"Enforce"}, nil},
		"values": {whole, []string{"-o", "values"}, app.ExitOK, []string{"/run/reboot-required"}, nil},
		"findings": {undecided, []string{"-o", "findings"}, app.ExitNo, []string{"decide", "it runs a shell"}, []string{"error: " +
			"the policy is written without what needs a decision (1)"}},
		"something undecided": {undecided, nil, app.ExitNo, []string{"kind: RebootPolicy", "# decide"}, []string{"decide  "}},
		"something wrong": {wrong, nil, app.ExitNo, nil, []string{":2: configuration.drainTimeout: \"30\" is not a duration", "error: " +
			"no policy is written"}},
		"not of kured":         {"replicas: 1\n", nil, app.ExitFailed, nil, []string{"there is no configuration of kured in it"}},
		"not YAML":             {"a: [\n", nil, app.ExitFailed, nil, []string{"is not YAML"}},
		"an empty file":        {"", nil, app.ExitFailed, nil, []string{"there is no configuration of kured in it"}},
		"an unknown output":    {whole, []string{"-o", "json"}, app.ExitUsage, nil, []string{"write policy, values or findings"}},
		"an unknown mode":      {whole, []string{"--mode", "Off"}, app.ExitUsage, nil, []string{"write Observe, Enforce or Paused"}},
		"a file and a cluster": {whole, []string{"--from-cluster"}, app.ExitUsage, nil, []string{"say what to read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := plugintest.New(t, 0).Run(plugin.Run, append([]string{"from-kured", "-f", file(t, test.content)}, test.args...)...)
			if code != test.code {
				t.Errorf("it ended with %d, %s", code, errOut)
			}
			has(t, out, test.out...)
			has(t, errOut, test.errs...)
			if test.out == nil && out != "" {
				t.Errorf("it wrote %s", out)
			}
		})
	}
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

func TestValuesWithATokenAreForOnePersonOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.yaml")
	terminal := plugintest.New(t, 0)
	terminal.In = strings.NewReader("configuration: {drainTimeout: 1m, notifyUrl: slack://hook:T-B-secret@webhook}\n")
	code, out, errOut := terminal.Run(plugin.Run, "from-kured", "-f", "-", "--values-out", path)
	if code != app.ExitOK {
		t.Fatalf("it ended with %d, %s", code, errOut)
	}
	if strings.Contains(out+errOut, "secret") && strings.Contains(out+errOut, "T-B-secret") {
		t.Errorf("the token is in\n%s%s", out, errOut)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v: %v", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(data), "kured: slack://hook:T-B-secret@webhook")
}

func TestTheDaemonSetOfAClusterIsRead(t *testing.T) {
	t.Parallel()
	other := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kured"}}
	for name, test := range map[string]struct {
		objects []client.Object
		args    []string
		code    int
		want    string
	}{
		"where it usually is": {[]client.Object{kuredSet(t, "kube-system", "kured")}, nil, app.ExitOK, "DaemonSet kube-system/kured: " +
			"--drain-timeout"},
		"elsewhere, named": {[]client.Object{kuredSet(t, "ops", "reboots")}, []string{"-n", "ops", "--daemonset", "reboots"}, app.ExitOK, "DaemonSet ops/reboots"},
		"elsewhere":        {[]client.Object{kuredSet(t, "ops", "reboots")}, nil, app.ExitFailed, "kured is at -n ops --daemonset reboots"},
		"not there":        {nil, nil, app.ExitFailed, "no other DaemonSet of this cluster runs kured"},
		"another DaemonSet": {[]client.Object{other}, nil, app.ExitFailed,
			"there is no configuration of kured in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := plugintest.New(t, 0, test.objects...)
			code, _, errOut := terminal.Run(plugin.Run, append([]string{"from-kured", "--from-cluster"}, test.args...)...)
			if code != test.code {
				t.Errorf("it ended with %d", code)
			}
			has(t, errOut, test.want)
		})
	}
}

func TestTheHandoverIsAScriptAndChangesNothing(t *testing.T) {
	t.Parallel()
	set := kuredSet(t, "kube-system", "kured")
	set.Annotations = map[string]string{"weave.works/kured-node-lock": `{"nodeID":"a","metadata":{},"created":"2026-03-02T11:00:00Z","TTL":0}`}
	cordoned := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{Unschedulable: true}}
	for name, test := range map[string]struct {
		objects []client.Object
		args    []string
		want    []string
	}{
		"of the cluster": {[]client.Object{set, cordoned}, []string{"--from-cluster"}, []string{"held kured's lock for 1h0m0s", "# " +
			"kubectl uncordon a"}},
		"of a file":              {[]client.Object{set, cordoned}, []string{"-f", file(t, whole)}, []string{"held kured's lock for 1h0m0s"}},
		"of a file, without set": {[]client.Object{cordoned}, []string{"-f", file(t, whole)}, []string{"nothing says by whom"}},
		"of nothing": {[]client.Object{kuredSet(t, "kube-system", "kured")}, []string{"--from-cluster"}, []string{"Kured left " +
			"nothing on 0 nodes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var objects []client.Object
			for _, object := range test.objects {
				objects = append(objects, object.DeepCopyObject().(client.Object))
			}
			terminal := plugintest.New(t, 0, objects...)
			code, out, errOut := terminal.Run(plugin.Run, append([]string{"from-kured", "--handover"}, test.args...)...)
			if code != app.ExitOK {
				t.Errorf("it ended with %d, %s", code, errOut)
			}
			has(t, out, test.want...)
			var nodes corev1.NodeList
			if err := terminal.Client.List(context.Background(), &nodes); err != nil {
				t.Fatal(err)
			}
			for i := range nodes.Items {
				if !nodes.Items[i].Spec.Unschedulable {
					t.Error("the node was changed")
				}
			}
		})
	}
}
