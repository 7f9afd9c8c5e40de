package clusters

import (
	"context"
	"maps"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// clustersPage quotes what the API server says.
const clustersPage = "../../docs/clusters.md"

// helperPod is a pod as the DaemonSet controller would make it in a namespace.
func (s *story) helperPod(in string) *corev1.Pod {
	s.Helper()
	var set appsv1.DaemonSet
	s.check(s.cluster.Client().Get(s.ctx, client.ObjectKey{Namespace: namespace, Name: helperName}, &set))
	spec := set.Spec.Template.Spec.DeepCopy()
	spec.ServiceAccountName, spec.DeprecatedServiceAccount = "", "" // another namespace has none of that name
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: in, GenerateName: "try-", Labels: maps.Clone(set.Spec.Template.Labels)}, Spec: *spec,
	}
}

func list(name corev1.ResourceName, quantity string) corev1.ResourceList {
	return corev1.ResourceList{name: resource.MustParse(quantity)}
}

func limit(item corev1.LimitRangeItem) client.Object {
	item.Type = corev1.LimitTypeContainer
	return &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}
}

func (s *story) theNamespaceRestricts() {
	page, err := os.ReadFile(clustersPage)
	s.check(err)
	for _, test := range []struct {
		name     string
		restrict client.Object
		want     string // part of the answer; empty if the pod is admitted, with a limit of CPU that it does not have of itself
	}{
		{"default-limits", limit(corev1.LimitRangeItem{
			Default:        corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("512Mi")},
			DefaultRequest: list(corev1.ResourceCPU, "100m"),
		}), ""},
		{"max-memory", limit(corev1.LimitRangeItem{Max: list(corev1.ResourceMemory, "16Mi")}), "maximum memory usage per Container is 16Mi"},
		{"max-cpu", limit(corev1.LimitRangeItem{Max: list(corev1.ResourceCPU, "1")}), ""},
		{"min-cpu", limit(corev1.LimitRangeItem{Min: list(corev1.ResourceCPU, "10m")}), "minimum cpu usage per Container is 10m"},
		{"ratio", limit(corev1.LimitRangeItem{MaxLimitRequestRatio: list(corev1.ResourceMemory, "2")}),
			"memory max limit to request ratio per Container is 2"},
		{"quota-of-limits", &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list(corev1.ResourceLimitsCPU, "10")}},
			"must specify limits.cpu"},
		{"quota-of-requests", &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list(corev1.ResourceRequestsMemory, "1Mi")}},
			"exceeded quota"},
		{"quota-of-pods", &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list(corev1.ResourcePods, "1")}}, "exceeded quota"},
	} {
		s.run(test.name, func(s *story) {
			test.restrict.SetNamespace(namespace)
			test.restrict.SetName(test.name)
			s.check(s.cluster.Client().Create(s.ctx, test.restrict))
			// The other cases begin without it.
			defer func() { s.check(s.cluster.Client().Delete(context.WithoutCancel(s.ctx), test.restrict)) }()
			s.inForce(test.restrict)
			if test.want == "" {
				s.admitsWithCPULimit()
				return
			}
			await.True(s, "the API server says: "+test.want, func() bool {
				return strings.Contains(s.try(s.helperPod(namespace)), test.want)
			})
			if !strings.Contains(string(page), test.want) {
				s.Errorf("%s does not quote %q", clustersPage, test.want)
			}
		})
	}
}

// admitsWithCPULimit waits until a helper's pod would get a limit of CPU by a LimitRange, and so until that is known.
func (s *story) admitsWithCPULimit() {
	await.True(s, "the API server limits the CPU", func() bool {
		pod := s.helperPod(namespace)
		if answer := s.try(pod); answer != "" {
			s.Fatalf("refused: %s", answer)
		}
		return !pod.Spec.Containers[0].Resources.Limits.Cpu().IsZero()
	})
}

// inForce waits until a quota has counted what there is; before that nobody knows what is left of it.
func (s *story) inForce(object client.Object) {
	quota, is := object.(*corev1.ResourceQuota)
	if !is {
		return
	}
	await.True(s, "the quota is counted", func() bool {
		s.check(s.cluster.Client().Get(s.ctx, client.ObjectKeyFromObject(quota), quota))
		return len(quota.Status.Used) > 0
	})
}

func (s *story) podSecurityRefusesTheHelper() {
	other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	s.check(s.cluster.Client().Create(s.ctx, other))
	pod := s.helperPod(other.Name)
	pod.Spec.PriorityClassName = "" // no quota there
	await.True(s, "the namespace has its ServiceAccount", func() bool {
		return s.cluster.Client().Get(s.ctx, client.ObjectKey{Namespace: other.Name, Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
	if answer := s.try(pod); !strings.Contains(answer, `violates PodSecurity "restricted:latest"`) {
		s.Errorf("another namespace, which enforces restricted, answers %q", answer)
	}
	if answer := s.try(s.helperPod(namespace)); answer != "" {
		s.Errorf("the operator's own namespace refuses it: %s", answer)
	}
}
