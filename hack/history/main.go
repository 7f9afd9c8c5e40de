// Command history records a rollout on the testbed, for tests of what shows rollouts. It writes what a client sees in the middle and at the
// end of one in which a host refuses its first reboot, another comes back late, and a need is withdrawn.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	policyName = "all-nodes"
	refuses    = "worker-b5"
	late       = "worker-a2"
	withdrawn  = "worker-c9"
	// awayFor is how long the late host stays away after the operator said that it is late.
	awayFor = 12 * time.Second
	step    = 200 * time.Millisecond
)

// seen is what a client sees.
type seen struct {
	Now      time.Time               `json:"now"`
	Policies []v1alpha1.RebootPolicy `json:"policies"`
	Reboots  []v1alpha1.NodeReboot   `json:"reboots"`
	Nodes    []corev1.Node           `json:"nodes"`
	Events   []eventsv1.Event        `json:"events"`
}

func main() {
	folder := flag.String("out", "internal/plugin/history/recorded", "the folder to write to")
	flag.Parse()
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	err := record(ctx, *folder)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, folder string) (err error) {
	cluster, err := testbed.Start(ctx, testbed.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if err := cluster.Install(ctx); err != nil {
		return err
	}
	if _, err := cluster.StartManager(ctx, testbed.ManagerOptions{}); err != nil {
		return err
	}
	if err := build(ctx, cluster); err != nil {
		return err
	}
	cluster.Host(refuses).SetFault(testbed.FaultRebootRefused)
	cluster.Host(late).SetFault(testbed.FaultNeverBack)
	for _, host := range cluster.Hosts() {
		host.RequireReboot()
	}
	manual := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: "control-a1-firmware"},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: "control-a1", Reason: "New firmware"},
	}
	if err := cluster.Client().Create(ctx, manual); err != nil {
		return fmt.Errorf("create a NodeReboot: %w", err)
	}
	return follow(ctx, cluster, folder)
}

// build adds nodes, applications, and a policy whose window opens at the next full minute, after a freeze.
func build(ctx context.Context, cluster *testbed.Cluster) error {
	for i := range 9 {
		zone := string(rune('a' + i/3))
		name := fmt.Sprintf("worker-%s%d", zone, i+1)
		if _, err := cluster.AddNode(ctx, testbed.NodeOptions{Name: name, Zone: zone, RebootDuration: 4 * time.Second}); err != nil {
			return err
		}
	}
	options := testbed.NodeOptions{Name: "control-a1", Zone: "a", ControlPlane: true, RebootDuration: 5 * time.Second}
	if _, err := cluster.AddNode(ctx, options); err != nil {
		return err
	}
	for _, app := range []testbed.App{
		{Name: "web", Namespace: "shop", Replicas: 6, SpreadZones: true, ReadyAfter: 2 * time.Second, MaxUnavailable: ptr.To(2)},
		{
			Name: "checkout", Namespace: "shop", Replicas: 4, AntiAffinity: true,
			ReadyAfter: 6 * time.Second, TerminateAfter: 2 * time.Second, MinAvailable: ptr.To(3),
		},
	} {
		if err := cluster.CreateApp(ctx, app); err != nil {
			return err
		}
		if err := cluster.WaitReady(ctx, app); err != nil {
			return err
		}
	}
	if err := cluster.Client().Create(ctx, policy(time.Now().UTC())); err != nil {
		return fmt.Errorf("apply the policy: %w", err)
	}
	return nil
}

func policy(now time.Time) *v1alpha1.RebootPolicy {
	opens := now.Truncate(time.Minute).Add(time.Minute)
	if opens.Sub(now) < 15*time.Second {
		opens = opens.Add(time.Minute)
	}
	return &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: policyName},
		Spec: v1alpha1.RebootPolicySpec{
			Nodes: v1alpha1.NodesAll,
			Rollout: v1alpha1.RolloutSpec{
				MaxUnavailable: ptr.To(intstr.FromInt32(2)), MinIntervalSeconds: ptr.To[int32](0),
				Zones: v1alpha1.ZonesSpec{Order: []string{"b", "a"}},
			},
			Schedule: v1alpha1.ScheduleSpec{
				Windows: []v1alpha1.ScheduleWindow{{Cron: fmt.Sprintf("%d * * * *", opens.Minute()), DurationSeconds: 1800}},
				Freezes: []v1alpha1.Freeze{{
					Name: "release", From: metav1.NewTime(opens.Add(-5 * time.Minute)), To: metav1.NewTime(opens.Add(-10 * time.Second)),
				}},
				MinRemainingSeconds: ptr.To[int32](0),
			},
			Drain:    v1alpha1.DrainSpec{TimeoutSeconds: ptr.To[int32](60)},
			Reboot:   v1alpha1.RebootSpec{TimeoutSeconds: ptr.To[int32](15)},
			Recovery: v1alpha1.RecoverySpec{SettleSeconds: ptr.To[int32](1)},
			Failure:  v1alpha1.FailureSpec{MaxFailures: ptr.To(intstr.FromInt32(3)), BackoffSeconds: ptr.To[int32](5)},
		},
	}
}

