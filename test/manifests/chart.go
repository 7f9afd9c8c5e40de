package manifests

import (
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// chartArguments is written by the tests of the chart, which are in a module of their own and can import no program.
const chartArguments = "test/chart/testdata/arguments.yaml"

// ChartArguments are the arguments that the Helm chart gives the container with this name, by what the values are for.
func ChartArguments(container string) (map[string][]string, error) {
	config, err := configRoot()
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(config, "..", chartArguments))
	if err != nil {
		return nil, err
	}
	var all map[string]map[string][]string
	err = yaml.UnmarshalStrict(content, &all)
	return all[container], err
}
