package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestTheBootOfANodeFitsIntoTheAPI(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{0: 0, 255: 255, 256: 256, 257: 256} {
		node := model.Node{BootID: "boot-1", KernelVersion: strings.Repeat("6", length)}
		if boot := node.Boot(); boot.BootID != "boot-1" || len(boot.KernelVersion) != want || boot.SeenTime != nil {
			t.Errorf("of %d characters it is %v", length, boot)
		}
	}
}

func TestABootIDThatTheAPIDoesNotTakeIsNone(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("b", 128)
	for id, want := range map[string]string{"": "", "boot-1": "boot-1", longest: longest, longest + "b": "", "boot-\xff": ""} {
		if got := model.UsableBootID(id); got != want {
			t.Errorf("of %q it is %q, want %q", id, got, want)
		}
	}
}

func TestANodeTellsItsConditionsByTheirType(t *testing.T) {
	t.Parallel()
	node := model.Node{Conditions: []model.NodeCondition{{Type: "A", Status: "True"}, {Type: "B", Status: "False"},
		{Type: "B", Status: "True"}}}
	for conditionType, want := range map[string]*model.NodeCondition{"A": &node.Conditions[0], "B": &node.Conditions[1], "C": nil} {
		if got := node.Condition(conditionType); got != want {
			t.Errorf("condition %s is %v, want %v", conditionType, got, want)
		}
	}
}

func TestWhatIsToHappenToANodeIsReadFromIt(t *testing.T) {
	t.Parallel()
	type says struct {
		Skipped, Marked bool
		Taint           string
	}
	tainted := func(keys ...string) model.Node {
		var n model.Node
		for _, key := range keys {
			n.Taints = append(n.Taints, corev1.Taint{Key: key})
		}
		return n
	}
	tests := map[string]struct {
		node model.Node
		want says
	}{
		"nothing":                          {},
		"it is left alone":                 {node: model.Node{Labels: map[string]string{v1alpha1.SkipLabel: "false"}}, want: says{Skipped: true}},
		"other labels say nothing":         {node: model.Node{Labels: map[string]string{"skip": ""}}},
		"it is being deleted":              {node: model.Node{Deleting: true}, want: says{Marked: true}},
		"the cluster autoscaler takes it":  {node: tainted("other", "ToBeDeletedByClusterAutoscaler"), want: says{Marked: true, Taint: "ToBeDeletedByClusterAutoscaler"}},
		"Karpenter takes it":               {node: tainted("karpenter.sh/disrupted"), want: says{Marked: true, Taint: "karpenter.sh/disrupted"}},
		"Karpenter took it in older times": {node: tainted("karpenter.sh/disruption"), want: says{Marked: true, Taint: "karpenter.sh/disruption"}},
		"it is only a candidate":           {node: tainted("DeletionCandidateOfClusterAutoscaler")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, says{test.node.Skipped(), test.node.MarkedForDeletion(), test.node.DeletionTaint()}); diff != "" {
				t.Errorf("it is read otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhyAHelperIsNotReadyIsPartOfASentence(t *testing.T) {
	t.Parallel()
	for problem, want := range map[string]string{"": "there is no helper pod", "It crashes.": "It crashes", "It crashes": "It crashes"} {
		node := model.Node{HelperProblem: problem}
		if got := node.WhyHelperNotReady(); got != want {
			t.Errorf("%q is %q, want %q", problem, got, want)
		}
	}
}

func TestAPodTellsWhatADrainDoesWithIt(t *testing.T) {
	t.Parallel()
	daemon := model.WorkloadKey{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "apps", Name: "agent"}
	deployment := model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}
	static := model.WorkloadKey{Kind: v1alpha1.WorkloadStaticPod, Namespace: "apps", Name: "pod"}
	type says struct {
		Ready, Stays bool
		OnNode       []model.WorkloadKey
	}
	tests := map[string]struct {
		pod  model.Pod
		want says
	}{
		"of nothing":                     {},
		"Ready":                          {pod: model.Pod{Ready: true}, want: says{Ready: true}},
		"Ready and finished":             {pod: model.Pod{Ready: true, Finished: true}},
		"Ready and going":                {pod: model.Pod{Ready: true, Terminating: true}},
		"of a Deployment":                {pod: model.Pod{Workloads: []model.WorkloadKey{deployment}}},
		"of a DaemonSet":                 {pod: model.Pod{Workloads: []model.WorkloadKey{deployment, daemon}}, want: says{Stays: true, OnNode: []model.WorkloadKey{daemon}}},
		"of a DaemonSet and finished":    {pod: model.Pod{Finished: true, Workloads: []model.WorkloadKey{daemon}}, want: says{OnNode: []model.WorkloadKey{daemon}}},
		"static":                         {pod: model.Pod{Mirror: true}, want: says{Stays: true, OnNode: []model.WorkloadKey{static}}},
		"static and finished":            {pod: model.Pod{Mirror: true, Finished: true}, want: says{Stays: true, OnNode: []model.WorkloadKey{static}}},
		"static, and who covers it does": {pod: model.Pod{Mirror: true, Workloads: []model.WorkloadKey{deployment}}, want: says{Stays: true, OnNode: []model.WorkloadKey{static}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.pod.Namespace, test.pod.Name = "apps", "pod"
			if diff := cmp.Diff(test.want, says{test.pod.IsReady(), test.pod.Stays(), test.pod.KeysOnNode()}); diff != "" {
				t.Errorf("it tells something else (-want +got):\n%s", diff)
			}
		})
	}
	ref := v1alpha1.WorkloadRef{Kind: daemon.Kind, Namespace: daemon.Namespace, Name: daemon.Name, Ready: 1}
	if diff := cmp.Diff(daemon, model.KeyOf(ref)); diff != "" {
		t.Errorf("another key (-want +got):\n%s", diff)
	}
}
