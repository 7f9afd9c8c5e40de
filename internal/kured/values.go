package kured

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// topValues are the values of every version of kured's chart, with what becomes of those that are not flags.
var topValues = map[string]func(*input, pair){
	"configuration": (*input).configuration, "extraArgs": (*input).extraArguments, "extraEnvVars": (*input).extraVariables,
	"image": (*input).image, "tolerations": carry("helper.tolerations"), "affinity": carry("helper.affinity"),
	"nodeSelector": (*input).nodeSelector, "priorityClassName": carry("helper.priorityClassName"), "podLabels": carry("helper.podLabels"),
	"podAnnotations": (*input).podAnnotations, "updateStrategy": (*input).updateStrategy, "maxUnavailable": (*input).maxUnavailable,
	"metrics": (*input).metrics, "resources": (*input).resources,
	"dsAnnotations": leave(Decide, "no value annotates the DaemonSet alone: write commonAnnotations, which annotates every object, "+
		"or leave it out"),
	"initContainers": leave(Decide, "the helper has no init containers: do on the host what they do"),
	"volumes": leave(Decide, "the helper mounts the directories of helper.sentinels, and nothing else: leave it "+
		"out if it was for those"),
	"volumeMounts": leave(Decide, "the helper mounts the directories of helper.sentinels, and nothing else: leave it "+
		"out if it was for those"),
	"serviceAccount":       leave(Note, "the names of ServiceAccounts are fixed here, because helpers are confined by them"),
	"rbac":                 leave(Note, "the chart creates its own roles; rbac.create: false leaves that to you here, too"),
	"service":              leave(Note, "the Service of metrics is there by default: metrics.enabled and metrics.port"),
	"hostNetwork":          leave(Note, "the helper never has the host's network"),
	"livenessProbe":        leave(Note, "probes are fixed here"),
	"readinessProbe":       leave(Note, "probes are fixed here"),
	"nameOverride":         leave(Note, "names are fixed here"),
	"revisionHistoryLimit": leave(Note, "it is fixed here"), "fullnameOverride": leave(Note, "names are fixed here"),
	"podSecurityPolicy":        leave(Note, "Kubernetes has no PodSecurityPolicy since 1.25"),
	"containerSecurityContext": leave(Note, "the helper is not privileged, and helper.hostPrograms decides about the rebooter"),
	"global":                   leave(Note, "kured's chart has no such value; it had no effect"),
	"autolock": leave(Wrong, "it is from the chart before 2.0, which added a CronJob that takes the lock: write "+
		"configuration.startTime and endTime instead"),
}

// carry a value to one of this chart as it is.
func carry(path string) func(*input, pair) {
	return func(in *input, p pair) {
		if !empty(p.value) {
			in.setValue(path, plainOf(p.value))
		}
	}
}

// leave a value out, and say why.
func leave(level Level, why string) func(*input, pair) {
	return func(in *input, p pair) {
		if !empty(p.value) {
			in.add(level, in.source(p.key, p.key.Value), "%s", why)
		}
	}
}

// setValue of this project's chart, by its path.
func (in *input) setValue(path string, v any) { setValue(in.values, path, v) }

func setValue(values map[string]any, path string, v any) {
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		below, is := values[key].(map[string]any)
		if !is {
			below = map[string]any{}
			values[key] = below
		}
		values = below
	}
	values[keys[len(keys)-1]] = v
}

// isValues says that a mapping has values of kured's chart.
func isValues(node *yaml.Node) bool {
	known := func(below string, test func(string) bool) bool {
		return slices.ContainsFunc(pairs(child(node, below)), func(p pair) bool { return test(p.key.Value) })
	}
	return known("configuration", func(key string) bool {
		return slices.ContainsFunc(chartFlags, func(f chartFlag) bool { return f.value == key })
	}) || known("extraArgs", func(key string) bool {
		_, is := flags[key]
		return is
	}) || slices.ContainsFunc(items(child(node, "extraEnvVars")), func(v *yaml.Node) bool {
		return strings.HasPrefix(scalar(child(v, "name")), "KURED_")
	}) || strings.HasSuffix(scalar(at(node, "image.repository")), "/kured")
}

