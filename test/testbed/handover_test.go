package testbed

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// leadership is who held the leader's lease, and since when an observer saw it.
type leadership struct {
	holder string
	seen   time.Time
}

// followLease reports every change of the holder.
func (s *story) followLease() <-chan leadership {
	s.t.Helper()
	events, err := s.cluster.kubernetes.CoordinationV1().Leases(s.cluster.namespace).Watch(s.ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, "reboot-operator").String(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(events.Stop)
	changes := make(chan leadership, 100)
	go func() {
		defer close(changes)
		last := "nobody yet"
		for event := range events.ResultChan() {
			lease, ok := event.Object.(*coordinationv1.Lease)
			if !ok || event.Type == watch.Deleted || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == last {
				continue
			}
			last = *lease.Spec.HolderIdentity
			changes <- leadership{holder: last, seen: time.Now()}
		}
	}()
	return changes
}

func (s *story) next(what string, changes <-chan leadership) leadership {
	s.t.Helper()
	select {
	case change, open := <-changes:
		if !open {
			s.t.Fatalf("%s: the watch has ended", what)
		}
		return change
	case <-s.ctx.Done():
		s.t.Fatalf("%s: %v", what, s.ctx.Err())
	}
	return leadership{}
}

func (s *story) startManager(pod string) *Manager {
	s.t.Helper()
	manager, err := s.cluster.StartManager(s.ctx, ManagerOptions{Env: []string{"POD_NAME=" + pod, "POD_UID=uid-of-" + pod}})
	if err != nil {
		s.t.Fatal(err)
	}
	return manager
}

// hasLed waits until the lease says that its holder has led for that long, by the holder's own clock. The first renewal is made when it
// knows that it leads.
func (s *story) hasLed(least time.Duration) {
	s.t.Helper()
	holder, first := "", time.Time{}
	err := waitForObject(s.ctx, s.cluster.kubernetes.CoordinationV1().RESTClient(), "leases", s.cluster.namespace, "reboot-operator",
		func(lease *coordinationv1.Lease) bool {
			spec := &lease.Spec
			if spec.HolderIdentity == nil || *spec.HolderIdentity == "" || spec.RenewTime == nil || spec.AcquireTime == nil {
				return false
			}
			switch renewed := spec.RenewTime.Time; {
			case !renewed.After(spec.AcquireTime.Time):
				return false
			case *spec.HolderIdentity != holder:
				holder, first = *spec.HolderIdentity, renewed
				return false
			default:
				return renewed.Sub(first) >= least
			}
		})
	if err != nil {
		s.t.Fatal(err)
	}
}

// node waits until something holds of a node, and returns when.
func (s *story) node(name string, holds func(*corev1.Node) bool) time.Time {
	s.t.Helper()
	if err := waitForObject(s.ctx, s.cluster.kubernetes.CoreV1().RESTClient(), "nodes", "", name, holds); err != nil {
		s.t.Fatal(err)
	}
	return time.Now()
}

func hasTaint(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == v1alpha1.TaintKey })
}

// quiet fails if a manager logged an error, or a stack trace.
func (s *story) quiet(manager *Manager) {
	s.t.Helper()
	file, err := os.Open(manager.LogPath())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := 0
	for scanner := bufio.NewScanner(file); scanner.Scan(); lines++ {
		var line struct {
			Level      string `json:"level"`
			Stacktrace string `json:"stacktrace"`
		}
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			s.t.Errorf("not a line of a log: %s", scanner.Text())
			continue
		}
		if line.Level != "INFO" && line.Level != "DEBUG" || line.Stacktrace != "" {
			s.t.Errorf("logged: %s", scanner.Text())
		}
	}
	if lines == 0 {
		s.t.Error("the log is empty")
	}
}

