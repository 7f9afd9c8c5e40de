// Command dashboards writes the dashboards for Grafana, as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	folder := flag.String("to", "../../config/components/dashboards", "The folder to write to.")
	flag.Parse()
	if err := run(*folder); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// enumerate gives each panel the number by which links name it.
func enumerate(built *dashboard.Dashboard) {
	for i := range built.Panels {
		id := uint32(i + 1)
		if row := built.Panels[i].RowPanel; row != nil {
			row.Id = id
		}
		if panel := built.Panels[i].Panel; panel != nil {
			panel.Id = &id
		}
	}
}

func run(folder string) error {
	for name, page := range map[string]*dashboard.DashboardBuilder{
		"fleet": fleet(), "rollout": rollout(), "waiting": waiting(), "durations": durations(),
	} {
		built, err := page.Build()
		if err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
		enumerate(&built)
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(built); err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".json"), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
