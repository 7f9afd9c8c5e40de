package v1alpha1

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// longNodeNames are as long as names of Nodes may be, or nearly.
func longNodeNames() map[string]string {
	label := strings.Repeat("n", 63)
	longest := label + "." + label + "." + label + "." + strings.Repeat("n", 61)
	return map[string]string{
		"short":                       "worker-1",
		"with dots":                   "ip-10-0-0-1.eu-central-1.compute.internal",
		"as long as fits as it is":    longest[:244],
		"one longer":                  longest[:243] + "xx",
		"as long as fits, sentinel":   longest[:251],
		"one longer, sentinel":        longest[:252],
		"as long as can be":           longest,
		"a dot where it is cut":       longest[:219] + "." + strings.Repeat("x", 33),
		"dashes where it is cut":      longest[:210] + strings.Repeat("-", 15) + strings.Repeat("x", 28),
		"a dot at the end of a cut":   longest[:189] + "." + strings.Repeat("n", 59) + "." + "nn",
		"a dash at the end of a cut":  longest[:200] + "-" + strings.Repeat("n", 48) + "-" + "nnn",
		"nothing but a letter before": "a" + strings.Repeat("-", 50) + "b",
	}
}

func TestTheNamesOfNodeRebootsAreValidForEveryNodeName(t *testing.T) {
	for what, node := range longNodeNames() {
		t.Run(what, func(t *testing.T) {
			if errs := validation.IsDNS1123Subdomain(node); len(errs) > 0 {
				t.Fatalf("%q is no name of a node: %v", node, errs)
			}
			names := SentinelRebootNames(node, "boot-1")
			for _, name := range append(names, NodeConditionRebootNames(node, "boot-1", "KernelDeadlock")...) {
				if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
					t.Errorf("%q: %v", name, errs)
				}
			}
			if len(node) <= 251 && !strings.HasPrefix(names[0], node+"-") {
				t.Errorf("%q does not begin with the node's name", names[0])
			}
			// The slots object has nodes for keys.
			if errs := validation.IsConfigMapKey(node); len(errs) > 0 {
				t.Errorf("%q as a key: %v", node, errs)
			}
		})
	}
}

func TestANodeHasSixteenSentinelNamesWhateverItsBoot(t *testing.T) {
	for what, node := range longNodeNames() {
		t.Run(what, func(t *testing.T) {
			names, firsts := map[string]bool{}, map[string]bool{}
			for boot := range 1000 {
				bootID := "boot-" + strconv.Itoa(boot)
				for _, name := range SentinelRebootNames(node, bootID) {
					names[name] = true
				}
				firsts[SentinelRebootName(node, bootID)] = true
			}
			if len(names) != 16 || len(firsts) != 16 {
				t.Errorf("%d names, %d of them tried first, want 16 of each", len(names), len(firsts))
			}
		})
	}
}

func TestASentinelNameTellsItsNode(t *testing.T) {
	for _, name := range SentinelRebootNames("worker-a1", "boot") {
		if node, ok := SentinelRebootNode(name); !ok || node != "worker-a1" {
			t.Errorf("%q is said to be of node %q (%t)", name, node, ok)
		}
	}
	for _, name := range []string{
		"", "a", "-a", "a-", "please", "worker-g", "worker-10", "worker.a", NodeConditionRebootName("worker", "boot", "KernelDeadlock"),
	} {
		if node, ok := SentinelRebootNode(name); ok {
			t.Errorf("%q is said to be of node %q", name, node)
		}
	}
}

// The name of a node can be that of another one and a suffix.
func TestTheNameOfAConditionIsNoSentinelName(t *testing.T) {
	for what, node := range longNodeNames() {
		t.Run(what, func(t *testing.T) {
			for _, name := range NodeConditionRebootNames(node, "boot", "KernelDeadlock") {
				for _, other := range []string{node, name[:len(name)-2], name[:len(name)-1]} {
					if slices.Contains(SentinelRebootNames(other, "boot"), name) {
						t.Errorf("%q is a sentinel name of node %q", name, other)
					}
				}
			}
		})
	}
}
