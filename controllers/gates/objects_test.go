package gates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{"of": namespace},
	}, Data: data}
}

func TestObjectsHaveToSatisfyTheExpression(t *testing.T) {
	objects := []client.Object{
		configMap("a", "one", map[string]string{"health": "Green", "size": "2"}),
		configMap("a", "two", map[string]string{"health": "Green"}),
		configMap("b", "three", map[string]string{"health": "Red"}),
	}
	labeled := &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"of": "a"}}
	for name, tc := range map[string]struct {
		gate          v1alpha1.ObjectGate
		want, failure string
	}{
		"all do": {gate: v1alpha1.ObjectGate{Expression: "object.data.health in ['Green', 'Red']"}},
		"one does not": {
			gate: v1alpha1.ObjectGate{Expression: "object.data.health == 'Green'"},
			want: "Gate g: the expression is not true for ConfigMap b/three: object.data.health == 'Green'.",
		},
		"several do not, in order": {
			gate: v1alpha1.ObjectGate{Expression: "object.data.health == 'Blue'"},
			want: "Gate g: the expression is not true for ConfigMap a/one, a/two, b/three: object.data.health == 'Blue'.",
		},
		"those of a namespace":  {gate: v1alpha1.ObjectGate{Namespace: "a", Expression: "object.data.health == 'Green'"}},
		"those with labels":     {gate: v1alpha1.ObjectGate{Selector: labeled, Expression: "object.data.health == 'Green'"}},
		"a number":              {gate: v1alpha1.ObjectGate{Namespace: "a", Expression: "!has(object.data.size) || int(object.data.size) > 1"}},
		"a Kubernetes quantity": {gate: v1alpha1.ObjectGate{Namespace: "a", Expression: "!has(object.data.size) || isQuantity(object.data.size)"}},
		"a field that is missing": {
			gate:    v1alpha1.ObjectGate{Namespace: "a", Expression: "object.data.size == '2'"},
			failure: "the expression fails for ConfigMap a/two: it reads a field or key that the object does not have: ask for it first, as in has(",
		},
		"what is neither true nor false": {
			gate:    v1alpha1.ObjectGate{Namespace: "a", Expression: "object.data.health"},
			failure: "the expression fails for ConfigMap a/one: it is neither true nor false: write a comparison, such as ",
		},
		"what costs too much": {
			gate: v1alpha1.ObjectGate{Namespace: "a", Expression: "[0,1,2,3,4,5,6,7,8,9].map(x, [0,1,2,3,4,5,6,7,8,9].map(y, " +
				"[0,1,2,3,4,5,6,7,8,9].map(z, " +
				"[0,1,2,3,4,5,6,7,8,9].map(a, [0,1,2,3,4,5,6,7,8,9].map(b, [0,1,2,3,4,5,6,7,8,9].map(c, a)))))).size() > 0"},
			failure: "it costs too much: make it simpler",
		},
		"none does": {gate: v1alpha1.ObjectGate{Expect: v1alpha1.ExpectNone, Expression: "object.data.health == 'Blue'"}},
		"none may, and one does": {
			gate: v1alpha1.ObjectGate{Expect: v1alpha1.ExpectNone, Expression: "object.data.health == 'Red'"},
			want: "Gate g: the expression is true for ConfigMap b/three: object.data.health == 'Red'.",
		},
		"none may, and there is none":         {gate: v1alpha1.ObjectGate{Namespace: "c", Expect: v1alpha1.ExpectNone, Expression: "true"}},
		"no object may be, and there is none": {gate: v1alpha1.ObjectGate{Namespace: "c", Expect: v1alpha1.ExpectNone}},
		"no object may be, and there is one": {
			gate: v1alpha1.ObjectGate{Namespace: "b", Expect: v1alpha1.ExpectNone},
			want: "Gate g: there is ConfigMap b/three.",
		},
		"no object may be with labels": {
			gate: v1alpha1.ObjectGate{Selector: labeled, Expect: v1alpha1.ExpectNone}, want: "Gate g: there is ConfigMap a/one, a/two.",
		},
		"none may, and the expression fails": {
			gate:    v1alpha1.ObjectGate{Namespace: "a", Expect: v1alpha1.ExpectNone, Expression: "object.data.size == '3'"},
			failure: "the expression fails for ConfigMap a/two: ",
		},
		"all have to, and it says so": {gate: v1alpha1.ObjectGate{Expect: v1alpha1.ExpectAll, Expression: "object.data.health != 'Blue'"}},
		"all have to, and there is none": {
			gate:    v1alpha1.ObjectGate{Namespace: "c", Expect: v1alpha1.ExpectAll, Expression: "true"},
			failure: "there is no ConfigMap in namespace c.",
		},
		"no object": {
			gate:    v1alpha1.ObjectGate{Namespace: "c", Selector: labeled, Expression: "true"},
			failure: "there is no ConfigMap with the labels of=a in namespace c.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, objects...)
			tc.gate.APIVersion, tc.gate.Kind = "v1", "ConfigMap"
			b.objects(tc.gate)
			answer := b.answer(model.GateObjects, "g")
			if answer == nil || answer.Obstacle != tc.want || !strings.Contains(answer.Failure, tc.failure) ||
				tc.failure == "" && answer.Failure != "" {
				t.Errorf("got %+v, want %q or the failure %q", answer, tc.want, tc.failure)
			}
			b.policy.Spec.Recovery.Objects = b.policy.Spec.Gates.Objects
			after := b.answer(model.GateRecovery, "g")
			if after == nil || after.Obstacle != answer.Obstacle || after.Failure != answer.Failure {
				t.Errorf("after a reboot %+v, before one %+v", after, answer)
			}
		})
	}
}

