// Package requests counts what one reboot costs the API server: every request of the manager and of the helpers while a few nodes are
// rebooted, by what it is for.
package requests

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// maxWrites and maxRequests are the most that one reboot may cost: writes without evictions and with events, and all requests.
	maxWrites   = 20
	maxRequests = 40
	// nodes that are rebooted.
	nodes = 6
	// slowEnd is how long the pods of the slow application take to end.
	slowEnd = 12 * time.Second
	// settled is how long nothing is written once a rollout is over.
	settled = plan.LastDelay + 2*time.Second
)

func TestAReboot(t *testing.T) {
	cluster := start(t)
	var hosts []*testbed.Host
	for i := range nodes {
		zone := string(rune('a' + i/2))
		host, err := cluster.AddNode(t.Context(), testbed.NodeOptions{
			Name: fmt.Sprintf("node-%s%d", zone, i+1), Zone: zone, RebootDuration: 3 * time.Second,
		})
		check(t, err)
		hosts = append(hosts, host)
	}
	for _, app := range []testbed.App{
		{Name: "web", Namespace: "shop", Replicas: 4, AntiAffinity: true, ReadyAfter: 3 * time.Second, TerminateAfter: 2 * time.Second},
		{Name: "slow", Namespace: "shop", Replicas: 2, AntiAffinity: true, ReadyAfter: time.Second, TerminateAfter: slowEnd},
	} {
		check(t, cluster.CreateApp(t.Context(), app))
		check(t, cluster.WaitReady(t.Context(), app))
	}
	policy := &v1alpha1.RebootPolicy{}
	policy.Name, policy.Spec.Nodes = "all", v1alpha1.NodesAll
	check(t, cluster.Client().Create(t.Context(), policy))
	before := quiet(t, cluster, 0)

	reboot(t, cluster, hosts)
	after := quiet(t, cluster, before)
	requests, err := cluster.Requests()
	check(t, err)
	requests = requests[before:after]
	trace(t, requests, hosts[len(hosts)-1].Name())
	judge(t, requests)
}

// start starts a cluster with the operator and no nodes.
func start(t *testing.T) *testbed.Cluster {
	t.Helper()
	if os.Getenv(testbed.AssetsVariable) == "" {
		t.Skip("starts a control plane: " + testbed.AssetsVariable + " is not set")
	}
	log.SetLogger(logr.Discard())
	cluster, err := testbed.Start(t.Context(), testbed.Options{AuditBodies: true})
	check(t, err)
	t.Cleanup(func() { check(t, cluster.Stop()) })
	check(t, cluster.Install(t.Context()))
	_, err = cluster.StartManager(t.Context(), testbed.ManagerOptions{})
	check(t, err)
	return cluster
}

// reboot has all hosts ask for a reboot, and waits until each is proved.
func reboot(t *testing.T, cluster *testbed.Cluster, hosts []*testbed.Host) {
	t.Helper()
	for _, host := range hosts {
		host.RequireReboot()
	}
	await.True(t, "every node is rebooted", func() bool {
		var list v1alpha1.NodeRebootList
		check(t, cluster.Client().List(t.Context(), &list))
		proved := 0
		for i := range list.Items {
			if list.Items[i].Status.Phase == v1alpha1.PhaseSucceeded {
				proved++
			}
		}
		return proved == len(hosts)
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quiet waits until nothing was written for a while, after the first requests, and returns how many requests there were.
func quiet(t *testing.T, cluster *testbed.Cluster, after int) int {
	t.Helper()
	last, count, since := -1, after, time.Now()
	await.True(t, "nothing is written anymore", func() bool {
		requests, err := cluster.Requests()
		check(t, err)
		count = len(requests)
		writes := 0
		for kind, n := range testbed.CountRequests(requests) {
			if kind.Writes() {
				writes += n
			}
		}
		if writes != last {
			last, since = writes, time.Now()
		}
		return time.Since(since) > settled
	})
	return count
}

const (
	ofManager = "reboot-operator-manager"
	ofHelper  = "reboot-operator-helper"
)

// allowed is how often one reboot may need a write, on average; see docs/safety.md, which says what each is for.
var allowed = map[testbed.RequestKind]float64{
	{Actor: ofHelper, Verb: "create", Resource: "nodereboots"}: 1,
	// The first report, the end of the drain, the order to reboot, and another boot. One in three may be repeated.
	{Actor: ofHelper, Verb: "patch", Resource: "nodereboots/status"}: 4.4,
	// Waits, ordered to drain, ordered to reboot, succeeded; and what it waits for changes.
	{Actor: ofManager, Verb: "patch", Resource: "nodereboots/status"}:    5,
	{Actor: ofManager, Verb: "patch", Resource: "nodereboots"}:           1,
	{Actor: ofManager, Verb: "patch", Resource: "nodes"}:                 3,
	{Actor: ofManager, Verb: "patch", Resource: "nodes/status"}:          2.4,
	{Actor: ofManager, Verb: "patch", Resource: "rebootpolicies/status"}: 1.5,
	{Actor: ofManager, Verb: "create", Resource: "events"}:               2,
	{Actor: ofManager, Verb: "update", Resource: "configmaps"}:           1.2,
	{Actor: ofManager, Verb: "create", Resource: "configmaps"}:           0.2,
}

// judge compares what the reboots cost with what they may.
func judge(t *testing.T, requests []testbed.Request) {
	t.Helper()
	counts := testbed.CountRequests(requests)
	writes, all := 0.0, 0.0
	var table strings.Builder
	for _, kind := range testbed.SortedKinds(counts) {
		n := float64(counts[kind]) / nodes
		all += n
		fmt.Fprintf(&table, "%-26s %-8s %-32s %5.1f\n", kind.Actor, kind.Verb, kind.Resource, n)
		if !kind.Writes() || kind.Evicts() {
			continue
		}
		writes += n
		if limit := allowed[kind]; n > limit+0.01 {
			t.Errorf("%s: %.1f times %s %s for one reboot, want at most %.1f", kind.Actor, n, kind.Verb, kind.Resource, limit)
		}
	}
	t.Logf("per reboot:\n%s%.1f writes, %.1f requests", table.String(), writes, all)
	if writes > maxWrites {
		t.Errorf("%.1f writes per reboot, want at most %d", writes, maxWrites)
	}
	if all > maxRequests {
		t.Errorf("%.1f requests per reboot, want at most %d", all, maxRequests)
	}
	vain := 0
	for i := range requests {
		if r := &requests[i]; r.Kind().Writes() && r.Code == http.StatusConflict {
			vain++
		}
	}
	// On a busy machine a first report may be late.
	if vain > nodes/2 {
		t.Errorf("%d writes were made in vain: what they were based on had changed", vain)
	}
}

// trace logs the writes about one node.
func trace(t *testing.T, requests []testbed.Request, node string) {
	t.Helper()
	for i := range requests {
		r := &requests[i]
		if strings.Contains(r.URI+r.Body+r.As, node) && r.Kind().Writes() {
			t.Logf("%s %-24s %s %s %d %s", r.At.Format("05.000"), r.Actor, r.Verb, r.URI, r.Code, r.Body[:min(len(r.Body), 1500)])
		}
	}
}
