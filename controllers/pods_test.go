package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// A pod whose budgets or Deployment are not known would be taken for one that may go at once.
func TestWithoutItsBudgetsAndItsDeploymentNothingIsSaidOfAPod(t *testing.T) {
	down := errors.New("the cache has ended")
	pod := newPod("web-1-x", func(p *corev1.Pod) {
		p.Labels = map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "1"}
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", Controller: ptr.To(true)}}
	})
	for want, fails := range map[string]interceptor.Funcs{
		"list PodDisruptionBudgets of namespace apps": {
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if _, is := list.(*policyv1.PodDisruptionBudgetList); is {
					return down
				}
				return c.List(ctx, list, options...)
			},
		},
		"read Deployment apps/web": {
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return down
			},
		},
	} {
		w := newWorld(t)
		cluster, is := w.Client.(client.WithWatch)
		if !is {
			t.Fatal("the cluster cannot be watched")
		}
		pods, err := projectPods(t.Context(), interceptor.NewClient(cluster, fails), &projection.KnownBudgets{}).Project([]*corev1.Pod{pod})
		if !errors.Is(err, down) || !strings.Contains(err.Error(), want) || len(pods) > 0 {
			t.Errorf("error %v, want %q; pods %+v", err, want, pods)
		}
	}
}