// TestTheLeadIsHandedOver ends the leader of two real managers in the middle of its work.
func TestTheLeadIsHandedOver(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	s := &story{t: t, ctx: ctx, cluster: cluster}
	var hosts []*Host
	for _, node := range Fleet(3, 1, 0) {
		host, err := cluster.AddNode(ctx, node)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, host)
	}
	if err := cluster.Install(ctx); err != nil {
		t.Fatal(err)
	}
	changes := s.followLease()
	first := s.startManager("first")
	if leader := s.next("the first one leads", changes); !strings.HasPrefix(leader.holder, "first_uid-of-first_") {
		t.Fatalf("%s leads", leader.holder)
	}
	second := s.startManager("second")
	if err := cluster.client.Create(ctx, policyOfAll()); err != nil {
		t.Fatal(err)
	}
	hosts[0].RequireReboot()
	s.node(hosts[0].Name(), hasTaint)

	stopped := time.Now()
	hosts[1].RequireReboot()
	if err := first.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	released, taken := s.next("the lease is released", changes), s.next("the second one leads", changes)
	if released.holder != "" || !strings.HasPrefix(taken.holder, "second_uid-of-second_") {
		t.Errorf("the lease was of %q, then of %q", released.holder, taken.holder)
	}
	hosts[2].RequireReboot()
	seen := s.node(hosts[2].Name(), hasTaint)
	t.Logf("from SIGTERM: released after %s, next leader after %s, its first taint after %s; the process ended after %s; nobody led for %s",
		released.seen.Sub(stopped), taken.seen.Sub(stopped), seen.Sub(stopped), ended.Sub(stopped), taken.seen.Sub(released.seen))
	s.quiet(first)

	// A run that was killed is followed by the next one of its pod without a wait, although its lease has not run out.
	killed := time.Now()
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	s.startManager("second")
	again := s.next("the pod leads again", changes)
	if !strings.HasPrefix(again.holder, "second_uid-of-second_") || again.holder == taken.holder {
		t.Errorf("%q leads", again.holder)
	}
	t.Logf("a killed run of the only manager: its pod leads again after %s", again.seen.Sub(killed))
	for _, host := range hosts {
		s.node(host.Name(), func(node *corev1.Node) bool {
			return host.boots() == 2 && !hasTaint(node) && !node.Spec.Unschedulable
		})
	}
}

func policyOfAll() *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "all"},
		Spec: v1alpha1.RebootPolicySpec{
			NodeSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelOSStable: "linux"}},
		},
	}
}

// TestTheLeadIsHandedOverBeforeTheNodeOfTheLeaderIsDrained has the leader's own node rebooted, where another manager is Ready.
func TestTheLeadIsHandedOverBeforeTheNodeOfTheLeaderIsDrained(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	s := &story{t: t, ctx: ctx, cluster: cluster}
	for _, node := range Fleet(3, 1, 0) {
		node.RebootDuration = time.Second
		if _, err := cluster.AddNode(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	changes := s.followLease()
	if err := cluster.InstallWithManagers(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitReady(ctx, App{Name: "reboot-operator-manager", Namespace: cluster.namespace, Replicas: 2}); err != nil {
		t.Fatal(err)
	}
	leader := s.next("one leads", changes)
	leaders, _, _ := strings.Cut(leader.holder, "_")
	pod, err := cluster.kubernetes.CoreV1().Pods(cluster.namespace).Get(ctx, leaders, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.client.Create(ctx, policyOfAll()); err != nil {
		t.Fatal(err)
	}
	host, log := cluster.Host(pod.Spec.NodeName), ""
	for _, manager := range host.ManagersOn() {
		log = manager.LogPath()
	}
	s.hasLed(10 * time.Second) // who has just begun to lead hands nothing over
	host.RequireReboot()

	released, taken := s.next("the lease is released", changes), s.next("the other one leads", changes)
	if released.holder != "" || taken.holder == "" || strings.HasPrefix(taken.holder, leaders) {
		t.Errorf("the lease was of %q, then of %q; it was that of %s", released.holder, taken.holder, leaders)
	}
	t.Logf("nobody led for %s", taken.seen.Sub(released.seen))
	s.node(host.Name(), func(node *corev1.Node) bool { return host.boots() == 2 && !hasTaint(node) && !node.Spec.Unschedulable })
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "Handing the lead over") || strings.Contains(string(text), "attempt started") {
		t.Errorf("the leader did not hand the lead over before the attempt began:\n%s", text)
	}
	var managers corev1.PodList
	if err := cluster.client.List(ctx, &managers, client.InNamespace(cluster.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range managers.Items {
		for _, status := range managers.Items[i].Status.ContainerStatuses {
			if cluster.isManager(&managers.Items[i]) && status.RestartCount > 0 {
				t.Errorf("the kubelet started the container of %s again", managers.Items[i].Name)
			}
		}
	}
}
