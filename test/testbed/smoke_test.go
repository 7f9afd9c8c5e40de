package testbed

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	// lateness is how late a simulated kubelet may be on a busy machine. Early it may not be, but that times are written in whole seconds.
	lateness       = 30 * time.Second
	readyAfter     = 2 * time.Second
	terminateAfter = 1500 * time.Millisecond
	rebootDuration = 2 * time.Second
)

func startCluster(ctx context.Context, t *testing.T) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(t.Output(), nil))
	cluster, err := Start(ctx, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// TestACluster runs one story after another on one cluster, as a start takes seconds.
func TestACluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, t)
	for _, node := range Fleet(3, 3, 0) {
		node.RebootDuration = rebootDuration
		node.FastReboot = node.Zone == "c"
		if _, err := cluster.AddNode(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	app := App{Name: "web", Replicas: 3, AntiAffinity: true, ReadyAfter: readyAfter, TerminateAfter: terminateAfter}
	s := &story{t: t, ctx: ctx, cluster: cluster}
	s.run("pods are scheduled and become ready when they should", func(s *story) { s.podsBecomeReady(app) })
	s.run("a pod ends when it should", (*story).aPodEnds)
	s.run("a reboot restarts the pods and nothing happens while the host is down", (*story).aRebootRestartsPods)
	s.run("a fast reboot shows another boot ID and never that the node is not ready", (*story).aFastReboot)
	s.run("a host that is never back comes back when the test says so", (*story).aHostReturns)
	s.run("an annotation is a sentinel until the reboot", (*story).anAnnotationIsASentinel)
	s.run("a helper acts with the identity of its own pod", (*story).aHelperHasAnIdentity)
	s.run("pods run on while the API server is away, and kubelets say later what happened", (*story).theAPIServerIsAway)
	s.run("a kubelet says that its node is Ready where others took its silence for its end", (*story).aNodeIsKnownAgain)
	s.run("the lag of the cluster is measured", (*story).theLagIsMeasured)
	s.run("a deleted node stays away", (*story).aNodeIsDeleted)
}

// story is a test that watches the cluster.
type story struct {
	t       *testing.T
	ctx     context.Context
	cluster *Cluster
}

func (s *story) run(name string, tell func(*story)) {
	s.t.Helper()
	s.t.Run(name, func(t *testing.T) { tell(&story{t: t, ctx: s.ctx, cluster: s.cluster}) })
}

func (s *story) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) watchPods() watch.Interface {
	s.t.Helper()
	pods, err := s.cluster.Kubernetes().CoreV1().Pods(metav1.NamespaceDefault).Watch(s.ctx, metav1.ListOptions{})
	s.check(err)
	s.t.Cleanup(pods.Stop)
	return pods
}

