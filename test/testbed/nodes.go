package testbed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycoordination "k8s.io/client-go/applyconfigurations/coordination/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	leaseDuration = 40 * time.Second
	leaseInterval = 10 * time.Second
	fieldManager  = "testbed"
	// kubeletReady and kubeletNotReady are the reasons that a kubelet gives.
	kubeletReady    = "KubeletReady"
	kubeletNotReady = "KubeletNotReady"
)

// NodeOptions describe a node and the machine it runs on.
type NodeOptions struct {
	Name string
	// Zone is the value of the label topology.kubernetes.io/zone. Empty means no zone.
	Zone string
	// ControlPlane labels and taints the node as kubeadm does.
	ControlPlane bool
	Labels       map[string]string
	// RebootDuration is the time from the shutdown until the node is Ready again. 0 means 2 seconds.
	RebootDuration time.Duration
	// FastReboot never shows the node as not Ready: only its boot ID changes.
	FastReboot bool
	// PodStatusLag is how long after the boot pods still show their status from before, as they do until a real kubelet has looked at each of
	// them.
	PodStatusLag time.Duration
	// OSImage is what the kubelet reports as the operating system. Empty means an unknown one.
	OSImage string
	// WithoutHelper leaves the host without a helper until StartHelper.
	WithoutHelper bool
}

// AddNode creates a Node that is Ready, and the host it runs on.
func (c *Cluster) AddNode(ctx context.Context, options NodeOptions) (*Host, error) {
	if options.RebootDuration <= 0 {
		options.RebootDuration = defaultRebootDuration
	}
	host := newHost(c, options)
	if err := c.register(host); err != nil {
		return nil, err
	}
	if err := host.renewLease(ctx); err != nil {
		return nil, err
	}
	node, err := c.kubernetes.CoreV1().Nodes().Create(ctx, host.node(), metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create node %s: %w", options.Name, err)
	}
	host.setNode(node.UID)
	c.kubelets.workers.Go(host.renewLeases)
	c.kubelets.lookAgain(options.Name)
	return host, nil
}

// register adds the host. The name of a deleted node may be used again.
func (c *Cluster) register(host *Host) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, found := c.hosts[host.Name()]; found {
		if !old.isGone() {
			return fmt.Errorf("node %s exists", host.Name())
		}
		host.boot = old.boots() + 1 // pods of the old node do not run here
	}
	c.hosts[host.Name()] = host
	return nil
}

// node is the object with which a kubelet registers itself.
func (h *Host) node() *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname:   h.options.Name,
		corev1.LabelOSStable:   "linux",
		corev1.LabelArchStable: "amd64",
	}
	if h.options.Zone != "" {
		labels[corev1.LabelTopologyZone] = h.options.Zone
	}
	var taints []corev1.Taint
	if h.options.ControlPlane {
		labels[v1alpha1.ControlPlaneLabel] = ""
		taints = append(taints, corev1.Taint{Key: v1alpha1.ControlPlaneLabel, Effect: corev1.TaintEffectNoSchedule})
	}
	maps.Copy(labels, h.options.Labels)
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("16"),
		corev1.ResourceMemory: resource.MustParse("64Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: h.options.Name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: taints},
		Status: corev1.NodeStatus{
			Capacity: resources, Allocatable: resources,
			Conditions: h.conditions(true),
			NodeInfo:   h.nodeInfo(),
		},
	}
}

// conditions are the ones that a kubelet owns.
func (h *Host) conditions(ready bool) []corev1.NodeCondition {
	now := metav1.NewTime(h.cluster.clock.Now())
	condition := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: kubeletReady, Message: "kubelet is posting ready status",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}
	if !ready {
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, kubeletNotReady, "node is shutting down"
	}
	return []corev1.NodeCondition{condition}
}

func (h *Host) nodeInfo() corev1.NodeSystemInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return corev1.NodeSystemInfo{
		BootID: h.bootID, MachineID: h.machineID, SystemUUID: h.machineID,
		KernelVersion: kernelVersion(h.kernel), OSImage: cmp.Or(h.options.OSImage, "Simulated Linux"),
		ContainerRuntimeVersion: "testbed://1", KubeletVersion: h.cluster.edition.Version, OperatingSystem: "linux", Architecture: "amd64",
	}
}

// kernelVersion is what the node reports as the version of its kernel. Every reboot finds the next version installed.
func kernelVersion(patch int) string { return fmt.Sprintf("6.12.%d", patch) }

// writeNodeStatus patches what a kubelet owns of its node's status and nothing else: others keep conditions there as well.
func (h *Host) writeNodeStatus(ctx context.Context, status corev1.NodeStatus) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": status.Conditions, "nodeInfo": status.NodeInfo,
	}})
	if err != nil {
		return fmt.Errorf("encode a node's status: %w", err)
	}
	nodes := h.cluster.kubernetes.CoreV1().Nodes()
	if _, err := nodes.Patch(ctx, h.Name(), types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("patch the status of node %s: %w", h.Name(), err)
	}
	return nil
}

// renewLeases does so until the node is gone. A host that is down is silent.
func (h *Host) renewLeases() {
	for {
		select {
		case <-h.cluster.background.Done():
			return
		case <-h.gone:
			return
		case <-h.cluster.clock.After(leaseInterval):
		}
		if !h.Up() {
			continue
		}
		ctx, cancel := context.WithTimeout(h.cluster.background, kubeletTimeout)
		err := errors.Join(h.renewLease(ctx), h.knownAgain(ctx))
		cancel()
		if h.cluster.background.Err() == nil {
			h.report(h.cluster.background, err)
		}
	}
}

// knownAgain says that the host is Ready where the node lifecycle controller has taken its silence for its end.
func (h *Host) knownAgain(ctx context.Context) error {
	if !h.cluster.kubelets.isUnknown(h.Name()) {
		return nil
	}
	h.power.RLock()
	defer h.power.RUnlock()
	if !h.up {
		return nil
	}
	return h.writeNodeStatus(ctx, corev1.NodeStatus{Conditions: h.conditions(true), NodeInfo: h.nodeInfo()})
}

func (h *Host) renewLease(ctx context.Context) error {
	lease := applycoordination.Lease(h.Name(), corev1.NamespaceNodeLease).WithSpec(applycoordination.LeaseSpec().
		WithHolderIdentity(h.Name()).
		WithLeaseDurationSeconds(int32(leaseDuration / time.Second)).
		WithRenewTime(metav1.NewMicroTime(h.cluster.clock.Now())))
	_, err := h.cluster.kubernetes.CoordinationV1().Leases(corev1.NamespaceNodeLease).
		Apply(ctx, lease, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("renew the lease of node %s: %w", h.Name(), err)
	}
	return nil
}
