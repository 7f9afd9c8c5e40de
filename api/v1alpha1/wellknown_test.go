package v1alpha1

import (
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
		"as long as can be":           longest,
		"a dot where it is cut":       longest[:219] + "." + strings.Repeat("x", 33),
		"dashes where it is cut":      longest[:210] + strings.Repeat("-", 15) + strings.Repeat("x", 28),
		"nothing but a letter before": "a" + strings.Repeat("-", 50) + "b",
	}
}

func TestTheNameOfANodeRebootIsValidForEveryNodeName(t *testing.T) {
	for what, node := range longNodeNames() {
		t.Run(what, func(t *testing.T) {
			if errs := validation.IsDNS1123Subdomain(node); len(errs) > 0 {
				t.Fatalf("%q is no name of a node: %v", node, errs)
			}
			name := SentinelRebootName(node, "boot-1")
			if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
				t.Errorf("%q: %v", name, errs)
			}
			if name != SentinelRebootName(node, "boot-1") || name == SentinelRebootName(node, "boot-2") {
				t.Errorf("%q is not that of one boot", name)
			}
			if len(node) <= 244 && !strings.HasPrefix(name, node+"-") {
				t.Errorf("%q does not begin with the node's name", name)
			}
			// The slots object has nodes for keys.
			if errs := validation.IsConfigMapKey(node); len(errs) > 0 {
				t.Errorf("%q as a key: %v", node, errs)
			}
		})
	}
}

func TestNodesWhoseNamesDifferAtTheEndHaveNodeRebootsOfTheirOwn(t *testing.T) {
	longest := longNodeNames()["as long as can be"]
	if a, b := SentinelRebootName(longest, "boot"), SentinelRebootName(longest[:252]+"x", "boot"); a == b {
		t.Errorf("both are %q", a)
	}
}
