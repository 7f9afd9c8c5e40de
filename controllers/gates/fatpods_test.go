package gates

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/reboot-operator/reboot-operator/internal/podstream"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

// A page of pods is of any size: whoever may create pods gives each a megabyte.
func TestALookAtFatPodsHoldsOneOfThemAtATime(t *testing.T) {
	const limit = 16 // MiB
	core, err := typedcorev1.NewForConfig((&fatpods.Server{}).Start(t))
	if err != nil {
		t.Fatal(err)
	}
	peak := fatpods.NewPeak()
	measured := func(ctx context.Context, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
		*corev1.PodList, error) {
		return podstream.Of(core.RESTClient())(ctx, namespace, options, func(pod *corev1.Pod) *corev1.Pod {
			kept := keep(pod)
			peak.Measure()
			return kept
		})
	}
	inv := newInventory(newPodKeys())
	if err := inv.readPods(t.Context(), measured, map[string]*roomyNode{"n1": {Node: &corev1.Node{}, free: amounts{}}}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB", peak.MiB())
	if peak.MiB() > limit {
		t.Errorf("a look at them takes %d MiB, want at most %d", peak.MiB(), limit)
	}
}
