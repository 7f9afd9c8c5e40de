package controllers

import (
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

func newHelperSet(name string, change func(*corev1.PodSpec)) *appsv1.DaemonSet {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: testNamespace, Name: name, Labels: map[string]string{componentLabel: helperComponent},
	}}
	change(&set.Spec.Template.Spec)
	return projection.StripHelperSet(projection.StripHelperSet(set)) // an informer may do it again
}

func helperSetsOf(changes []func(*corev1.PodSpec)) *projection.HelperSets {
	var list []appsv1.DaemonSet
	for _, change := range changes {
		list = append(list, *newHelperSet("x", change))
	}
	return projection.NewHelperSets(testNamespace, list)
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
		"nothing is known":                    {sets: []func(*corev1.PodSpec){plain}, why: projection.NotMade},
		"it is selected":                      {sets: []func(*corev1.PodSpec){onlyLinux}, labels: map[string]string{"kubernetes.io/os": "linux"}, why: projection.NotMade},
		"it is not selected":                  {sets: []func(*corev1.PodSpec){onlyLinux}, labels: map[string]string{"kubernetes.io/os": "windows"}, why: "no helper pod is meant to run there", notMeant: true},
		"an affinity leaves it out":           {sets: []func(*corev1.PodSpec){affine}, labels: map[string]string{"virtual": "yes"}, why: "no helper pod is meant to run there", notMeant: true},
		"an affinity takes it":                {sets: []func(*corev1.PodSpec){affine}, why: projection.NotMade},
		"one of two DaemonSets takes it":      {sets: []func(*corev1.PodSpec){onlyLinux, plain}, why: projection.NotMade},
		"a taint":                             {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{gpu}, why: "does not tolerate the taint gpu:NoSchedule"},
		"a taint that is tolerated":           {sets: []func(*corev1.PodSpec){tolerant}, taints: []corev1.Taint{gpu}, why: projection.NotMade},
		"a taint that only prefers others":    {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectPreferNoSchedule}}, why: projection.NotMade},
		"a cordon, which no DaemonSet minds":  {sets: []func(*corev1.PodSpec){plain}, taints: []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}, why: projection.NotMade},
		"a taint where it is not meant to be": {sets: []func(*corev1.PodSpec){onlyLinux}, taints: []corev1.Taint{gpu}, why: "no helper pod is meant to run there", notMeant: true},
	} {
		t.Run(name, func(t *testing.T) {
			sets := helperSetsOf(test.sets)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: test.labels}, Spec: corev1.NodeSpec{Taints: test.taints}}
			why, notMeant := sets.Missing(node)
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
	sets := projection.NewHelperSets(testNamespace, []appsv1.DaemonSet{*projection.StripHelperSet(set)})
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
			if why, notMeant := sets.Missing(node); notMeant != test.notMeant {
				t.Errorf("not meant: %v, because %q", notMeant, why)
			}
		})
	}
}

func withArgs(args ...string) func(*corev1.PodSpec) {
	return func(s *corev1.PodSpec) {
		s.Containers = []corev1.Container{{Name: "helper"}, {Name: "rebooter", Args: args}}
	}
}

func defaultSentinels(s *corev1.PodSpec) {
	withArgs("--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed")(s)
}

func looksForKernels(s *corev1.PodSpec) {
	withArgs("--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed", "--sentinel-kernel")(s)
}

func TestAHostThatNothingLooksAtIsNoticed(t *testing.T) {
	const fedora = "Fedora Linux 41 (Server Edition)"
	onlyWindows := func(s *corev1.PodSpec) {
		defaultSentinels(s)
		s.NodeSelector = map[string]string{corev1.LabelOSStable: "windows"}
	}
	for name, test := range map[string]struct {
		osImage string
		sets    []func(*corev1.PodSpec)
		says    string
	}{
		"the default on Fedora":              {fedora, []func(*corev1.PodSpec){defaultSentinels}, "--sentinel-preset=dnf5"},
		"the default on Debian":              {"Debian GNU/Linux 12 (bookworm)", []func(*corev1.PodSpec){defaultSentinels}, ""},
		"the default on Ubuntu":              {"Ubuntu 24.04.1 LTS", []func(*corev1.PodSpec){defaultSentinels}, ""},
		"the default on SUSE":                {"SUSE Linux Enterprise Server 15 SP6", []func(*corev1.PodSpec){defaultSentinels}, ""},
		"a detector was chosen":              {fedora, []func(*corev1.PodSpec){looksForKernels}, ""},
		"another DaemonSet has a detector":   {fedora, []func(*corev1.PodSpec){defaultSentinels, looksForKernels}, ""},
		"the DaemonSet is not for this node": {fedora, []func(*corev1.PodSpec){onlyWindows}, ""},
		"there is no DaemonSet":              {fedora, nil, ""},
		"a DaemonSet of another make":        {fedora, []func(*corev1.PodSpec){onlyLinux}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sets := helperSetsOf(test.sets)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
			node.Status.NodeInfo.OSImage = test.osImage
			if got := sets.NoDetector(node); (got == "") != (test.says == "") || !strings.Contains(got, test.says) {
				t.Errorf("%q, want %q", got, test.says)
			}
		})
	}
}

// Anything that an installation adds as a detector counts as one; the warning is about the default installation.
func TestEveryInstallationWithADetectorCountsAsOne(t *testing.T) {
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	fedora := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
	fedora.Status.NodeInfo.OSImage = "Fedora Linux 41 (Server Edition)"
	for name, objects := range all {
		set, err := manifests.Find[appsv1.DaemonSet](objects, "DaemonSet", "reboot-operator-helper")
		if err != nil {
			t.Fatal(err)
		}
		sets := projection.NewHelperSets(testNamespace, []appsv1.DaemonSet{*projection.StripHelperSet(set)})
		detects := strings.Contains(name, "sentinel-") || strings.Contains(name, "privileged-command")
		if (sets.NoDetector(fedora) != "") == detects {
			t.Errorf("%s: default sentinels only: %t", name, !detects)
		}
	}
}
