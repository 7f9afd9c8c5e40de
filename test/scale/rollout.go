package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// rollout has nodes ask for a reboot at once, first while the policy is paused, and then lets all of them go.
func (r *run) rollout(ctx context.Context) error {
	before, err := r.used(ctx)
	if err != nil {
		return err
	}
	_, writes, err := r.requests()
	if err != nil {
		return err
	}
	if err := r.measureTaints(ctx); err != nil {
		return fmt.Errorf("taints: %w", err)
	}
	if err := r.measureOrders(ctx); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	_, after, err := r.requests()
	if err != nil {
		return err
	}
	r.result.Writes, r.result.Reboots = after-writes, r.options.Needs
	r.result.Rollout, err = r.usage(ctx, before)
	return err
}

func needName(i int) string { return "need-" + nodeName(i) }

// measureTaints creates the needs and sees when their nodes are tainted.
func (r *run) measureTaints(ctx context.Context) error {
	var first corev1.NodeList // what comes after it is watched
	if err := r.client.List(ctx, &first, client.Limit(1)); err != nil {
		return err
	}
	since := &metav1.ListOptions{ResourceVersion: first.ResourceVersion}
	nodes, err := r.client.Watch(ctx, &corev1.NodeList{}, &client.ListOptions{Raw: since})
	if err != nil {
		return err
	}
	defer nodes.Stop()
	var mu sync.Mutex
	asked := make(map[string]time.Time, r.options.Needs)
	created := make(chan error, 1)
	go func() {
		created <- each(ctx, r.options.Needs, func(ctx context.Context, i int) error {
			err := r.client.Create(ctx, &v1alpha1.NodeReboot{
				ObjectMeta: metav1.ObjectMeta{Name: needName(i)}, Spec: v1alpha1.NodeRebootSpec{NodeName: nodeName(i)},
			})
			mu.Lock()
			asked[nodeName(i)] = time.Now()
			mu.Unlock()
			return err
		})
	}()
	tainted := map[string]bool{}
	for event := range nodes.ResultChan() {
		node, is := event.Object.(*corev1.Node)
		if !is || tainted[node.Name] || !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintKey }) {
			continue
		}
		mu.Lock()
		begin, known := asked[node.Name]
		mu.Unlock()
		latency := time.Duration(0) // it was tainted before the answer to its creation came
		if known {
			latency = time.Since(begin)
		}
		tainted[node.Name] = true
		if r.result.Taint = append(r.result.Taint, latency); len(tainted) == r.options.Needs {
			slices.Sort(r.result.Taint)
			return <-created
		}
	}
	return errors.Join(errors.New("the watch of Nodes ended"), ctx.Err())
}

// measureOrders plays the helpers and hosts of all nodes until every need is met.
func (r *run) measureOrders(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	reboots, err := r.watchReboots(ctx)
	if err != nil {
		return err
	}
	if err := r.switchOn(ctx); err != nil {
		return err
	}
	hosts := &hosts{run: r, answered: map[string]answer{}, failed: make(chan error, 1)}
	defer hosts.group.Wait()
	var freed, ordered []time.Time
	for len(freed) < r.options.Needs {
		var reboot *v1alpha1.NodeReboot
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-hosts.failed:
			return err
		case reboot = <-reboots:
		}
		last := hosts.answered[reboot.Name]
		next := hosts.hear(ctx, reboot)
		switch {
		case next.complete && !last.complete:
			freed = append(freed, time.Now())
		case next.sequence == 1 && last.sequence == 0:
			ordered = append(ordered, time.Now())
		}
	}
	r.result.NextOrder = gaps(freed, ordered)
	return nil
}

// watchReboots returns the states of all needs as they come.
func (r *run) watchReboots(ctx context.Context) (<-chan *v1alpha1.NodeReboot, error) {
	reboots, err := rebootREST(r.cluster.Config())
	if err != nil {
		return nil, err
	}
	states := make(chan *v1alpha1.NodeReboot, 100*r.options.Needs)
	saw := func(object any) {
		if reboot, is := object.(*v1alpha1.NodeReboot); is && isNeed(reboot.Name) {
			states <- reboot
		}
	}
	source := toolscache.NewListWatchFromClient(reboots, "nodereboots", metav1.NamespaceNone, fields.Everything())
	_, informer := toolscache.NewInformerWithOptions(toolscache.InformerOptions{
		ListerWatcher: source, ObjectType: &v1alpha1.NodeReboot{},
		Handler: toolscache.ResourceEventHandlerFuncs{AddFunc: saw, UpdateFunc: func(_, object any) { saw(object) }},
	})
	go informer.RunWithContext(ctx)
	return states, nil
}