// helm reads values of kured's chart.
func (in *input) helm(node *yaml.Node) {
	if below := child(node, "kured"); below != nil && !isValues(node) {
		node = below // those of a chart that has kured's as a part
	}
	if !isValues(node) {
		return
	}
	in.found++
	in.chart = true
	in.nodes[linux] = "linux" // a default of the chart, which other labels are added to
	if child(node, "tolerations") == nil || empty(child(node, "tolerations")) {
		in.setValue("helper.tolerations", []any{
			map[string]any{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
			map[string]any{"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"},
		})
	}
	in.version = versionOf(scalar(at(node, "image.tag")))
	in.chartArguments(child(node, "configuration"))
	for _, p := range pairs(node) {
		take, known := topValues[p.key.Value]
		if !known {
			in.decide(in.source(p.key, p.key.Value), "kured's chart has no such value, so it had no effect there: remove it, or correct its "+
				"name and run this again")
			continue
		}
		take(in, p)
	}
}

// configuration has been read by chartArguments; what is left are names that do not exist.
func (in *input) configuration(p pair) {
	for _, value := range pairs(p.value) {
		name := value.key.Value
		if name != useHostPath && !slices.ContainsFunc(chartFlags, func(f chartFlag) bool { return f.value == name }) {
			in.decide(in.source(value.key, "configuration."+name), "kured's chart has no such value, so it had no effect there: remove it, or "+
				"correct its name and run this again")
		}
	}
}

const useHostPath = "useRebootSentinelHostPath"

// chartArguments are the arguments that kured's chart renders from its values.
func (in *input) chartArguments(configuration *yaml.Node) {
	hostPath := child(configuration, useHostPath) == nil || !empty(child(configuration, useHostPath))
	for _, f := range chartFlags {
		node := child(configuration, f.value)
		source := in.source(node, "configuration."+f.value)
		switch {
		case node == nil && chartDefaults[f.flag] != "":
			in.arguments = append(in.arguments, argument{
				text: "--" + f.flag + "=" + chartDefaults[f.flag], usual: true, source: Source{File: in.file, Name: source.Name},
			})
		case empty(node):
			in.ineffective(node, f, source)
		case f.flag == flagSentinelCmd && hostPath:
			in.decide(source, "kured's chart ignores it while configuration.%s is true, which is the default, so kured looked at the file. The "+
				"file is carried over: set %s to false and run this again if you mean the command", useHostPath, useHostPath)
		case f.list:
			in.listArguments(node, f)
		case node.Kind != yaml.ScalarNode:
			in.wrong(source, "it is not a single value, so kured does not start: write one")
		case f.flag == flagForce:
			in.arguments = append(in.arguments, argument{text: "--" + flagForce, source: source})
		default:
			in.addArgument(f.flag, node, source)
		}
	}
}

func (in *input) listArguments(node *yaml.Node, f chartFlag) {
	if node.Kind != yaml.SequenceNode {
		in.wrong(in.source(node, "configuration."+f.value), "kured's chart takes a list here and cannot be rendered: write one item per line")
		return
	}
	for _, item := range items(node) {
		in.addArgument(f.flag, item, in.source(item, "configuration."+f.value))
	}
}

// ineffective values are those that the chart takes for not set.
func (in *input) ineffective(node *yaml.Node, f chartFlag, source Source) {
	if f.flag == "drain-grace-period" && scalar(node) == "0" {
		in.decide(source, "kured's chart ignores 0, so each pod had its own grace period, and has it here. Write drain.gracePeriodSeconds: 0 "+
			"if you mean none")
	}
}

// templated text is filled in by another program before kured sees it.
var templated = regexp.MustCompile(`\{\{|\$\{|\$\([A-Za-z_][A-Za-z0-9_]*\)|^ENC\[|^<.*>$`)

func (in *input) addArgument(flag string, node *yaml.Node, source Source) {
	printed, ok := printed(node)
	if !ok {
		in.wrong(source, "it is not a single value, so kured does not start: write one")
		return
	}
	a := argument{text: "--" + flag + "=" + printed, source: source}
	if templated.MatchString(printed) {
		a.unknown = "a template that another program fills in"
	}
	in.arguments = append(in.arguments, a)
}

// printed is a scalar as a template of a chart prints it.
func printed(node *yaml.Node) (string, bool) {
	if node == nil || node.Kind != yaml.ScalarNode {
		return "", false
	}
	if v, is := yes(node); is {
		return fmt.Sprint(v), true
	}
	if node.Tag == "!!int" || node.Tag == "!!float" {
		return fmt.Sprint(plainOf(node)), true
	}
	return node.Value, true
}

// yes says whether a scalar is a boolean for Helm, which reads YAML 1.1.
func yes(node *yaml.Node) (value, is bool) {
	if node.Kind != yaml.ScalarNode || node.Style != 0 && node.Style != yaml.TaggedStyle {
		return false, false
	}
	switch strings.ToLower(node.Value) {
	case "true", "yes", "on", "y":
		return true, true
	case "false", "no", "off", "n":
		return false, true
	}
	return false, false
}

// empty says that a template takes a value for not set.
func empty(node *yaml.Node) bool {
	if node == nil {
		return true
	}
	if v, is := yes(node); is {
		return !v
	}
	switch v := plainOf(node).(type) {
	case nil:
		return true
	case string:
		return v == ""
	case int:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
