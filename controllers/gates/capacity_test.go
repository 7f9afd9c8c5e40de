package gates

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// roomNode is Ready and has room for 10 pods.
func roomNode(name, cpu, memory string, change ...func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		corev1.ResourcePods: resource.MustParse("10"),
	}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, c := range change {
		c(node)
	}
	return node
}

// roomPod belongs to a ReplicaSet.
func roomPod(name, node, cpu, memory string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, Labels: map[string]string{"app": name}}}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", Controller: ptr.To(true)}}
	pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
	pod.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}}}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func TestWhatWouldBeEvictedHasToFitOnTheOthers(t *testing.T) {
	a := roomNode("a", "4", "8Gi")
	ownedBy := func(kind string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.OwnerReferences[0].Kind = kind } }
	noCPU := "Pod apps/web of node a (cpu 2, memory 1Gi) would find no room: the schedulable nodes that take it have too little cpu."
	nobody := "Pod apps/web of node a (cpu 2, memory 1Gi) would find no room: " +
		"no other schedulable node takes it, by its node selector, affinity and tolerations."
	taint := func(effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "db", Effect: effect}} }
	}
	web := func(change ...func(*corev1.Pod)) *corev1.Pod { return roomPod("web", "a", "2", "1Gi", change...) }
	for name, tc := range map[string]struct {
		objects  []client.Object
		leaving  string
		selector *v1alpha1.PodSelector
		want     string
	}{
		"room":                      {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web()}},
		"just enough room":          {objects: []client.Object{a, roomNode("b", "2", "1Gi"), web()}},
		"too little CPU":            {objects: []client.Object{a, roomNode("b", "1900m", "8Gi"), web()}, want: noCPU},
		"too little memory":         {objects: []client.Object{a, roomNode("b", "2", "1023Mi"), web()}, want: strings.Replace(noCPU, "too little cpu", "too little memory", 1)},
		"no other node":             {objects: []client.Object{a, web()}, want: nobody},
		"room that others have":     {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(), roomPod("db", "b", "3", "1Gi")}, want: noCPU},
		"room that others had":      {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(), roomPod("db", "b", "3", "1Gi", in(corev1.PodSucceeded))}},
		"room on two nodes":         {objects: []client.Object{a, roomNode("b", "2", "8Gi"), roomNode("c", "2", "8Gi"), web(), roomPod("db", "a", "2", "1Gi")}},
		"room for one of two":       {objects: []client.Object{a, roomNode("b", "3", "8Gi"), roomPod("db", "a", "2", "1Gi"), web()}, want: noCPU},
		"no more pods":              {objects: []client.Object{a, roomNode("b", "4", "8Gi", func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("0") }), web()}, want: strings.Replace(noCPU, "too little cpu", "too little pods", 1)},
		"a cordoned node":           {objects: []client.Object{a, roomNode("b", "4", "8Gi", func(n *corev1.Node) { n.Spec.Unschedulable = true }), web()}, want: nobody},
		"a node that is not Ready":  {objects: []client.Object{a, roomNode("b", "4", "8Gi", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionFalse }), web()}, want: nobody},
		"a node selector":           {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}, want: nobody},
		"a node that is selected":   {objects: []client.Object{a, roomNode("b", "4", "8Gi", func(n *corev1.Node) { n.Labels["disk"] = "ssd" }), web(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}},
		"an affinity":               {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(affine("a"))}, want: nobody},
		"an affinity that fits":     {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(affine("b"))}},
		"a taint":                   {objects: []client.Object{a, roomNode("b", "4", "8Gi", taint(corev1.TaintEffectNoSchedule)), web()}, want: nobody},
		"a taint that only asks":    {objects: []client.Object{a, roomNode("b", "4", "8Gi", taint(corev1.TaintEffectPreferNoSchedule)), web()}},
		"a taint that is tolerated": {objects: []client.Object{a, roomNode("b", "4", "8Gi", taint(corev1.TaintEffectNoExecute)), web(tolerant)}},
		"a pod of a DaemonSet":      {objects: []client.Object{a, web(ownedBy("DaemonSet"))}},
		"a static pod":              {objects: []client.Object{a, web(ownedBy("Node"))}},
		"a pod without controller":  {objects: []client.Object{a, web(func(p *corev1.Pod) { p.OwnerReferences = nil })}},
		"a pod that has ended":      {objects: []client.Object{a, web(in(corev1.PodFailed))}},
		"a pod that stays":          {objects: []client.Object{a, web()}, selector: selector.Of("app!=web")},
		"a pod that stays by its annotation": {objects: []client.Object{a, web()}, selector: &v1alpha1.PodSelector{
			MatchAnnotations: map[string]v1alpha1.AnnotationValue{"move": "yes"},
		}},
		"a pod that goes by its annotation": {
			objects:  []client.Object{a, web(func(p *corev1.Pod) { p.Annotations = map[string]string{"move": "yes"} })},
			selector: &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"move": "yes"}}, want: nobody,
		},
		"a pod that goes by label": {objects: []client.Object{a, web()}, selector: selector.Of("app=web"), want: nobody},
		"a node that leaves":       {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web()}, leaving: "b", want: nobody},
		"what a node that leaves needs": {
			objects: []client.Object{a, roomNode("b", "4", "8Gi"), roomNode("c", "3", "8Gi"), web(), roomPod("db", "b", "2", "1Gi")}, leaving: "b",
			want: "Pod apps/db of node b (cpu 2, memory 1Gi) would find no room: the schedulable nodes that take it have too little cpu.",
		},
		"what waits already":         {objects: []client.Object{a, roomNode("b", "3", "8Gi"), web(), roomPod("new", "", "2", "1Gi", in(corev1.PodPending))}, want: noCPU},
		"what waits already in vain": {objects: []client.Object{a, roomNode("b", "3", "8Gi"), web(), roomPod("new", "", "64", "1Gi", in(corev1.PodPending))}},
		"an init container that is large": {objects: []client.Object{a, roomNode("b", "4", "8Gi"), web(func(p *corev1.Pod) {
			requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5")}
			p.Spec.InitContainers = []corev1.Container{{Name: "i", Resources: corev1.ResourceRequirements{Requests: requests}}}
		})}, want: strings.Replace(noCPU, "cpu 2,", "cpu 5,", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tc.objects...)
			b.policy.Spec.Drain.Selector = tc.selector
			q := b.question(model.GateCapacity, "")
			q.About = tc.leaving
			answer, known := b.ask(model.GateQuery{GateKey: q, Nodes: []string{"a"}})[q]
			if !known || answer.Failure != "" || answer.Nodes["a"] != tc.want {
				t.Errorf("got %+v, want %q", answer, tc.want)
			}
		})
	}
}