func TestObjectsThatCannotBeReadSayWhatToDo(t *testing.T) {
	ceph := schema.GroupResource{Group: "ceph.rook.io", Resource: "cephclusters"}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a right that is missing": {apierrors.NewForbidden(ceph, "", errors.New("no")),
			`gates may not list cephclusters.ceph.rook.io: an administrator grants them that right with a ClusterRole that has the label ` +
				`reboot-operator.io/aggregate-to-gates: "true" and the verb list.`},
		"a kind that is missing": {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "ceph.rook.io", Kind: "CephCluster"}},
			"the cluster has no kind CephCluster of ceph.rook.io/v1."},
		"something else": {apierrors.NewInternalError(errors.New("down")), "CephCluster cannot be listed from the API server: it answers 500 Internal Server Error."},
	} {
		t.Run(name, func(t *testing.T) {
			base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
			b := newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return tc.err },
			}))
			b.objects(v1alpha1.ObjectGate{APIVersion: "ceph.rook.io/v1", Kind: "CephCluster", Expression: "true"})
			if answer := b.answer(model.GateObjects, "g"); answer == nil || answer.Failure != tc.want {
				t.Errorf("got %+v, want %q", answer, tc.want)
			}
		})
	}
}

func TestAnObjectIsReadByItsNameAndNoMoreThanSomeAreRead(t *testing.T) {
	var asked client.ListOptions
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	b := newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			asked = *(&client.ListOptions{}).ApplyOptions(options)
			list.SetContinue("more")
			return nil
		},
	}))
	b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Kind: "ConfigMap", ObjectName: "one", Namespace: "a", Expression: "true"})
	answer := b.answer(model.GateObjects, "g")
	byName := asked.FieldSelector != nil && asked.FieldSelector.String() == "metadata.name=one"
	if !byName || asked.Namespace != "a" || asked.Limit != mostObjects {
		t.Errorf("asked for %+v", asked)
	}
	const want = "more than 500 objects are of kind ConfigMap: select fewer by namespace, selector or objectName."
	if answer == nil || answer.Failure != want {
		t.Errorf("answer %+v", answer)
	}
}

func TestAnExpressionEndsWithItsTimeLimit(t *testing.T) {
	check, err := compile("object.list.all(x, object.list.all(y, x + y >= 0))")
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 300)
	for i := range list {
		list[i] = int64(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := check.holds(ctx, map[string]any{"list": list}); err == nil {
		t.Errorf("it held without time, after %s", time.Since(began))
	}
	if holds, err := check.holds(t.Context(), map[string]any{"list": list[:3]}); err != nil || !holds {
		t.Errorf("holds %t, error %v", holds, err)
	}
}

func TestLongNamesAndExpressionsMakeNoLongMessages(t *testing.T) {
	var objects []client.Object
	for i := range 100 {
		objects = append(objects, configMap("a", fmt.Sprintf("%s-%d", strings.Repeat("n", 200), i), nil))
	}
	b := newBench(t, objects...)
	b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Kind: "ConfigMap", Expression: "object.kind == '" + strings.Repeat("é", 1000) + "'"})
	answer := b.answer(model.GateObjects, "g")
	if answer == nil || len(answer.Obstacle) > 513 || !strings.Contains(answer.Obstacle, "nnn-1, ") {
		t.Errorf("answer %+v", answer)
	}
}
