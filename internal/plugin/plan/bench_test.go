package plan_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// BenchmarkPlan looks ahead from a file in which a third of the nodes need a reboot, with a policy of another file.
func BenchmarkPlan(b *testing.B) {
	for _, nodes := range []int{1000, 15_000} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			cluster := &objects.Cluster{Namespace: "reboot-operator-system", Taken: plugintest.Now}
			for i := range nodes {
				for _, object := range node(fmt.Sprintf("worker-%05d", i), string(rune('a'+i%3)), i%3 == 0) {
					switch typed := object.(type) {
					case *corev1.Node:
						cluster.Nodes = append(cluster.Nodes, typed)
					case *corev1.Pod:
						cluster.Pods = append(cluster.Pods, typed)
					case *v1alpha1.NodeReboot:
						cluster.Reboots = append(cluster.Reboots, typed)
					}
				}
			}
			file := filepath.Join(b.TempDir(), "cluster.yaml")
			out, err := os.Create(file)
			if err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(cluster.Write(out), out.Close()); err != nil {
				b.Fatal(err)
			}
			policy := filepath.Join(b.TempDir(), "policy.yaml")
			content := strings.Replace(gpu, "zone: b", "zone: a", 1) + "  rollout:\n    maxUnavailable: 10%\n"
			if err := os.WriteFile(policy, []byte(content), 0o600); err != nil {
				b.Fatal(err)
			}
			var output bytes.Buffer
			a := &app.App{
				IOStreams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &output, ErrOut: &output},
				Config:    genericclioptions.NewConfigFlags(false), Clock: clocktesting.NewFakePassiveClock(plugintest.Now), Zone: time.UTC,
				Size: func() (int, int) { return 80, 24 },
			}
			for b.Loop() {
				output.Reset()
				if code := plugin.Run(b.Context(), a, []string{"plan", "--from", file, "-f", policy}); code != app.ExitOK {
					b.Fatalf("it ended with %d:\n%s", code, output.String())
				}
			}
			b.Log(output.String())
		})
	}
}
