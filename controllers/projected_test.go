package controllers

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// The plugin makes snapshots from lists. They say the same as those of the reader, except for how long the manager has seen something.
func TestAListOfObjectsMakesTheSnapshotThatTheReaderMakes(t *testing.T) {
	for i, f := range facts() {
		for when, object := range map[string]client.Object{"before": f.before, "after": f.after} {
			t.Run(fmt.Sprintf("%02d %s %s", i, f.path, when), func(t *testing.T) {
				r := &reader{
					gates: noGates{}, observed: newObserved(clocktesting.NewFakePassiveClock(testNow)), interest: &interest{},
					namespace: testNamespace, leaseNamespaces: []string{maintenanceLeases},
				}
				want := f.read(t, r, cached(object))
				objects := listed(t, append(slices.Clone(f.with), object))
				settings := projection.Settings{Namespace: testNamespace, LeaseNamespaces: r.leaseNamespaces}
				got := projection.Snapshot(objects, &settings, testNow)
				compareSnapshots(t, &want.Snapshot, got)
			})
		}
	}
}

func compareSnapshots(t *testing.T, want, got *plan.Snapshot) {
	t.Helper()
	for node, pods := range got.Pods {
		// The reader of the test has no pods of the operator, and leaves out nodes without any.
		got.Pods[node] = slices.DeleteFunc(pods, func(pod model.Pod) bool { return pod.Namespace == testNamespace })
		if len(got.Pods[node]) == 0 {
			delete(got.Pods, node)
		}
	}
	times := cmp.Options{
		cmpopts.IgnoreFields(model.NodeCondition{}, "Since"), cmpopts.IgnoreFields(model.Node{}, "HelperSince"),
		cmpopts.IgnoreFields(model.OtherMaintenance{}, "Until"), cmpopts.EquateEmpty(),
	}
	maps.DeleteFunc(got.Workloads, func(key model.WorkloadKey, _ model.Workload) bool {
		_, read := want.Workloads[key]
		return !read
	})
	if diff := cmp.Diff(want.Nodes, got.Nodes, times); diff != "" {
		t.Errorf("nodes (-reader +lists):\n%s", diff)
	}
	if diff := cmp.Diff(want.Pods, got.Pods, times); diff != "" {
		t.Errorf("pods (-reader +lists):\n%s", diff)
	}
	if diff := cmp.Diff(want.Workloads, got.Workloads, times); diff != "" {
		t.Errorf("workloads (-reader +lists):\n%s", diff)
	}
	if diff := cmp.Diff(want.ManagerPods, got.ManagerPods, times); diff != "" {
		t.Errorf("pods of the manager (-reader +lists):\n%s", diff)
	}
	if diff := cmp.Diff(want.Slots, got.Slots, times); diff != "" {
		t.Errorf("slots (-reader +lists):\n%s", diff)
	}
}

// listed are objects as the plugin keeps them.
func listed(t *testing.T, all []client.Object) *projection.Objects {
	t.Helper()
	objects := &projection.Objects{}
	for _, object := range all {
		switch typed := object.(type) {
		case nil:
		case *v1alpha1.RebootPolicy:
			objects.Policies = append(objects.Policies, typed)
		case *v1alpha1.NodeReboot:
			objects.Reboots = append(objects.Reboots, typed)
		case *corev1.Node:
			objects.Nodes = append(objects.Nodes, projection.StripNode(typed))
		case *corev1.Pod:
			strip := projection.StripPod
			if typed.Namespace == testNamespace && typed.Labels[componentLabel] != "" {
				strip = projection.StripOwnPod
			}
			objects.Pods = append(objects.Pods, strip(typed, nil))
		case *appsv1.Deployment:
			objects.Deployments = append(objects.Deployments, projection.StripDeployment(typed))
		case *appsv1.StatefulSet:
			objects.StatefulSets = append(objects.StatefulSets, projection.StripStatefulSet(typed))
		case *policyv1.PodDisruptionBudget:
			objects.Budgets = append(objects.Budgets, projection.StripBudget(typed))
		case *appsv1.DaemonSet:
			objects.HelperSets = append(objects.HelperSets, projection.StripHelperSet(typed))
		case *coordinationv1.Lease:
			objects.Leases = append(objects.Leases, projection.StripLease(typed))
		case *storagev1.VolumeAttachment:
			objects.Volumes = append(objects.Volumes, projection.StripVolumeAttachment(typed))
		case *unstructured.Unstructured:
			objects.Maintenances = append(objects.Maintenances, projection.StripMaintenance(typed))
		default:
			t.Fatalf("the plugin reads no %T", object)
		}
	}
	return objects
}
