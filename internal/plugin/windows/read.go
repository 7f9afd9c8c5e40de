package windows

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// written is a policy as a file has it: unlike what a cluster serves, it may have no field that is not known.
type written struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              v1alpha1.RebootPolicySpec   `json:"spec"`
	Status            v1alpha1.RebootPolicyStatus `json:"status"`
}

// Read reads the RebootPolicies of a file with any number of documents, and passes over other kinds.
func Read(source io.Reader) ([]v1alpha1.RebootPolicy, error) {
	var policies []v1alpha1.RebootPolicy
	reader := utilyaml.NewYAMLReader(bufio.NewReader(source))
	for number := 1; ; number++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return policies, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
		if kind.Kind != "RebootPolicy" || kind.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
			continue
		}
		var w written
		if err := yaml.UnmarshalStrict(document, &w); err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
		policies = append(policies, v1alpha1.RebootPolicy{TypeMeta: w.TypeMeta, ObjectMeta: w.ObjectMeta, Spec: w.Spec})
	}
}
