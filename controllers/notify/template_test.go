package notify

import (
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestTemplatesWriteEveryField(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Policy}} {{.Event}} {{.Count}}":                                         "workers RolloutFinished 1",
		`{{range .Nodes}}{{.Name}} {{.Reason}}{{end}}`:                              "worker-1 Draining",
		`{{with .Rollout}}{{range .Waiting}}{{.Reason}}={{.Nodes}}{{end}}{{end}}`:   "-=1",
		`{{range $i, $n := .Nodes}}{{range $.Rollout.RefusedNodes}}x{{end}}{{end}}`: "x",
		`{{.Time.Format "15:04"}}`:                                                  "00:00",
		`{{if eq .Event "RolloutFinished"}}done{{else}}going{{end}}`:                "done",
		`{{printf "%-10s|" .Policy | upper}}`:                                       "WORKERS   |",
		`{{names .Nodes | html}} {{len .Nodes}} {{urlquery "a b"}}`:                 "worker-1 1 a+b",
	} {
		parsed, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := parsed.Execute(sample()); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestTemplatesThatCannotBeUsedAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{{":                          "message:1: unclosed action",
		"{{.Nothing}}":                "can't evaluate field Nothing",
		"{{nothing}}":                 `function "nothing" not defined`,
		"{{range 1000000000}}{{end}}": "write a list of the event, which are Nodes, RefusedNodes, Waiting",
		"{{$n := 1000000000}}{{range $n}}{{end}}":                                 "write a list of the event",
		"{{range .Rollout.DurationSeconds}}{{end}}":                               "write a list of the event",
		"{{range .Text}}{{end}}":                                                  "write a list of the event",
		"{{range index .Nodes 0}}{{end}}":                                         "write a list of the event",
		"{{range .Nodes}}{{range $.Nodes}}{{range $.Nodes}}{{end}}{{end}}{{end}}": "nested more than 2 deep",
		`{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}`:               "defines other templates",
		`{{block "a" .}}x{{end}}`:                                                 "defines other templates",
		`{{template "message" .}}`:                                                "calls a template",
		`{{js "a"}}`:                                                              `function "js" not defined`,
		`{{call .Nodes}}`:                                                         `function "call" not defined`,
		`{{slice "abc" 1}}`:                                                       `function "slice" not defined`,
		`{{if true}}{{else}}{{js "a"}}{{end}}`:                                    `function "js" not defined`,
		`{{print (js "a")}}`:                                                      `function "js" not defined`,
		`{{printf "%1000000s" .Policy}}`:                                          "widths of up to 99",
		`{{printf "%*d" 1000000 1}}`:                                              "without *",
		strings.Repeat(`{{print "0123456789"}}`, 410):                             "longer than 4096 bytes",
		"{{$x := .Policy}}" + strings.Repeat("{{$x = print $x $x}}", 40):          "longer than 4096 bytes",
		"{{$x := .Policy}}" + strings.Repeat(`{{$x = html $x}}{{$x = print $x $x $x}}`, 40): "longer than 4096 bytes",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

func TestTheTemplateOfAnEventGoesBeforeTheOneForAll(t *testing.T) {
	n := &v1alpha1.Notification{Template: "all", Templates: []v1alpha1.NotificationTemplate{{Event: v1alpha1.EventHalted, Text: "halted"}}}
	if got := TemplateOf(n, v1alpha1.EventHalted); got != "halted" {
		t.Errorf("Halted: %q", got)
	}
	if got := TemplateOf(n, v1alpha1.EventOverdue); got != "all" {
		t.Errorf("Overdue: %q", got)
	}
}

// FuzzTemplate finds templates that are taken and run for long, or write much.
func FuzzTemplate(f *testing.F) {
	f.Add(`{{range .Nodes}}{{printf "%s" .Name}}{{end}}`)
	f.Add("{{$x := .Policy}}{{$x = print $x $x}}{{$x}}")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		if out, err := parsed.Execute(sample()); err != nil || len(out) > maxOutput {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	})
}