func tolerant(p *corev1.Pod) {
	p.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
}

func affine(host string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		required := &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{host},
			}},
		}}}
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}}
	}
}

func TestRoomIsLookedForInOrderUntilANodeMayGoAndReadOnceForAll(t *testing.T) {
	reads := map[string]int{}
	objects := []client.Object{
		roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi"), roomNode("c", "4", "8Gi"), roomNode("d", "2", "8Gi"),
		roomPod("large", "a", "4", "1Gi"), roomPod("small", "b", "1", "1Gi"), roomPod("other", "c", "1", "1Gi"),
	}
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(objects...).Build()
	b := newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			reads[fmt.Sprintf("%T", list)]++
			return c.List(ctx, list, options...)
		},
	}))
	first := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a", "b", "c"}}
	after := model.GateQuery{GateKey: first.GateKey, Nodes: []string{"c"}}
	after.About = "b"
	further := model.GateQuery{GateKey: first.GateKey, Nodes: []string{"c"}}
	answers := b.ask(first, after)
	noRoom := "Pod apps/large of node a (cpu 4, memory 1Gi) would find no room: the schedulable nodes that take it have too little cpu."
	if diff := cmp.Diff(map[string]string{"a": noRoom, "b": ""}, answers[first.GateKey].Nodes); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if got := answers[after.GateKey].Nodes; len(got) != 1 || got["c"] != "" {
		t.Errorf("after node b has started: %v", got)
	}
	// The same question about nodes further down the line.
	answers = b.ask(further, after)
	if diff := cmp.Diff(map[string]string{"a": noRoom, "b": "", "c": ""}, answers[first.GateKey].Nodes); diff != "" {
		t.Errorf("further (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"*v1.NodeList": 1, "*v1.PodList": 1}, reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	b.clock.SetTime(testNow.Add(Interval))
	b.ask(first)
	if reads["*v1.PodList"] != 2 {
		t.Errorf("%d reads of pods after the interval, want another one", reads["*v1.PodList"])
	}
	b.clock.SetTime(b.clock.Now().Add(linger))
	b.ask()
	if b.stock.last != nil {
		t.Error("the nodes and pods are remembered, and nobody asks")
	}
}

func TestRoomThatTakesLongToReadIsGoodForAsLongAsAnyOtherAnswer(t *testing.T) {
	var b *bench
	reads := 0
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi")).Build()
	b = newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, pods := list.(*corev1.PodList); pods {
				reads++
				b.clock.SetTime(b.clock.Now().Add(slow))
			}
			return c.List(ctx, list, options...)
		},
	}))
	first := model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: []string{"a", "b"}}
	b.ask(first)
	b.settle()
	after := model.GateQuery{GateKey: first.GateKey, Nodes: []string{"b"}}
	after.About = "a"
	answers := b.ask(first, after)
	if _, known := answers[first.GateKey]; !known || len(answers) != 2 || reads != 1 {
		t.Errorf("%d reads, answers %v; want both questions answered from one look", reads, answers)
	}
	if !answers[first.GateKey].Until.After(b.clock.Now()) {
		t.Errorf("the answer is over at %s", answers[first.GateKey].Until)
	}
}
