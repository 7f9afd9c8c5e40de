package status

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

func (c *command) write(o *overview.Overview) error {
	if !c.all {
		hidden := o.Hidden()
		o.HideFinished()
		if c.output == "" && hidden != "" {
			defer func() { _, _ = fmt.Fprintln(c.Out, "\n"+c.Paint(app.Faint, hidden)) }()
		}
	}
	switch c.output {
	case "json":
		encoder := json.NewEncoder(c.Out)
		encoder.SetIndent("", "  ")
		return written(encoder.Encode(o))
	case "yaml":
		text, err := yaml.Marshal(o)
		if err != nil {
			return written(err)
		}
		_, err = c.Out.Write(text)
		return written(err)
	case "name":
		_, err := io.WriteString(c.Out, o.Names())
		return written(err)
	}
	if len(o.Policies) == 0 {
		_, err := fmt.Fprintln(c.Out, overview.Empty())
		return written(err)
	}
	style := overview.Style{
		Clock:   overview.Clock{Now: o.Time.Time, Zone: c.Zone},
		Columns: c.Columns(), Wide: c.output == "wide", All: c.all, Next: c.next, Paint: c.Paint,
	}
	if style.Wide && !c.Terminal() {
		style.Columns = unlimited
	}
	_, err := io.WriteString(c.Out, strings.Join(o.Lines(style), "\n")+"\n")
	return written(err)
}

// unlimited columns are those of wide output that goes to no terminal: nothing is cut that a program may look for.
const unlimited = 10000

func written(err error) error {
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
