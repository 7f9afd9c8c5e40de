package plan

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// storiesFile is where the plugin's tests find how each story ends.
const storiesFile = "../../internal/plugin/why/testdata/stories.jsonl"

// storyEnd is how the story of a reason ends, as objects of a cluster.
type storyEnd struct {
	Reason   string           `json:"reason"`
	Now      metav1.MicroTime `json:"now"`
	Policies []any            `json:"policies"`
	Reboots  []any            `json:"nodeReboots"`
	Nodes    []corev1.Node    `json:"nodes"`
}

func (s *story) end(reason string) storyEnd {
	end := storyEnd{Reason: reason, Now: metav1.NewMicroTime(s.now)}
	for _, policy := range s.Policies {
		type plain v1alpha1.RebootPolicy // written although a part of it cannot be read
		end.Policies = append(end.Policies, (*plain)(policy))
	}
	for _, reboot := range s.Reboots {
		type plain v1alpha1.NodeReboot
		end.Reboots = append(end.Reboots, (*plain)(reboot))
	}
	for _, n := range s.Nodes {
		node := corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: types.UID(n.UID), Labels: n.Labels},
			Spec:       corev1.NodeSpec{Unschedulable: n.Unschedulable, Taints: n.Taints},
		}
		node.Status.NodeInfo.BootID, node.Status.NodeInfo.KernelVersion = n.BootID, n.KernelVersion
		end.Nodes = append(end.Nodes, node)
	}
	return end
}

func TestTheEndsOfAllStoriesAreWhatThePluginIsTestedWith(t *testing.T) {
	var lines strings.Builder
	for _, reason := range reasonsOfTheAPI(t) {
		run := reasonStories[reason]
		if run == nil {
			t.Fatalf("no story leads to %s", reason)
		}
		s := run(t)
		s.settle()
		line, err := json.Marshal(s.end(reason))
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	golden.Compare(t, filepath.FromSlash(storiesFile), lines.String())
}