func isNeed(name string) bool { return len(name) > 5 && name[:5] == "need-" }

// gaps are the times from each end to the order that takes its slot, which is that after the first ones. They are sorted.
func gaps(freed, ordered []time.Time) []time.Duration {
	var all []time.Duration
	for i, order := range ordered[min(slots, len(ordered)):] {
		all = append(all, max(0, order.Sub(freed[i])))
	}
	slices.Sort(all)
	return all
}

// answer is what a host answered last.
type answer struct {
	sequence int64
	state    v1alpha1.OrderState
	boot     int
	reported bool
	complete bool
}

// hosts are those of all nodes, with their helpers. They carry out every order at once.
type hosts struct {
	*run
	answered map[string]answer
	group    sync.WaitGroup
	// failed has the first error.
	failed chan error
}

// hear answers what is new in a NodeReboot.
func (h *hosts) hear(ctx context.Context, reboot *v1alpha1.NodeReboot) answer {
	next, order := h.answered[reboot.Name], reboot.Status.Order
	node := nodeNumber(reboot.Name)
	switch {
	case reboot.Status.CompletionTime != nil:
		next.complete = true
	case order != nil && order.Sequence > next.sequence:
		next.sequence, next.state = order.Sequence, v1alpha1.OrderDone
		reboots := order.Action == v1alpha1.ActionReboot
		if reboots {
			next.boot++
		}
		h.do(func() error { return h.carryOut(ctx, reboot.Name, node, next, reboots) })
	case !next.reported:
		h.do(func() error { return h.report(ctx, reboot.Name, node, next) })
	}
	next.reported = true
	h.answered[reboot.Name] = next
	return next
}

func (h *hosts) do(write func() error) {
	h.group.Go(func() {
		if err := write(); err != nil {
			select {
			case h.failed <- err:
			default:
			}
		}
	})
}

// carryOut reports that the order is done, and brings up the host with another boot if it was one to reboot.
func (h *hosts) carryOut(ctx context.Context, name string, node int, done answer, reboots bool) error {
	if !reboots {
		return h.report(ctx, name, node, done)
	}
	before := done
	before.boot--
	if err := h.report(ctx, name, node, before); err != nil {
		return err
	}
	status := map[string]any{"status": map[string]any{"nodeInfo": map[string]any{"bootID": bootOf(node, 99-done.boot)}}}
	patch, err := json.Marshal(status)
	if err != nil {
		return err
	}
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(node)}}
	if err := h.client.Status().Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, patch)); err != nil {
		return err
	}
	if err := h.startPods(ctx, node); err != nil {
		return err
	}
	return h.report(ctx, name, node, done)
}

// startPods shows that the helper's containers were started again after the boot.
func (h *hosts) startPods(ctx context.Context, node int) error {
	var pod corev1.Pod
	if err := h.client.Get(ctx, client.ObjectKey{Namespace: h.cluster.Namespace(), Name: helperName(node)}, &pod); err != nil {
		return err
	}
	pod.Status.ContainerStatuses = containers("d")
	return h.client.Status().Update(ctx, &pod)
}

func (h *hosts) report(ctx context.Context, name string, node int, said answer) error {
	report := v1alpha1.HelperReport{
		Version: "v0.9.0", Protocol: v1alpha1.ProtocolLevel, BootID: bootOf(node, 99-said.boot), Sentinel: v1alpha1.SentinelNotRequired,
		Sequence: said.sequence, State: said.state, Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
		Instance: v1alpha1.HelperInstance{ID: "scale", Term: 1, PodName: "scale"},
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"report": report}})
	if err != nil {
		return err
	}
	object := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return h.client.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
}

// nodeNumber of a need.
func nodeNumber(name string) int {
	var i int
	if _, err := fmt.Sscanf(name, "need-"+nodeName(0)[:len(nodeName(0))-6]+"%d", &i); err != nil {
		return -1
	}
	return i
}
