package kured

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// extraArguments are written by the chart in the order of their names, as --name=value, or as --name where the value is empty.
func (in *input) extraArguments(p pair) {
	all := pairs(p.value)
	if len(all) == 0 && !empty(p.value) {
		in.wrong(in.source(p.key, "extraArgs"), "it is a mapping of flags to values in kured's chart: write flag: value")
	}
	slices.SortFunc(all, func(a, b pair) int { return strings.Compare(a.key.Value, b.key.Value) })
	for _, a := range all {
		name := strings.TrimPrefix(a.key.Value, "--")
		source := in.source(a.key, "extraArgs."+a.key.Value)
		off, is := yes(a.value)
		switch {
		case !empty(a.value):
			in.addArgument(name, a.value, source)
		case flags[name] == boolean && is && !off:
			in.arguments = append(in.arguments, argument{text: "--" + name, source: source})
			in.decide(source, "kured's chart also writes --%s for false, so kured took it for true. That is carried over: remove the "+
				"argument if you mean false", name)
		case flags[name] == boolean:
			in.arguments = append(in.arguments, argument{text: "--" + name, source: source})
		default:
			in.wrong(source, "kured's chart writes --%s without a value, and kured takes the next argument for it: write a value, or remove "+
				"it", name)
		}
	}
}

// extraVariables are environment variables of kured's container.
func (in *input) extraVariables(p pair) {
	for _, item := range items(p.value) {
		in.variable(item)
	}
}

// variable of a container.
func (in *input) variable(node *yaml.Node) {
	name := scalar(child(node, "name"))
	source := in.source(node, name)
	if !strings.HasPrefix(name, "KURED_") {
		if name != "" {
			in.note(source, "kured does not read this variable; helper.extraEnv is the value for one that a proxy or a library needs")
		}
		return
	}
	v := variable{name: name, argument: argument{source: source}}
	printed, is := printed(child(node, "value"))
	switch from := child(node, "valueFrom"); {
	case from != nil:
		v.unknown = reference(from)
	case is && templated.MatchString(printed):
		v.unknown = "a template that another program fills in"
	default:
		v.text = printed
	}
	if _, known := flagOf(name); !known {
		in.decide(source, "kured has no flag --%s, so it ignored this variable: remove it, or correct its name and run this again",
			strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "KURED_"), "_", "-")))
		return
	}
	in.variables = append(in.variables, v)
}

func flagOf(variable string) (string, bool) {
	for name := range flags {
		if variableOf(name) == variable {
			return name, true
		}
	}
	return "", false
}

// reference says where the value of a variable is.
func reference(from *yaml.Node) string {
	for _, kind := range []struct{ key, name string }{{"secretKeyRef", "Secret"}, {"configMapKeyRef", "ConfigMap"}} {
		if ref := child(from, kind.key); ref != nil {
			return "in the key " + scalar(child(ref, "key")) + " of the " + kind.name + " " + scalar(child(ref, "name"))
		}
	}
	return "a field of the pod"
}

// repositories of kured itself.
var repositories = []string{"ghcr.io/kubereboot/kured", "docker.io/weaveworks/kured", "weaveworks/kured"}

func (in *input) image(p pair) {
	repository := scalar(child(p.value, "repository"))
	if repository != "" && !slices.Contains(repositories, repository) {
		in.decide(in.source(child(p.value, "repository"), "image.repository"), "it is a registry of your own: copy this project's image "+
			"there, and write image.repository")
	}
	var names []any
	for _, secret := range items(child(p.value, "pullSecrets")) {
		if name := scalar(child(secret, "name")); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		in.setValue("image.pullSecrets", names)
	}
}

// linux is built into the helper's DaemonSet.
const linux = "kubernetes.io/os"

func (in *input) nodeSelector(p pair) {
	selected := map[string]any{}
	for _, label := range pairs(p.value) {
		value, _ := printed(label.value)
		in.nodes[label.key.Value] = value
		if label.key.Value != linux {
			selected[label.key.Value] = value
		}
	}
	if len(selected) > 0 {
		in.setValue("helper.nodeSelector", selected)
	}
}

func (in *input) podAnnotations(p pair) {
	kept := map[string]any{}
	for _, annotation := range pairs(p.value) {
		name := annotation.key.Value
		switch {
		case strings.Contains(name, "apparmor"):
			in.note(in.source(annotation.key, "podAnnotations"), "%s names kured's container; helper.appArmorProfile is the value here", name)
		case strings.HasPrefix(name, "prometheus.io/"):
			in.note(in.source(annotation.key, "podAnnotations"), "metrics are those of the manager here, over HTTPS: use metrics.serviceMonitor")
		default:
			kept[name], _ = printed(annotation.value)
		}
	}
	if len(kept) > 0 {
		in.setValue("helper.podAnnotations", kept)
	}
}

func (in *input) updateStrategy(p pair) {
	if kind := scalar(p.value); kind == "OnDelete" {
		in.setValue("helper.updateStrategy", map[string]any{"type": kind})
	}
}

func (in *input) maxUnavailable(p pair) {
	if v := plainOf(p.value); v != nil && v != 1 {
		in.setValue("helper.updateStrategy", map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": v}})
		in.note(in.source(p.key, "maxUnavailable"), "it is about the pods of kured's DaemonSet, as here helper.updateStrategy; how many "+
			"nodes are down at once is rollout.maxUnavailable of the policy, from configuration.concurrency")
	}
}

func (in *input) metrics(p pair) {
	if empty(child(p.value, "create")) {
		return
	}
	monitor := map[string]any{"enabled": true}
	if labels := child(p.value, "labels"); !empty(labels) {
		monitor["labels"] = plainOf(labels)
	}
	if interval := scalar(child(p.value, "interval")); interval != "" {
		monitor["interval"] = interval
	}
	in.setValue("metrics.serviceMonitor", monitor)
	in.note(in.source(p.key, "metrics"), "kured_reboot_required{node} is gone, and with it each alert on it: use "+
		"reboot_operator_policy_oldest_waiting_seconds, "+
		"or metrics.maxNodes for a series per node. metrics.serviceMonitor.subjects has to name the ServiceAccount of your Prometheus")
	for _, name := range slices.Sorted(maps.Keys(map[string]bool{"namespace": true, "scrapeTimeout": true})) {
		if node := child(p.value, name); !empty(node) {
			in.note(in.source(node, "metrics."+name), "there is no such value here")
		}
	}
}

func (in *input) resources(p pair) {
	if !empty(p.value) {
		in.note(in.source(p.key, "resources"), "they were measured for kured; the helper has its own, helper.resources and "+
			"helper.rebooterResources")
	}
}
