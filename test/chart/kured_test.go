package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// TestTheChartTakesWhatAConfigurationOfKuredBecomes renders the chart with the values that the examples of kured become, and with their
// policies.
func TestTheChartTakesWhatAConfigurationOfKuredBecomes(t *testing.T) {
	files, err := filepath.Glob("../../internal/kured/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := kured.Convert(data, kured.Options{File: file, Name: "kured"})
		if err != nil || result.Policy == nil {
			continue
		}
		taken++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := result.ValuesYAML()
			if err != nil {
				t.Fatal(err)
			}
			policy, err := result.PolicyYAML()
			if err != nil {
				t.Fatal(err)
			}
			object := values(t, string(policy))
			all := merged(values(t, string(text)), map[string]any{"policies": []any{map[string]any{"name": "kured", "spec": object["spec"]}}})
			if rendered := byKey(t, render(t, all)); rendered["DaemonSet reboot-operator-helper"] == nil && len(rendered) < 10 {
				t.Errorf("the chart renders %d objects", len(rendered))
			}
		})
	}
	if taken < 25 {
		t.Errorf("%d configurations become values, which is too few to say anything", taken)
	}
}
