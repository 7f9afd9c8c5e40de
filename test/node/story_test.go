package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// within is how long anything may take on a machine that is busy with other things.
const within = 10 * time.Minute

// helperSet is the helper's DaemonSet.
const helperSet = "reboot-operator-helper"

// clockSlack is how far apart the clocks of an emulated machine may be that tell when it booted and for how long it has run.
const clockSlack = 5 * time.Second

// story is one chapter of the test.
type story struct {
	*testing.T
	*cluster
	ctx   context.Context
	begin time.Time
}

// must ends the chapter if err is not nil.
func (s *story) must(err error, doing string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(doing, args...), err)
	}
}

// eventually waits until holds returns nil.
func (s *story) eventually(what string, holds func() error) {
	s.Helper()
	s.must(s.await(s.ctx, within, holds), "wait until %s", what)
}

// on runs a script on a machine and returns what it writes.
func (s *story) on(node, script string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	output, err := s.guests[node].console.run(ctx, script)
	s.must(err, "%s", node)
	return strings.TrimSpace(output)
}

// bootOf asks the machine what it runs.
func (s *story) bootOf(node string) boot {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	boot, err := s.guests[node].boot(ctx)
	s.must(err, "ask %s for its boot", node)
	return boot
}

// apply applies a file of testdata.
func (s *story) apply(file string) {
	s.Helper()
	_, err := s.kubectl(s.ctx, "apply", "--server-side", "-f", filepath.Join("testdata", file))
	s.must(err, "apply %s", file)
}

// get reads an object from the cache of the observer.
func (s *story) get(object client.Object, namespace, name string) error {
	return s.cache.Get(s.ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
}

// rebootOf is the NodeReboot that a sentinel makes in a boot.
func (s *story) rebootOf(node string, boot boot) (*v1alpha1.NodeReboot, error) {
	var list v1alpha1.NodeRebootList
	if err := s.cache.List(s.ctx, &list); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if spec := &list.Items[i].Spec; spec.NodeName == node && spec.BootID == boot.id {
			return &list.Items[i], nil
		}
	}
	return nil, fmt.Errorf("there is no NodeReboot of node %s for boot %s", node, boot.id)
}

// inPhase returns nil if the boot's NodeReboot is in the phase.
func (s *story) inPhase(node string, boot boot, phase v1alpha1.Phase) error {
	reboot, err := s.rebootOf(node, boot)
	if err != nil {
		return err
	}
	if reboot.Status.Phase != phase {
		return fmt.Errorf("%s is %s, %s: %s", reboot.Name, reboot.Status.Phase, reboot.Status.Reason, reboot.Status.Message)
	}
	return nil
}

// inService returns nil if the node takes pods: Ready, not cordoned, not tainted by the operator.
func (s *story) inService(node string) error {
	var object corev1.Node
	if err := s.get(&object, "", node); err != nil {
		return err
	}
	if view := viewOf(&object); !view.ready || view.cordoned || view.tainted {
		return fmt.Errorf("%s: ready %t, cordoned %t, tainted %t", node, view.ready, view.cordoned, view.tainted)
	}
	return nil
}

// allReady returns nil if everything that should run does: the operator, the application, and its DaemonSet.
func (s *story) allReady() error { return errors.Join(s.workloadsReady(), s.helpersUpdated()) }

