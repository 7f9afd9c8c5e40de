package crd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// becomesNone are examples with a mistake, and what is not of kured. They become no policy.
var becomesNone = regexp.MustCompile(`^(wrong|not)-`)

// TestTheAPIServerTakesWhatAConfigurationOfKuredBecomes creates every policy that the examples of kured become.
func TestTheAPIServerTakesWhatAConfigurationOfKuredBecomes(t *testing.T) {
	files, err := filepath.Glob("../../internal/kured/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := kured.Convert(data, kured.Options{File: file, Name: "kured"})
		if becomesNone.MatchString(name) {
			if err == nil && result.Policy != nil {
				t.Errorf("%s becomes a policy", name)
			}
			continue
		}
		taken++
		t.Run(name, func(t *testing.T) {
			if err != nil || result.Policy == nil {
				t.Fatalf("it becomes no policy (error %v)", err)
			}
			text, err := result.PolicyYAML()
			if err != nil {
				t.Fatal(err)
			}
			if err := strict.Create(t.Context(), object(t, string(text)), client.DryRunAll); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	if taken < 25 {
		t.Errorf("%d configurations become a policy, which is too few to say anything", taken)
	}
}
