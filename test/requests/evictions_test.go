package requests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// maxRefused is how many evictions may be refused where nodes that are drained at the same time contend for a budget that allows one.
const maxRefused = 4

func TestNodesThatContendForABudget(t *testing.T) {
	cluster := start(t)
	const contended = 6
	var hosts []*testbed.Host
	for i := range contended {
		host, err := cluster.AddNode(t.Context(), testbed.NodeOptions{
			Name: fmt.Sprintf("node-%d", i+1), Zone: "a", RebootDuration: 2 * time.Second,
		})
		check(t, err)
		hosts = append(hosts, host)
	}
	app := testbed.App{
		Name: "web", Namespace: "shop", Replicas: 2 * contended, ReadyAfter: time.Second, TerminateAfter: time.Second, MaxUnavailable: ptr.To(1),
	}
	check(t, cluster.CreateApp(t.Context(), app))
	check(t, cluster.WaitReady(t.Context(), app))
	policy := &v1alpha1.RebootPolicy{}
	policy.Name, policy.Spec.Nodes = "all", v1alpha1.NodesAll
	policy.Spec.Rollout.MaxUnavailable, policy.Spec.Rollout.MinIntervalSeconds = ptr.To(intstr.FromInt(3)), ptr.To[int32](0)
	check(t, cluster.Client().Create(t.Context(), policy))
	before := quiet(t, cluster, 0)
	reboot(t, cluster, hosts)
	requests, err := cluster.Requests()
	check(t, err)
	accepted, refused := 0, 0
	for i := range requests[before:] {
		r := &requests[before+i]
		switch {
		case !r.Kind().Evicts() || strings.Contains(r.Body, "dryRun"):
		case r.Code == http.StatusTooManyRequests:
			refused++
			t.Logf("%s refused: %s", r.At.Format("05.000"), r.URI)
		default:
			accepted++
		}
	}
	t.Logf("%d evictions were accepted, and %d refused", accepted, refused)
	if accepted < contended {
		t.Errorf("only %d evictions were seen: this says nothing", accepted)
	}
	if refused > maxRefused {
		t.Errorf("%d of %d evictions were refused, want at most %d", refused, accepted+refused, maxRefused)
	}
}