// workloadsReady is allReady without the helpers.
func (s *story) workloadsReady() error {
	var deployments appsv1.DeploymentList
	var sets appsv1.DaemonSetList
	if err := errors.Join(s.cache.List(s.ctx, &deployments), s.cache.List(s.ctx, &sets)); err != nil {
		return err
	}
	for _, d := range deployments.Items {
		want := *d.Spec.Replicas
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas != want || d.Status.ReadyReplicas != want {
			return fmt.Errorf("deployment %s: %d of %d ready", d.Name, d.Status.ReadyReplicas, want)
		}
	}
	for i := range sets.Items {
		if sets.Items[i].Name == helperSet {
			continue
		}
		if err := s.daemonSetReady(&sets.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) daemonSetReady(set *appsv1.DaemonSet) error {
	want := int32(len(s.guests))
	if set.Status.ObservedGeneration < set.Generation || set.Status.UpdatedNumberScheduled != want || set.Status.NumberReady != want {
		return fmt.Errorf("daemonset %s: %d of %d ready", set.Name, set.Status.NumberReady, want)
	}
	return nil
}

// requireReboot does what a package does that needs the host to reboot. It returns the boot that is to end.
func (s *story) requireReboot(node string) boot {
	s.Helper()
	before := s.bootOf(node)
	s.journal.add(node, said, "/run/reboot-required appears; %s", before)
	s.on(node, "echo linux-image-amd64 > /run/reboot-required.pkgs; echo '*** System restart required ***' > /run/reboot-required")
	return before
}

// events are what happened to the node in this chapter.
func (s *story) events(node string) []event { return s.journal.since(s.begin, node) }

// expectOrder fails unless the events happened, in this order.
func (s *story) expectOrder(node string, order ...what) {
	s.Helper()
	rest := s.events(node)
	for _, what := range order {
		i := indexOf(rest, what)
		if i < 0 {
			s.Fatalf("%s: %q is missing where it should be among %q", node, what, order)
		}
		rest = rest[i+1:]
	}
}

// expectNo fails if one of the events happened.
func (s *story) expectNo(node string, kinds ...what) {
	s.Helper()
	for _, what := range kinds {
		if i := indexOf(s.events(node), what); i >= 0 {
			s.Errorf("%s: %s: %s", node, what, s.events(node)[i].detail)
		}
	}
}

// expectAnotherBoot fails unless the machine runs exactly one boot after the given one, by everything that tells.
func (s *story) expectAnotherBoot(node string, before boot) boot {
	s.Helper()
	after := s.bootOf(node)
	s.journal.add(node, said, "before: %s", before)
	s.journal.add(node, said, "now:    %s", after)
	s.expectOneBoot(node, before, after)
	lastSeen := before.began.Add(before.uptime - clockSlack)
	if !after.began.After(before.began) || time.Now().Add(-after.uptime).Before(lastSeen) {
		s.Errorf("%s: was up since %s, now since %s", node, before.began, after.began)
	}
	return after
}

// expectOneBoot fails unless the boots are the machine's last two, the Node names the new one, and the sentinel is gone.
func (s *story) expectOneBoot(node string, before, after boot) {
	s.Helper()
	boots := strings.Fields(s.on(node, "cat /var/lib/node-test/boots"))
	if len(boots) < 2 || boots[len(boots)-2] != before.id || boots[len(boots)-1] != after.id {
		s.Errorf("%s: want one boot since %s, the machine counts %v", node, before.id, boots)
	}
	var object corev1.Node
	s.must(s.get(&object, "", node), "get %s", node)
	if object.Status.NodeInfo.BootID != after.id {
		s.Errorf("%s: the Node says %s, the machine %s", node, object.Status.NodeInfo.BootID, after.id)
	}
	if output := s.on(node, "ls /run/reboot-required* 2>/dev/null || true"); output != "" {
		s.Errorf("%s: the sentinel is still there: %s", node, output)
	}
}

// keepEvidence writes the journals of the machines that answer into the folder of logs, and what the cluster knows.
func (c *cluster) keepEvidence() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	write := func(name, content string, err error) {
		if err != nil {
			content += err.Error()
		}
		_ = os.WriteFile(filepath.Join(c.dir, name), []byte(content), plainFile)
	}
	for name, guest := range c.guests {
		output, err := guest.console.run(ctx, "journalctl --no-pager --output short-precise | tail -n 4000; tail -n 200 /var/log/pods/*/*/*.log")
		write(name+"-journal.log", output, err)
	}
	if c.Cluster != nil {
		output, err := c.kubectl(ctx, "get", "nodes,nodereboots,rebootpolicies,pods,daemonsets,deployments", "--all-namespaces", "-o", "yaml")
		write("objects.yaml", output, err)
	}
}
