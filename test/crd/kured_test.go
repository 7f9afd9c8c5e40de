package crd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// TestTheAPIServerTakesWhatAConfigurationOfKuredBecomes creates every policy that the examples of kured become.
func TestTheAPIServerTakesWhatAConfigurationOfKuredBecomes(t *testing.T) {
	files, err := filepath.Glob("../../internal/kured/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := kured.Convert(data, kured.Options{File: file, Name: "kured"})
			if err != nil || result.Policy == nil {
				t.Skip("it becomes no policy")
			}
			text, err := result.PolicyYAML()
			if err != nil {
				t.Fatal(err)
			}
			if err := strict.Create(t.Context(), object(t, string(text)), client.DryRunAll); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			taken++
		})
	}
	if taken < 25 {
		t.Errorf("%d configurations become a policy, which is too few to say anything", taken)
	}
}