// follow intervenes as the rollout continues, and writes what is seen.
func follow(ctx context.Context, cluster *testbed.Cluster, folder string) error {
	halfway, gone := false, false
	for ; ; wait(ctx) {
		now, err := look(ctx, cluster.Client())
		if err != nil {
			return err
		}
		done := 0
		for i := range now.Reboots {
			r := &now.Reboots[i]
			if r.Status.CompletionTime != nil {
				done++
			}
			intervene(cluster, r, now.Now, &gone)
		}
		switch {
		case done == len(now.Reboots) && done > len(now.Nodes):
			wait(ctx)
			return write(ctx, cluster, filepath.Join(folder, "end.json"))
		case !halfway && done > len(now.Nodes)/2:
			halfway = true
			if err := write(ctx, cluster, filepath.Join(folder, "middle.json")); err != nil {
				return err
			}
		}
	}
}

func intervene(cluster *testbed.Cluster, r *v1alpha1.NodeReboot, now time.Time, gone *bool) {
	switch host := cluster.Host(r.Spec.NodeName); {
	case host.Name() == refuses && r.Status.Failures != nil:
		host.SetFault(testbed.FaultNone)
	case host.Name() == late && !*gone && r.Status.Attempt != nil && r.Status.Attempt.StalledTime != nil &&
		now.Sub(r.Status.Attempt.StalledTime.Time) > awayFor:
		*gone = true
		host.Return()
	case host.Name() == withdrawn && !testbed.UnderWay(r.Status.Phase) && now.Sub(r.CreationTimestamp.Time) > awayFor:
		host.WithdrawReboot()
	}
}

func wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(step):
	}
}

func look(ctx context.Context, c client.Client) (*seen, error) {
	var (
		policies v1alpha1.RebootPolicyList
		reboots  v1alpha1.NodeRebootList
		nodes    corev1.NodeList
		events   eventsv1.EventList
	)
	for _, list := range []client.ObjectList{&policies, &reboots, &nodes, &events} {
		if err := c.List(ctx, list); err != nil {
			return nil, fmt.Errorf("look at the cluster: %w", err)
		}
	}
	now := &seen{Now: time.Now().UTC(), Policies: policies.Items, Reboots: reboots.Items}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		now.Nodes = append(now.Nodes, corev1.Node{ObjectMeta: node.ObjectMeta, Spec: node.Spec, Status: corev1.NodeStatus{
			Conditions: node.Status.Conditions, NodeInfo: node.Status.NodeInfo,
		}})
	}
	for i := range events.Items {
		if kind := events.Items[i].Regarding.Kind; kind == "Node" || kind == "NodeReboot" {
			now.Events = append(now.Events, events.Items[i])
		}
	}
	return now, nil
}

func write(ctx context.Context, cluster *testbed.Cluster, file string) error {
	now, err := look(ctx, cluster.Client())
	if err != nil {
		return err
	}
	for i := range now.Policies {
		now.Policies[i].ManagedFields = nil
	}
	for i := range now.Reboots {
		now.Reboots[i].ManagedFields = nil
	}
	for i := range now.Nodes {
		now.Nodes[i].ManagedFields = nil
	}
	for i := range now.Events {
		now.Events[i].ManagedFields = nil
	}
	content, err := json.MarshalIndent(now, "", " ")
	if err != nil {
		return fmt.Errorf("encode what is seen: %w", err)
	}
	if err := os.WriteFile(file, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("write what is seen: %w", err)
	}
	return nil
}
