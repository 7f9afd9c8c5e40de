package why

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// page is where the documentation shows what the command says for each reason.
const page = "../../../docs/why.md"

const pageHead = "# kubectl reboots why, for every reason\n\n" +
	"Each section is what the command says at the end of a story that the planner's tests play; what a reason means is in\n" +
	"[reasons](reasons.md). In the stories the node is a, its NodeReboot ra, and the RebootPolicy p. Written by `make generate`.\n"

// storyEnd is a line of testdata/stories.jsonl, which a test of the planner writes.
type storyEnd struct {
	Reason   string                  `json:"reason"`
	Now      metav1.MicroTime        `json:"now"`
	Policies []v1alpha1.RebootPolicy `json:"policies"`
	Reboots  []v1alpha1.NodeReboot   `json:"nodeReboots"`
	Nodes    []corev1.Node           `json:"nodes"`
}

// running is an installation that is at work.
func running(now time.Time) *install.Installation {
	return &install.Installation{
		Namespace: install.DefaultNamespace,
		Managers:  []appsv1.Deployment{{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-manager"}}},
		HelperSets: []appsv1.DaemonSet{{
			ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-helper"},
			Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "rebooter", Args: []string{"--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed"},
			}}}}},
		}},
		Lease: &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("reboot-operator-manager-1"), RenewTime: &metav1.MicroTime{Time: now.Add(-time.Second)},
		}},
	}
}

func readStories(t *testing.T) []storyEnd {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "stories.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var stories []storyEnd
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file)+1)
	for lines.Scan() {
		var story storyEnd
		if err := json.Unmarshal(lines.Bytes(), &story); err != nil {
			t.Fatal(err)
		}
		stories = append(stories, story)
	}
	return stories
}

// whereSeen is what to ask about to read of a reason.
func whereSeen(story *storyEnd, facts *Facts) string {
	shows := func(conditions []metav1.Condition) bool {
		return slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Reason == story.Reason })
	}
	for _, look := range []func(*v1alpha1.NodeReboot) bool{
		func(r *v1alpha1.NodeReboot) bool { return r.Status.Reason == story.Reason },
		func(r *v1alpha1.NodeReboot) bool {
			return r.Status.Attempt != nil && r.Status.Attempt.Result == story.Reason
		},
		func(r *v1alpha1.NodeReboot) bool { return shows(r.Status.Conditions) },
	} {
		for i := range story.Reboots {
			r := &story.Reboots[i]
			if !look(r) {
				continue
			}
			if latest := facts.latest(r.Spec.NodeName); latest != nil && latest.Name == r.Name && facts.node(r.Spec.NodeName) != nil {
				return r.Spec.NodeName
			}
			return "nodereboot/" + r.Name
		}
	}
	for i := range story.Policies {
		if shows(story.Policies[i].Status.Conditions) {
			return "rebootpolicy/" + story.Policies[i].Name
		}
	}
	return ""
}

func TestEveryReasonIsExplainedWithWhatToType(t *testing.T) {
	reasons := reasonsOfTheAPI(t)
	stories := readStories(t)
	if len(stories) != len(reasons) {
		t.Fatalf("there are stories for %d reasons, and the API has %d: run make generate", len(stories), len(reasons))
	}
	var text strings.Builder
	text.WriteString(pageHead)
	for i := range stories {
		story := &stories[i]
		t.Run(story.Reason, func(t *testing.T) {
			facts := &Facts{
				Now: story.Now.Time, Zone: time.UTC, Policies: story.Policies, Reboots: story.Reboots, Nodes: story.Nodes,
				Installed: running(story.Now.Time),
			}
			for _, node := range story.Nodes {
				facts.Installed.HelperPods = append(facts.Installed.HelperPods, helperPod(node.Name, true))
			}
			asked := whereSeen(story, facts)
			answer := Explain(facts, asked)
			requireRealistic(t, story.Reason, &answer)
			fmt.Fprintf(&text, "\n## %s\n\n```console\n$ kubectl reboots why %s\n%s```\n", story.Reason, asked,
				Text(&answer, 120, func(_ app.Color, text string) string { return text }))
		})
	}
	if !t.Failed() {
		golden.Compare(t, filepath.FromSlash(page), text.String())
	}
}

// requireRealistic: an answer says the advice about the reason and what to type, and has no time or name that is empty.
func requireRealistic(t *testing.T, reason string, answer *Answer) {
	t.Helper()
	said, _ := adviceFor(reason)
	if !answer.Found || !strings.Contains(answer.Explanation, said.text) || len(answer.Type) == 0 {
		t.Errorf("it is not explained: %+v", answer)
	}
	for _, text := range append([]string{answer.Explanation}, answer.Type...) {
		for _, wrong := range []string{"0001-", "{", "  ", "%!", "..", " .", "as of", "nodereboot/ ", "node  "} {
			if strings.Contains(strings.ReplaceAll(text, "'{", ""), wrong) && !strings.Contains(text, "jsonpath") && !strings.Contains(text,
				"--type=merge") {
				t.Errorf("%q has %q in it", text, wrong)
			}
		}
	}
}
