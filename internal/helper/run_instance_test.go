package helper

import (
	"context"
	"sync"
	"testing"

	"github.com/go-logr/logr/testr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// runAs runs the helper of a pod.
func (c *cluster) runAs(podName, node string, host Host, sentinel Sentinel) (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			NodeName: node, Config: c.config, Host: host, Sentinel: sentinel, Log: testr.New(c.t), PodName: podName, Impersonation: ImpersonateNever,
		})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := await.Receive(c.t, "the helper ends", done); err != nil {
			c.t.Errorf("the helper ended with %v", err)
		}
	})
}

// writers follows which pod's helper writes the reports of a NodeReboot.
func (c *cluster) writers(name string) func() []string {
	c.t.Helper()
	source := toolscache.NewListWatchFromClient(c.rest, rebootsResource, "", fields.OneTermEqualSelector("metadata.name", name))
	events, err := source.WatchWithContext(c.t.Context(), metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(events.Stop)
	var written shared[[]string]
	go func() {
		for event := range events.ResultChan() {
			if r, ok := event.Object.(*v1alpha1.NodeReboot); ok && event.Type != watch.Deleted && r.Status.Report != nil {
				written.edit(func(all *[]string) { *all = append(*all, r.Status.Report.Instance.PodName) })
			}
		}
	}()
	return written.get
}

func TestOnARealAPIServerOneOfTwoHelpersOfANodeActs(t *testing.T) {
	c := newCluster(t)
	const node, name = "doubled", "doubled-by-hand"
	host := &fakeHost{bootID: bootA}
	c.runPod("free", node)
	c.kubelet(node)
	c.create(name, node)
	written := c.writers(name)
	from := func(pod string) func(*v1alpha1.NodeReboot) bool {
		return func(r *v1alpha1.NodeReboot) bool {
			return r.Status.Report != nil && r.Status.Report.Instance.PodName == pod
		}
	}
	stopOld := c.runAs("old", node, host, newFakeSentinel(v1alpha1.SentinelNotRequired))
	defer stopOld()
	c.await(name, "reported by the first one", from("old"))
	stopNew := c.runAs("new", node, host, newFakeSentinel(v1alpha1.SentinelNotRequired))
	defer stopNew()
	c.await(name, "reported by the second one", from("new"))

	c.status(name, map[string]any{"phase": "Draining", "order": orderOf(1, v1alpha1.ActionDrain), "lastSequence": 1})
	c.await(name, "drained", has(1, v1alpha1.OrderDone))
	c.status(name, map[string]any{"phase": "Rebooting", "order": orderOf(2, v1alpha1.ActionReboot), "lastSequence": 2})
	last := c.await(name, "recorded", has(2, v1alpha1.OrderStarted))
	await.True(t, "the host is ordered to reboot", func() bool { return len(host.reboots()) > 0 })
	if reboots := host.reboots(); len(reboots) != 1 {
		t.Errorf("the host was ordered to reboot %d times", len(reboots))
	}
	if !from("new")(last) {
		t.Errorf("the last report is of %+v", last.Status.Report.Instance)
	}
	if all := written(); alternations(all) != 1 {
		t.Errorf("the reports alternate: %v", all)
	}
}
