package kured

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// daemonSet reads a DaemonSet that runs kured; another one is passed over.
func (in *input) daemonSet(node *yaml.Node) {
	pod := at(node, "spec.template.spec")
	containers := items(child(pod, "containers"))
	i := slices.IndexFunc(containers, isKured)
	if i < 0 {
		return
	}
	in.found++
	container := containers[i]
	in.name, in.namespace = scalar(at(node, "metadata.name")), scalar(at(node, "metadata.namespace"))
	for _, annotation := range pairs(at(node, "metadata.annotations")) {
		in.annotations[annotation.key.Value] = annotation.value.Value
	}
	in.version = versionOf(tagOf(scalar(child(container, "image"))))
	in.variables = nil
	for _, v := range items(child(container, "env")) {
		in.variable(v)
	}
	if from := child(container, "envFrom"); len(items(from)) > 0 {
		in.wrong(in.source(from, "envFrom"), "variables of kured may be in there, and override flags: write those that begin with KURED_ "+
			"into env, and run this again")
	}
	in.mounted(pod, container)
	in.commandLine(container)
	in.placed(pod)
}

func isKured(container *yaml.Node) bool {
	image, _, _ := strings.Cut(scalar(child(container, "image")), "@")
	image, _, _ = strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	if image == "kured" || strings.HasPrefix(image, "kured-") {
		return true
	}
	return slices.ContainsFunc(items(child(container, "command")), func(word *yaml.Node) bool {
		return path.Base(strings.SplitN(scalar(word)+" ", " ", 2)[0]) == "kured"
	})
}

// commandLine reads command and args of the container.
func (in *input) commandLine(container *yaml.Node) {
	command := items(child(container, "command"))
	args := items(child(container, "args"))
	if len(command) > 0 {
		if program := path.Base(scalar(command[0])); program != "kured" {
			in.wrong(in.source(command[0], "command"), "kured is started by %s, whose work is not repeated here: write kured's arguments as a "+
				"list, "+
				"with /usr/bin/kured first", program)
			return
		}
		command = command[1:]
	}
	for _, word := range slices.Concat(command, args) {
		text, is := printed(word)
		if !is {
			in.wrong(in.source(word, "args"), "an argument is a text: write one")
			continue
		}
		a := argument{source: in.source(word, "")}
		a.text, a.unknown = in.expanded(text, container)
		in.arguments = append(in.arguments, a)
	}
}

// expanded is an argument with the variables that the kubelet replaces.
func (in *input) expanded(text string, container *yaml.Node) (full, unknown string) {
	for _, v := range items(child(container, "env")) {
		placeholder := "$(" + scalar(child(v, "name")) + ")"
		if !strings.Contains(text, placeholder) {
			continue
		}
		if from := child(v, "valueFrom"); from != nil {
			return text, reference(from)
		}
		text = strings.ReplaceAll(text, placeholder, scalar(child(v, "value")))
	}
	if templated.MatchString(text) {
		return text, "a template that another program fills in"
	}
	return text, ""
}

// mounted notes which directories of the host the container has.
func (in *input) mounted(pod, container *yaml.Node) {
	hosts := map[string]string{}
	for _, volume := range items(child(pod, "volumes")) {
		if host := scalar(at(volume, "hostPath.path")); host != "" {
			hosts[scalar(child(volume, "name"))] = host
		}
	}
	for _, mount := range items(child(container, "volumeMounts")) {
		if host := hosts[scalar(child(mount, "name"))]; host != "" {
			in.mounts[path.Clean(scalar(child(mount, "mountPath")))] = path.Join(host, scalar(child(mount, "subPath")))
		}
	}
}

// placed reads on which nodes kured's pods run.
func (in *input) placed(pod *yaml.Node) {
	for _, p := range pairs(pod) {
		switch p.key.Value {
		case "nodeSelector":
			in.nodeSelector(p)
		case "affinity":
			carry("helper.affinity")(in, p)
		case "priorityClassName":
			carry("helper.priorityClassName")(in, p)
		case "initContainers":
			topValues["initContainers"](in, p)
		}
	}
	tolerations := child(pod, "tolerations")
	if empty(tolerations) {
		in.setValue("helper.tolerations", []any{})
		return
	}
	in.setValue("helper.tolerations", plainOf(tolerations))
}
