package install_test

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func labels(component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "reboot-operator", v1alpha1.ComponentLabel: component}
}

func helperPod(name, node string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: name, Labels: labels("helper")}, Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func installed(args ...string) []client.Object {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "helper", Labels: labels("helper")}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "rebooter", Args: args}}
	return []client.Object{
		set, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "manager", Labels: labels("manager")}},
		helperPod("h-2", "a", corev1.ConditionTrue), helperPod("h-1", "a", corev1.ConditionFalse), helperPod("h-3", "b", corev1.ConditionFalse),
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: install.LeaseName}},
	}
}

func TestAnInstallationIsFoundWhereverItIs(t *testing.T) {
	t.Parallel()
	c := plugintest.New(t, 0, installed("--sentinel=/run/x")...).Client
	for _, namespace := range []string{"", "ops"} {
		i := install.Read(t.Context(), c, namespace)
		if i.Namespace != "ops" || len(i.Managers) != 1 || len(i.HelperSets) != 1 || len(i.HelperPods) != 3 || i.Lease == nil ||
			len(i.Unknown) > 0 {
			t.Errorf("%+v", i)
		}
		if pod := i.Helper("a"); pod == nil || pod.Name != "h-2" {
			t.Errorf("the helper of node a is %v", pod)
		}
		if pod := i.Helper("c"); pod != nil {
			t.Errorf("the helper of node c is %s", pod.Name)
		}
	}
	if i := install.Read(t.Context(), plugintest.New(t, 0).Client, ""); i.Namespace != install.DefaultNamespace {
		t.Errorf("nothing is installed in namespace %s", i.Namespace)
	}
}

func TestWhatMayNotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	forbidden := errors.New("forbidden")
	c := interceptor.NewClient(plugintest.New(t, 0, installed()...).Client, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return forbidden
		},
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return forbidden
		},
	})
	i := install.Read(t.Context(), c, "")
	for _, part := range []install.Part{install.Manager, install.Helpers, install.Pods, install.Lease} {
		if !errors.Is(i.Unknown[part], forbidden) {
			t.Errorf("%s is known", part)
		}
	}
	if _, silent := i.Silence(time.Now()); silent {
		t.Error("a lease that may not be read says that no one leads")
	}
}

func TestWhatHelpersLookAtFollowsFromTheirFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"":                               {"--reboot-method=Logind"},
		"the file /a, the file /b":       {"--sentinel=/a", "--sentinel", "/b"},
		"the preset dnf, a newer kernel": {"--sentinel-preset=dnf", "--sentinel-kernel"},
		"the command /bin/check":         {"--sentinel-command=/bin/check", "--sentinel-kernel=false"},
		"nothing of the host, because it runs with --no-sentinel": {"--no-sentinel", "--sentinel=/a"},
	} {
		if got := install.Read(t.Context(), plugintest.New(t, 0, installed(args...)...).Client, "").Watches(); got != want {
			t.Errorf("%q look at %q, want %q", args, got, want)
		}
	}
}
