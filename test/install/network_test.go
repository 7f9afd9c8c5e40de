package install

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// reaches says whether the policies that select a pod let it connect to an address and port. Policies add up.
func reaches(t *testing.T, policies []networkingv1.NetworkPolicy, pod map[string]string, protocol corev1.Protocol, to string) bool {
	t.Helper()
	address := netip.MustParseAddrPort(to)
	for i := range policies {
		if !selector(t, &policies[i].Spec.PodSelector).Matches(labels.Set(pod)) {
			continue
		}
		for _, rule := range policies[i].Spec.Egress {
			if portOpen(rule.Ports, protocol, int32(address.Port())) && peerOpen(rule.To, address.Addr()) {
				return true
			}
		}
	}
	return false
}

func portOpen(ports []networkingv1.NetworkPolicyPort, protocol corev1.Protocol, port int32) bool {
	for _, open := range ports {
		first, last := open.Port.IntVal, open.Port.IntVal
		if open.EndPort != nil {
			last = *open.EndPort
		}
		if *open.Protocol == protocol && first <= port && port <= last {
			return true
		}
	}
	return len(ports) == 0
}

func peerOpen(peers []networkingv1.NetworkPolicyPeer, address netip.Addr) bool {
	for _, peer := range peers {
		if peer.IPBlock == nil || !netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(address) {
			continue
		}
		excepted := false
		for _, except := range peer.IPBlock.Except {
			excepted = excepted || netip.MustParsePrefix(except).Contains(address)
		}
		if !excepted {
			return true
		}
	}
	return len(peers) == 0
}

// The endpoints of an API server have whatever port a cluster gives them. What else of a cluster a helper could reach that its token would
// help with, or that asks for no token at all, stays shut.
func TestTheHelperReachesAnAPIServerAtAnyPortAndNotTheNodesAgents(t *testing.T) {
	all := rendered(t)
	pod := all.Helper.Spec.Template.Labels
	for to, want := range map[string]bool{
		"10.0.0.1:443":        true, // GKE, EKS, AKS
		"10.0.0.1:6443":       true, // kubeadm, k3s, OpenShift
		"10.0.0.1:8443":       true, // minikube
		"10.0.0.1:16443":      true, // MicroK8s
		"172.20.0.1:2040":     true, // IBM Cloud
		"203.0.113.7:30443":   true, // a control plane that runs in another cluster
		"[2001:db8::1]:7443":  true,
		"10.0.0.1:65535":      true,
		"10.0.0.1:2379":       false, // etcd
		"10.0.0.1:2380":       false,
		"10.0.0.1:10250":      false, // the kubelet
		"10.0.0.1:10255":      false, // the kubelet, without authentication
		"10.0.0.1:10249":      false, // kube-proxy
		"10.0.0.1:10259":      false, // the scheduler
		"169.254.169.254:443": false, // metadata of clouds
		"169.254.169.254:80":  false,
		"100.100.100.200:80":  false, // of Alibaba Cloud
		"[fd00:ec2::254]:443": false,
		"[fd20:ce::254]:443":  false, // of Google Cloud
		"[fe80::1]:443":       false,
		"[2001:db8::1]:10250": false,
	} {
		if got := reaches(t, all.Policies, pod, corev1.ProtocolTCP, to); got != want {
			t.Errorf("it reaches %s: %t", to, got)
		}
	}
	if reaches(t, all.Policies, pod, corev1.ProtocolUDP, "10.96.0.10:53") {
		t.Error("it asks for names, of which it needs none")
	}
}

// The manager itself refuses to send what gates ask for to these addresses; see controllers/gates/dial.go.
func TestNoPodReachesAnAddressThatGatesRefuse(t *testing.T) {
	all, refused := rendered(t), 0
	for _, local := range outbound.Local() {
		address := local.Addr()
		if address.IsLoopback() || address.IsUnspecified() || address.IsMulticast() {
			continue // no network carries that to another machine
		}
		refused++
		for name, template := range all.templates() {
			to := netip.AddrPortFrom(address, 80).String()
			if reaches(t, all.Policies, template.Labels, corev1.ProtocolTCP, to) {
				t.Errorf("%s reaches %s", name, to)
			}
		}
	}
	if refused < 5 {
		t.Errorf("only %d addresses were tried", refused)
	}
}

func TestTheManagerReachesWhatPoliciesNameAndNoMetadata(t *testing.T) {
	all := rendered(t)
	pod := all.Manager.Spec.Template.Labels
	for to, want := range map[string]bool{
		"10.0.0.1:6443": true, "10.0.0.1:9090": true, "[2001:db8::1]:9093": true,
		"169.254.169.254:80": false, "100.100.100.200:80": false, "[fd00:ec2::254]:80": false, "[fd20:ce::254]:80": false,
	} {
		if got := reaches(t, all.Policies, pod, corev1.ProtocolTCP, to); got != want {
			t.Errorf("it reaches %s: %t", to, got)
		}
	}
	if !reaches(t, all.Policies, pod, corev1.ProtocolUDP, "169.254.20.10:53") {
		t.Error("it cannot ask the node's cache for names")
	}
}
