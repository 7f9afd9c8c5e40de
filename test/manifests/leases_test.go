package manifests

import (
	"fmt"
	"slices"
	"testing"
)

// The right to read Leases is in the namespace that the flag names, and nowhere else.
func TestLeasesAreReadWhereTheComponentSaysAndNowhereByDefault(t *testing.T) {
	for name, test := range map[string]struct {
		components []string
		want       bool
	}{"default": {}, "with the component": {[]string{"medik8s-leases"}, true}} {
		t.Run(name, func(t *testing.T) {
			rendered, err := RenderWith(test.components...)
			if len(test.components) == 0 {
				rendered, err = Render("default")
			}
			if err != nil {
				t.Fatal(err)
			}
			roles, flagged := 0, false
			for _, object := range rendered {
				metadata, _ := object["metadata"].(map[string]any)
				if object.Kind() == "Role" && metadata["namespace"] == "medik8s-leases" {
					roles++
				}
				if object.Kind() == "Deployment" {
					flagged = slices.Contains(argsOf(object), "--maintenance-lease-namespaces=medik8s-leases")
				}
				if rules, is := object["rules"]; object.Kind() == "ClusterRole" && is && containsLeases(rules) {
					t.Errorf("ClusterRole %s reads the Leases of all namespaces", object.Name())
				}
			}
			if (roles == 1) != test.want || flagged != test.want {
				t.Errorf("%d Roles, flag: %t; want %t", roles, flagged, test.want)
			}
		})
	}
}

func containsLeases(rules any) bool {
	list, _ := rules.([]any)
	return slices.ContainsFunc(list, func(rule any) bool {
		fields, _ := rule.(map[string]any)
		resources, _ := fields["resources"].([]any)
		_, named := fields["resourceNames"]
		return slices.Contains(resources, any("leases")) && !named
	})
}

// argsOf are the arguments of the first container.
func argsOf(deployment Object) []string {
	at := any(map[string]any(deployment))
	for _, key := range []string{"spec", "template", "spec", "containers"} {
		fields, _ := at.(map[string]any)
		at = fields[key]
	}
	containers, _ := at.([]any)
	if len(containers) == 0 {
		return nil
	}
	first, _ := containers[0].(map[string]any)
	list, _ := first["args"].([]any)
	args := make([]string, 0, len(list))
	for _, arg := range list {
		args = append(args, fmt.Sprint(arg))
	}
	return args
}
