package controllers

import (
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

func newHelperSet(name string, change func(*corev1.PodSpec)) *appsv1.DaemonSet {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: testNamespace, Name: name, Labels: map[string]string{componentLabel: helperComponent},
	}}
	change(&set.Spec.Template.Spec)
	return stripHelperSet(set)
}

func onlyLinux(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"kubernetes.io/os": "linux"} }

func TestWhyANodeHasNoHelper(t *testing.T) {
	affine := func(s *corev1.PodSpec) {
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "virtual", Operator: corev1.NodeSelectorOpDoesNotExist},
			}}},
		}}}
	}
	tolerant := func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} }
	plain := func(*corev1.PodSpec) {}
	gpu := corev1.Taint{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}
	for name, test := range map[string]struct {
		sets     []func(*corev1.PodSpec)
		labels   map[string]string
		taints   []corev1.Taint
		why      string
		notMeant bool
	}{
		"there is no DaemonSet":               {why: "there is no DaemonSet of helpers in namespace " + testNamespace},
		"nothing is known":                    {sets: []func(*corev1.PodSpec){plain}, why: notMade},
		"it is selected":                      {sets: []func(*corev1.PodSpec){onlyLinux}, labels: map[string]string{"kubernetes.io/os": "linux"}, why: notMade},
		"it is not selected":                  {sets: []func(*corev1.PodSpec){onlyLinux}, labels: map[string]string{"kubernetes.io/os": "windows"}, why: "none is meant to run there", notMeant: true},
		"an affinity leaves it out":           {sets: []func(*corev1.PodSpec){affine}, labels: map[string]string{"virtual": "yes"}, why: "none is meant to run there", notMeant: true},
		"an affinity takes it":                {sets: []func(*corev1.PodSpec){affine}, why: notMade},
		"one of two DaemonSets takes it":      {sets: []func(*corev1.PodSpec){onlyLinux, plain}, why: notMade},
		"a taint":                             {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{gpu}, why: "does not tolerate the taint gpu:NoSchedule"},
		"a taint that is tolerated":           {sets: []func(*corev1.PodSpec){tolerant}, taints: []corev1.Taint{gpu}, why: notMade},
		"a taint that only prefers others":    {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectPreferNoSchedule}}, why: notMade},
		"a cordon, which no DaemonSet minds":  {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}, why: notMade},
		"a taint where it is not meant to be": {sets: []func(*corev1.PodSpec){onlyLinux}, taints: []corev1.Taint{gpu}, why: "none is meant to run there", notMeant: true},
	} {
		t.Run(name, func(t *testing.T) {
			sets := &helperSets{namespace: testNamespace}
			for _, change := range test.sets {
				template := newHelperSet("x", change).Spec.Template
				sets.templates = append(sets.templates, &corev1.Pod{Spec: template.Spec})
			}
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: test.labels}, Spec: corev1.NodeSpec{Taints: test.taints}}
			why, notMeant := sets.missing(node)
			if notMeant != test.notMeant || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("%q, not meant: %v", why, notMeant)
			}
		})
	}
}

// The installed DaemonSet leaves out what is no host, and its policies do not complain that no helper is there.
func TestTheInstalledHelperRunsWhereThereIsAHostAndNowhereElse(t *testing.T) {
	objects, err := manifests.Render("default")
	if err != nil {
		t.Fatal(err)
	}
	set, err := manifests.Find[appsv1.DaemonSet](objects, "DaemonSet", "reboot-operator-helper")
	if err != nil {
		t.Fatal(err)
	}
	template := stripHelperSet(set).Spec.Template
	sets := &helperSets{namespace: testNamespace, templates: []*corev1.Pod{{Spec: template.Spec}}}
	for name, test := range map[string]struct {
		labels   map[string]string
		notMeant bool
	}{
		"a node":                       {},
		"a node with a type":           {labels: map[string]string{"type": "worker"}},
		"EKS, a node of its own":       {labels: map[string]string{"eks.amazonaws.com/compute-type": "hybrid"}},
		"EKS Fargate":                  {labels: map[string]string{"eks.amazonaws.com/compute-type": "fargate"}, notMeant: true},
		"AKS virtual nodes":            {labels: map[string]string{"type": "virtual-kubelet", "kubernetes.io/role": "agent"}, notMeant: true},
		"a cluster behind a node":      {labels: map[string]string{"liqo.io/type": "virtual-node"}, notMeant: true},
		"KWOK":                         {labels: map[string]string{"type": "kwok"}, notMeant: true},
		"Windows":                      {labels: map[string]string{corev1.LabelOSStable: "windows"}, notMeant: true},
		"a node that says nothing yet": {labels: map[string]string{corev1.LabelOSStable: ""}, notMeant: true},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
			maps.Copy(node.Labels, test.labels)
			if why, notMeant := sets.missing(node); notMeant != test.notMeant {
				t.Errorf("not meant: %v, because %q", notMeant, why)
			}
		})
	}
}
