package testbed

import (
	"context"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// TestEvictionsAreNotAskedForInVain reboots nodes three at a time whose pods have one budget that lets one pod go.
func TestEvictionsAreNotAskedForInVain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	s := &story{t: t, ctx: ctx, cluster: cluster}
	var hosts []*Host
	for _, node := range Fleet(9, 3, 0) {
		host, err := cluster.AddNode(ctx, node)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, host)
	}
	if err := cluster.Install(ctx); err != nil {
		t.Fatal(err)
	}
	app := App{Name: "web", Replicas: 9, SpreadZones: true, MaxUnavailable: ptr.To(1)}
	app.ReadyAfter, app.TerminateAfter = 3*time.Second, time.Second
	if err := cluster.CreateApp(ctx, app); err != nil {
		t.Fatal(err)
	}
	s.startManager("first")
	policy := policyOfAll()
	policy.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(3))
	if err := cluster.client.Create(ctx, policy); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for _, host := range hosts {
		host.RequireReboot()
	}
	for _, host := range hosts {
		s.node(host.Name(), func(node *corev1.Node) bool {
			return host.boots() == 2 && !hasTaint(node) && !node.Spec.Unschedulable
		})
	}
	took := time.Since(begin)
	requests, err := cluster.Requests()
	if err != nil {
		t.Fatal(err)
	}
	var accepted, refused int
	for _, request := range requests {
		switch {
		case request.Resource != "pods/eviction" || request.Namespace != "default":
		case request.Code == http.StatusTooManyRequests:
			refused++
		case request.Code == http.StatusCreated:
			accepted++
		}
	}
	t.Logf("%d nodes in %s: %d evictions, %d refused", len(hosts), took.Round(time.Second), accepted, refused)
	// One is refused of a pod at most: from then on it is known which budget it has.
	if refused > accepted || accepted == 0 {
		t.Errorf("%d evictions were refused, and %d accepted", refused, accepted)
	}
}
