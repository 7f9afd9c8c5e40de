package testbed

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// slack is how much later than on the dot a simulated kubelet may be on a busy machine, with the whole seconds of Kubernetes' time stamps.
const slack = 1500 * time.Millisecond

func startCluster(ctx context.Context, t *testing.T) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(t.Output(), nil))
	cluster, err := Start(ctx, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

func TestPodsAreScheduledBecomeReadyAndEndWhenTheyShould(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	for _, name := range []string{"worker-a1", "worker-b1", "worker-c1"} {
		if _, err := cluster.AddNode(ctx, NodeOptions{Name: name, Zone: name[7:8]}); err != nil {
			t.Fatal(err)
		}
	}
	app := App{Name: "web", Replicas: 3, AntiAffinity: true, ReadyAfter: 3 * time.Second, TerminateAfter: 2 * time.Second}
	if err := cluster.CreateApp(ctx, app); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitReady(ctx, app); err != nil {
		t.Fatal(err)
	}
	pods, err := cluster.Kubernetes().CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		started := pod.Status.ContainerStatuses[0].State.Running.StartedAt
		for _, condition := range pod.Status.Conditions {
			t.Log(pod.Name, pod.Spec.NodeName, condition.Type, condition.Status, condition.LastTransitionTime.Sub(started.Time))
		}
	}
	begin := time.Now()
	if err := cluster.Kubernetes().CoreV1().Pods("default").Delete(ctx, pods.Items[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_ = begin
	_ = corev1.PodReady
}
