package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// countedPods is a podWatcher that counts how often it is asked in a pass, and how many watches are open at once.
type countedPods struct {
	fakePods
	open        sets.Set[string]
	asked, most int
}

func (p *countedPods) watch(_ context.Context, nodes []string) error {
	p.asked++
	p.open.Insert(nodes...)
	p.most = max(p.most, p.open.Len())
	return nil
}

func (p *countedPods) keep(nodes sets.Set[string]) { p.open = p.open.Intersection(nodes) }

func (p *countedPods) list(node string) ([]*corev1.Pod, bool) {
	if !p.open.Has(node) {
		return nil, false
	}
	return p.fakePods.list(node)
}

// refusingFleet has nodes whose pods must not be evicted, and after them in line so many others.
func refusingFleet(refusing, others int, change func(*v1alpha1.RebootPolicySpec)) ([]client.Object, *countedPods) {
	pods := &countedPods{fakePods: fakePods{pods: map[string][]*corev1.Pod{}}, open: sets.New[string]()}
	var names []string
	for i := range refusing + others {
		name := fmt.Sprintf("node-%04d", i)
		names = append(names, name)
		pods.pods[name] = nil
		if i < refusing {
			pods.pods[name] = []*corev1.Pod{newPod("bare", ready(corev1.ConditionTrue, testNow))}
		}
	}
	objects := fleet(v1alpha1.ModeEnforce, names...)
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.RebootPolicy:
			o.Spec.Drain.Unmanaged = v1alpha1.UnmanagedRefuse
			change(&o.Spec)
		case *corev1.Node:
			o.Labels = map[string]string{"host": o.Name}
		}
	}
	return objects, pods
}

func TestNodesThatRefuseADrainStarveNoOther(t *testing.T) {
	eachAZone := func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Zones = v1alpha1.ZonesSpec{Strategy: v1alpha1.ZonesOneAtATime, TopologyKey: "host", SoakSeconds: ptr.To[int32](0)}
	}
	for name, test := range map[string]struct {
		refusing, passes int
		change           func(*v1alpha1.RebootPolicySpec)
	}{
		"120 nodes":           {120, 1, func(*v1alpha1.RebootPolicySpec) {}},
		"800 nodes":           {800, 2, func(*v1alpha1.RebootPolicySpec) {}},
		"120 zones of a node": {120, 1, eachAZone},
	} {
		t.Run(name, func(t *testing.T) {
			objects, pods := refusingFleet(test.refusing, 1, test.change)
			w := newWorld(t, objects...)
			r := newReconciler(w, pods)
			last := fmt.Sprintf("rnode-%04d", test.refusing)
			passes := 0
			for ; passes < test.passes && w.reboot(t, last).Status.Order == nil; passes++ {
				pods.asked = 0
				result, err := r.Reconcile(t.Context(), clusterKey)
				if err != nil || pods.asked > maxRounds {
					t.Fatalf("pass %d asked %d times, error %v", passes, pods.asked, err)
				}
				if order := w.reboot(t, last).Status.Order; order == nil && result.RequeueAfter != burst {
					t.Fatalf("pass %d: the node does not start, and the next pass is in %s", passes, result.RequeueAfter)
				}
			}
			if order := w.reboot(t, last).Status.Order; order == nil || order.Action != v1alpha1.ActionDrain {
				t.Errorf("after %d passes: order %v, want a drain", passes, order)
			}
			if most := maxUndrainableWatched + 60; pods.most > most {
				t.Errorf("the pods of %d nodes were watched at once, want %d at most", pods.most, most)
			}
		})
	}
}

func TestManyNodesThatRefuseADrainAreToldSoAndLookedAtOnceInAWhile(t *testing.T) {
	const nodes = 200
	objects, pods := refusingFleet(nodes, 0, func(*v1alpha1.RebootPolicySpec) {})
	w := newWorld(t, objects...)
	r := newReconciler(w, pods)
	for range 3 {
		if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
			t.Fatal(err)
		}
	}
	for i := range nodes {
		status := w.reboot(t, fmt.Sprintf("rnode-%04d", i)).Status
		if status.Reason != v1alpha1.ReasonDrainRefused || !strings.Contains(status.Message, fmt.Sprintf("node-%04d", i)) {
			t.Fatalf("node %d: %s %q", i, status.Reason, status.Message)
		}
	}
	pods.asked = 0
	result, err := r.Reconcile(t.Context(), clusterKey)
	// That their reboots are planned is shown on the nodes after a minute; before that no pass has to come.
	if err != nil || pods.asked > 1 || result.RequeueAfter != time.Minute || pods.open.Len() != maxUndrainableWatched {
		t.Errorf("a pass in which nothing is new asked %d times, the next one is in %s, the pods of %d nodes are watched, error %v",
			pods.asked, result.RequeueAfter, pods.open.Len(), err)
	}
}