func (s *story) watchNode(name string) watch.Interface {
	s.t.Helper()
	nodes, err := s.cluster.Kubernetes().CoreV1().Nodes().Watch(s.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	s.check(err)
	s.t.Cleanup(nodes.Stop)
	return nodes
}

// see returns the first object for whose event holds is true.
func see[T any](s *story, events watch.Interface, what string, holds func(watch.EventType, T) bool) T {
	s.t.Helper()
	for {
		select {
		case event, more := <-events.ResultChan():
			if object, ok := event.Object.(T); ok && holds(event.Type, object) {
				return object
			}
			if !more {
				s.t.Fatalf("the watch has ended: %s", what)
			}
		case <-s.ctx.Done():
			s.t.Fatalf("never seen: %s", what)
		}
	}
}

// took checks that something took as long as it should, by the recorded times: when it is seen says nothing.
func (s *story) took(what string, from, to time.Time, want time.Duration) {
	s.t.Helper()
	got := to.Sub(from)
	s.t.Logf("%s took %s, should take %s", what, got.Round(time.Millisecond), want)
	if got <= want-time.Second || got > want+lateness {
		s.t.Errorf("%s took %s, want %s", what, got, want)
	}
}

func (s *story) podOn(node string) *corev1.Pod {
	s.t.Helper()
	pods, err := s.cluster.Kubernetes().CoreV1().Pods(metav1.NamespaceDefault).List(s.ctx, metav1.ListOptions{
		FieldSelector: "spec.nodeName=" + node,
	})
	s.check(err)
	if len(pods.Items) != 1 {
		s.t.Fatalf("%d pods on %s, want 1", len(pods.Items), node)
	}
	return &pods.Items[0]
}

func (s *story) podsBecomeReady(app App) {
	pods := s.watchPods()
	s.check(s.cluster.CreateApp(s.ctx, app))
	nodes := map[string]bool{}
	for len(nodes) < 3 {
		pod := see(s, pods, "a pod is ready", func(_ watch.EventType, p *corev1.Pod) bool { return isReady(p.Status) })
		if !nodes[pod.Spec.NodeName] {
			s.took("readiness", startOf(pod), readySince(pod), readyAfter)
			nodes[pod.Spec.NodeName] = true
		}
	}
	s.check(s.cluster.WaitReady(s.ctx, app))
}

func (s *story) aPodEnds() {
	pod := s.podOn("worker-a1")
	pods := s.watchPods()
	begin := time.Now()
	s.check(s.cluster.Kubernetes().CoreV1().Pods(pod.Namespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
	see(s, pods, "the pod is gone", func(kind watch.EventType, p *corev1.Pod) bool {
		return kind == watch.Deleted && p.UID == pod.UID
	})
	s.took("termination", begin, time.Now(), terminateAfter)
	s.check(s.cluster.WaitReady(s.ctx, App{Name: "web", Replicas: 3}))
}

func (s *story) aRebootRestartsPods() {
	host, pod := s.cluster.Host("worker-a1"), s.podOn("worker-a1")
	before, err := host.BootID()
	s.check(err)
	node, pods := s.watchNode(host.Name()), s.watchPods()
	s.reboot(host)
	see(s, node, "the node is not ready", func(_ watch.EventType, n *corev1.Node) bool { return !nodeReady(n) })
	see(s, pods, "the pod is not ready", func(_ watch.EventType, p *corev1.Pod) bool {
		return p.UID == pod.UID && !isReady(p.Status)
	})
	see(s, node, "the node is ready", func(_ watch.EventType, n *corev1.Node) bool {
		if nodeReady(n) == (n.Status.NodeInfo.BootID == before) {
			s.t.Errorf("ready is %t with boot ID %s, which was %s before", nodeReady(n), n.Status.NodeInfo.BootID, before)
		}
		return nodeReady(n)
	})
	events := host.Events()
	accepted, up := events[len(events)-3], events[len(events)-1]
	if accepted.Kind != EventRebootAccepted || up.Kind != EventUp {
		s.t.Fatalf("the host's last events are %+v", events)
	}
	s.took("the reboot", accepted.At, up.At, shutdownDelay+rebootDuration)
	ready := see(s, pods, "the pod is ready again", func(_ watch.EventType, p *corev1.Pod) bool {
		if p.UID != pod.UID || !isReady(p.Status) {
			return false
		}
		container := p.Status.ContainerStatuses[0]
		if container.RestartCount != 1 || container.State.Running.StartedAt.Time.Before(up.At.Truncate(time.Second)) {
			s.t.Errorf("ready with the container of before: %+v", container)
		}
		return true
	})
	s.took("readiness after the boot", up.At, readySince(ready), readyAfter)
}

// startOf is when a pod's containers started.
func startOf(pod *corev1.Pod) time.Time {
	return pod.Status.ContainerStatuses[0].State.Running.StartedAt.Time
}

// readySince is when a pod became ready.
func readySince(pod *corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

func (s *story) reboot(host *Host) {
	boot, err := host.BootID()
	s.check(err)
	_, err = host.Reboot(s.ctx, boot, rebooter.Order{Method: rebooter.MethodLogind})
	s.check(err)
}

func (s *story) aFastReboot() {
	host := s.cluster.Host("worker-c1")
	before, err := host.BootID()
	s.check(err)
	node := s.watchNode(host.Name())
	s.reboot(host)
	see(s, node, "another boot ID", func(_ watch.EventType, n *corev1.Node) bool {
		if !nodeReady(n) {
			s.t.Error("the node was shown as not ready")
		}
		return n.Status.NodeInfo.BootID != before
	})
	s.check(s.cluster.WaitReady(s.ctx, App{Name: "web", Replicas: 3}))
}

func (s *story) aHostReturns() {
	host := s.cluster.Host("worker-b1")
	pod := s.podOn(host.Name())
	host.SetFault(FaultNeverBack)
	node, pods := s.watchNode(host.Name()), s.watchPods()
	s.reboot(host)
	see(s, node, "the node is not ready", func(_ watch.EventType, n *corev1.Node) bool { return !nodeReady(n) })
	s.check(s.cluster.Kubernetes().CoreV1().Pods(pod.Namespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
	select {
	case <-time.After(2 * rebootDuration): // that nothing happens has no event to wait for
	case <-s.ctx.Done():
	}
	if host.Up() {
		s.t.Error("the host is back")
	}
	if left := s.podOn(host.Name()); left.UID != pod.UID {
		s.t.Error("the pod ended on a host that is down")
	}
	host.Return()
	see(s, node, "the node is ready", func(_ watch.EventType, n *corev1.Node) bool { return nodeReady(n) })
	see(s, pods, "the pod is gone", func(kind watch.EventType, p *corev1.Pod) bool {
		return kind == watch.Deleted && p.UID == pod.UID
	})
	s.check(s.cluster.WaitReady(s.ctx, App{Name: "web", Replicas: 3}))
}

func (s *story) anAnnotationIsASentinel() {
	host := s.cluster.Host("worker-a1")
	_, err := s.cluster.kubectl(s.ctx, nil, "annotate", "node", host.Name(), RebootRequiredAnnotation+"=true")
	s.check(err)
	select {
	case <-host.sentinel.Changes():
	case <-s.ctx.Done():
		s.t.Fatal("the sentinel did not change")
	}
	if state, _ := host.sentinel.Check(s.ctx); state != "Required" {
		s.t.Errorf("sentinel is %s", state)
	}
	node := s.watchNode(host.Name())
	host.PowerCycle()
	see(s, node, "the node is ready without the annotation", func(_ watch.EventType, n *corev1.Node) bool {
		return n.Annotations[RebootRequiredAnnotation] == "" && nodeReady(n)
	})
	if state, _ := host.sentinel.Check(s.ctx); state != "NotRequired" {
		s.t.Errorf("sentinel is %s after the reboot", state)
	}
	s.check(s.cluster.WaitReady(s.ctx, App{Name: "web", Replicas: 3}))
}

// aHelperHasAnIdentity stands in for the helper: it asks the API server who it is.
func (s *story) aHelperHasAnIdentity() {
	s.check(s.cluster.Install(s.ctx))
	pods, err := s.cluster.Kubernetes().CoreV1().Pods(Namespace).Watch(s.ctx, metav1.ListOptions{
		FieldSelector: "spec.nodeName=worker-b1,status.phase=Running",
	})
	s.check(err)
	defer pods.Stop()
	pod := see(s, pods, "the helper's pod runs", func(_ watch.EventType, p *corev1.Pod) bool { return s.cluster.isHelper(p) })
	key := podKey{name: pod.Name, uid: pod.UID, serviceAccount: pod.Spec.ServiceAccountName}
	config := s.cluster.helperConfig(s.ctx, pod.Spec.NodeName, key)
	client, err := kubernetes.NewForConfig(config)
	s.check(err)
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(s.ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	s.check(err)
	user := review.Status.UserInfo
	if want := "system:serviceaccount:" + Namespace + ":" + helperName; user.Username != want {
		s.t.Errorf("the helper is %s, want %s", user.Username, want)
	}
	if node := user.Extra["authentication.kubernetes.io/node-name"]; len(node) != 1 || node[0] != "worker-b1" {
		s.t.Errorf("the helper's node is %v, want worker-b1", node)
	}
}

func (s *story) aNodeIsDeleted() {
	host := s.cluster.Host("worker-b1")
	s.check(host.Delete(s.ctx))
	if host.Up() {
		s.t.Error("the host of a deleted node runs")
	}
	host, err := s.cluster.AddNode(s.ctx, NodeOptions{Name: "worker-b1", Zone: "b"})
	s.check(err)
	if !host.Up() || s.cluster.Host("worker-b1") != host {
		s.t.Error("a new node of the same name does not take the place of the deleted one")
	}
}

func nodeReady(node *corev1.Node) bool { return newNodeRecord(Moment{}, node, false).Ready }
