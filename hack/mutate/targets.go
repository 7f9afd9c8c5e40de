package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target is a part of the project whose own tests should notice every change of it.
type target struct {
	name string
	// files are patterns of the sources, relative to the root of the repository.
	files []string
	// tests are arguments of "go test", one list for each run. The cheap ones come first: the first that fails has noticed the change.
	tests [][]string
}

// planTests are those of the planner: tables and stories first, then simulated fleets.
var planTests = [][]string{
	{"-skip", "TestSimulated", "./controllers/plan/..."},
	{"-run", "TestSimulated", "./controllers/plan"},
}

var targets = []target{
	{"planner", []string{
		"controllers/plan/*.go", "controllers/plan/consent/*.go", "controllers/plan/model/*.go", "controllers/plan/obstacle/*.go",
		"controllers/plan/policies/*.go", "controllers/plan/protocol/*.go",
	}, planTests},
	{"attempt", []string{"controllers/plan/attempt/*.go"}, planTests},
	{"executor", []string{"controllers/*.go", "controllers/projection/*.go"}, [][]string{
		{"-skip", "TestStories", "./controllers/projection", "./controllers"},
		{"-run", "TestStories", "./controllers"},
	}},
	{"gates", []string{"controllers/gates/*.go"}, [][]string{{"./controllers/gates"}}},
	{"placement", []string{"controllers/gates/placement/*.go"}, [][]string{{"./controllers/gates/placement"}}},
	{"windows", []string{"controllers/window/*.go"}, [][]string{{"./controllers/window"}}},
	{"helper", []string{"internal/helper/*.go"}, [][]string{
		{"-skip", "OnARealAPIServer", "./internal/helper"},
		{"-run", "OnARealAPIServer", "./internal/helper"},
	}},
	{"rebooter", []string{"internal/rebooter/*.go", "internal/rebooter/*/*.go"}, [][]string{{"./internal/rebooter/..."}}},
	{"webhooks", []string{"internal/webhooks/*.go"}, [][]string{{"./internal/webhooks"}}},
	{"forecast", []string{"controllers/forecast/*.go", "controllers/forecaster/*.go"},
		[][]string{{"./controllers/forecast", "./controllers/forecaster"}}},
	{"kured", []string{"internal/kured/*.go"}, [][]string{{"./internal/kured"}}},
	{"actions", []string{"internal/plugin/act/*.go", "internal/plugin/wait/*.go"}, [][]string{
		{"./internal/plugin/act", "./internal/plugin/wait"},
	}},
	{"explanations", []string{
		"internal/plugin/why/*.go", "internal/plugin/lint/*.go", "internal/plugin/check/*.go", "internal/plugin/schema/*.go",
	}, [][]string{{"./internal/plugin/why", "./internal/plugin/lint", "./internal/plugin/check", "./internal/plugin/policyfile"}}},
	{"dashboard", []string{"internal/plugin/dashboard/*.go", "internal/plugin/history/*.go"},
		[][]string{{"./internal/plugin/dashboard", "./internal/plugin/history", "./internal/plugin/timeline"}}},
	{"admission", []string{"config/admission/*.yaml", "config/webhook/*.yaml"}, [][]string{{"./test/admission", "./test/manifests"}}},
	{"rights", []string{"config/rbac/*.yaml", "config/components/before-1.36/*.yaml"}, [][]string{
		{"./test/admission", "./test/manifests"},
		{"./test/e2e/...", "-ginkgo.focus", "rights"},
	}},
}

// all returns every mutant of the target, in the order of files and positions.
func (t *target) all(root string) ([]mutant, error) {
	files, err := t.sources(root)
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, fmt.Errorf("read a source: %w", err)
		}
		list := goMutants
		if filepath.Ext(file) == ".yaml" {
			list = manifestMutants
		}
		mutants, err := list(file, source)
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

func (t *target) sources(root string) ([]string, error) {
	var sources []string
	for _, pattern := range t.files {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, fmt.Errorf("find sources: %w", err)
		}
		for _, match := range matches {
			file, err := filepath.Rel(root, match)
			if err != nil {
				return nil, fmt.Errorf("find sources: %w", err)
			}
			if isSource(file) {
				sources = append(sources, file)
			}
		}
	}
	return sources, nil
}

func isSource(file string) bool {
	name := filepath.Base(file)
	return !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "zz_generated") && name != "doc.go" && name != "kustomization.yaml"
}

// sample chooses mutants, and returns them in their order. A seed chooses a mutant by its key, so the sample stays the same, as far as it
// can, while other code comes and goes: what it says today compares with what it said before.
func sample(all []mutant, count int, seed uint64) []mutant {
	if count <= 0 || count >= len(all) {
		return all
	}
	ranks, seen := make([][sha256.Size]byte, len(all)), map[string]int{}
	positions := make([]int, len(all))
	for i := range all {
		key := all[i].key()
		seen[key]++ // the same change may be possible several times in a function
		ranks[i], positions[i] = sha256.Sum256(fmt.Appendf(nil, "%d %d %s", seed, seen[key], key)), i
	}
	slices.SortFunc(positions, func(a, b int) int { return bytes.Compare(ranks[a][:], ranks[b][:]) })
	chosen := positions[:count]
	slices.Sort(chosen)
	mutants := make([]mutant, count)
	for i, position := range chosen {
		mutants[i] = all[position]
	}
	return mutants
}
