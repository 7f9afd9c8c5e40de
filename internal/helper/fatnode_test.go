package helper

import (
	"context"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

// What a drain sees first are all pods of the node, and servers send them in different ways. The helper's memory limit is 64 MiB.
func TestADrainOfANodeWithFatPodsHoldsOneOfThemAtATime(t *testing.T) {
	const limit = 16 // MiB
	for name, server := range map[string]*fatpods.Server{
		"of a server that streams lists":           {Streams: true},
		"of a server that sends them in one piece": {},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := newPodClient(server.Start(t), testNode, ImpersonateNever, types.NamespacedName{})
			if err != nil {
				t.Fatal(err)
			}
			d, err := newDrain(drainOptions{api: client, amendment: amendment{order: v1alpha1.DrainOrder{}}})
			if err != nil {
				t.Fatal(err)
			}
			peak, keep := fatpods.NewPeak(), d.mirror.slim
			d.mirror.slim = func(pod *corev1.Pod) *corev1.Pod {
				peak.Measure()
				return keep(pod)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			defer running.Wait()
			defer cancel()
			running.Go(func() { d.mirror.run(ctx, logr.Discard(), d.api.Pods(d.mirror.keep), &corev1.Pod{}) })
			await.True(t, "all pods are seen", func() bool {
				pods, synced, _ := d.mirror.snapshot()
				return synced && len(pods) == fatpods.Pods
			})
			if streamed := server.Streamed.Load() > 0; streamed != server.Streams || (server.Listed.Load() > 0) == server.Streams {
				t.Errorf("the server sent %d streams and %d lists", server.Streamed.Load(), server.Listed.Load())
			}
			t.Logf("%d MiB", peak.MiB())
			if peak.MiB() > limit {
				t.Errorf("it takes %d MiB, want at most %d", peak.MiB(), limit)
			}
		})
	}
}
