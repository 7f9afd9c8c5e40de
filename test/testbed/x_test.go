package testbed

import (
	"context"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestX(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	for _, n := range Fleet(6, 3, 2) {
		if _, err := cluster.AddNode(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.Install(ctx); err != nil {
		t.Fatal(err)
	}
	m1, err := cluster.StartManager(ctx, ManagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = cluster.StartManager(ctx, ManagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	two := 2
	apps := []App{{Name: "web", Replicas: 3, SpreadZones: true, ReadyAfter: 1 * time.Second, TerminateAfter: 2 * time.Second, MinAvailable: &two},
		{Name: "db", Kind: StatefulSet, Replicas: 3, AntiAffinity: true, ReadyAfter: 1 * time.Second, TerminateAfter: 1 * time.Second, MinAvailable: &two}}
	for _, app := range apps {
		if err := cluster.CreateApp(ctx, app); err != nil {
			t.Fatal(err)
		}
		if err := cluster.WaitReady(ctx, app); err != nil {
			t.Fatal(err)
		}
	}
	obs, err := cluster.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer obs.Stop()
	cluster.Apply(ctx, []byte("{apiVersion: reboot-operator.io/v1alpha1, kind: RebootPolicy, metadata: {name: all}, spec: {nodes: All, rollout: {maxUnavailable: 2}}}"))
	for _, h := range cluster.Hosts() {
		h.RequireReboot()
	}
	killed := false
	for {
		<-obs.Changes()
		v := obs.Recording().View()
		done := 0
		for _, r := range v.Reboots {
			if r.Status.Phase == v1alpha1.PhaseSucceeded {
				done++
			}
		}
		if done == 3 && !killed {
			killed = true
			t.Log(m1.Kill())
		}
		if done == 8 || ctx.Err() != nil {
			break
		}
	}
	s := obs.Summary()
	t.Logf("down %v policy %v zone %v cp %v zones %v makespan %v", s.Down, s.DownByPolicy, s.DownByZone, s.ControlPlaneDown, s.ZonesUnderWay, s.Makespan)
	for _, v := range s.Visits {
		t.Logf("%+v", v)
	}
	d := func(d *time.Duration) any {
		if d == nil {
			return "-"
		}
		return *d
	}
	for _, r := range s.Reboots {
		t.Log(r.Node, r.Zone, r.Policy, r.Outcome, r.Reason, "taint", d(r.SentinelToTaint), "lead", d(r.TaintLead), "drain", d(r.Drain), "down", d(r.Downtime), "rec", d(r.Recovery), "held", d(r.Held))
	}
	for _, a := range s.Apps {
		t.Logf("%+v", a)
	}
	t.Log(m1.MetricsURL())
}
