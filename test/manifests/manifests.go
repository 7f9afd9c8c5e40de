// Package manifests renders what config/ installs, for tests.
package manifests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/repository"
)

// Components are what an installation may add to config/default, from config/components, in the order in which they are named: what
// openshift adds is changed by what comes after it.
var Components = []string{
	"openshift", "host-programs", "sentinel-command", "sentinel-kernel", "signal", "before-1.36", "medik8s-leases", "eviction-requests",
	"apparmor", "selinux", "monitoring", "metrics-cert-manager", large,
}

// large is a component whose objects take long to render, and change no other.
const large = "dashboards"

// Namespace is where the operator is installed if nobody says otherwise.
const Namespace = "reboot-operator-system"

// Object is one object, in its own words.
type Object map[string]any

// Kind of the object.
func (o Object) Kind() string { return fmt.Sprint(o["kind"]) }

// Name of the object.
func (o Object) Name() string {
	metadata, _ := o["metadata"].(map[string]any)
	return fmt.Sprint(metadata["name"])
}

// Rendered is what one kustomization makes.
type Rendered []Object

// Render renders a kustomization of config/, such as "default" or "overlays/signal".
func Render(name string) (Rendered, error) {
	return render(func(filesys.FileSystem) (string, error) { return "config/" + name, nil })
}

// RenderWith renders config/default with components, as someone who combines them would write it.
func RenderWith(components ...string) (Rendered, error) {
	kustomization := "resources: [../../default]\ncomponents:\n"
	for _, component := range components {
		kustomization += "- ../../components/" + component + "\n"
	}
	return RenderOwn(map[string]string{"config/overlays/combined": kustomization})
}

// RenderOwn renders the last, by name, of kustomizations of one's own, each with the directory that it is in.
func RenderOwn(kustomizations map[string]string) (Rendered, error) {
	return render(func(files filesys.FileSystem) (string, error) {
		last := ""
		for directory, kustomization := range kustomizations {
			last = max(last, directory)
			if err := files.WriteFile(directory+"/kustomization.yaml", []byte(kustomization)); err != nil {
				return "", err
			}
		}
		return last, nil
	})
}

// Overlays are the names of all overlays.
func Overlays() ([]string, error) {
	root, err := configRoot()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(root, "overlays"))
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, "overlays/"+entry.Name())
	}
	return names, err
}

// render works on a copy in memory, so that nothing is left behind and nothing else of this machine is read.
func render(choose func(filesys.FileSystem) (string, error)) (Rendered, error) {
	files, err := copyConfig()
	if err != nil {
		return nil, err
	}
	directory, err := choose(files)
	if err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	resources, err := krusty.MakeKustomizer(options).Run(files, directory)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", directory, err)
	}
	rendered := make(Rendered, 0, resources.Size())
	for _, resource := range resources.Resources() {
		object, err := resource.Map()
		if err != nil {
			return nil, err
		}
		rendered = append(rendered, object)
	}
	return rendered, nil
}

// configRoot is the directory config/ of the repository.
func configRoot() (string, error) {
	root, err := repository.Root()
	return filepath.Join(root, "config"), err
}

func copyConfig() (filesys.FileSystem, error) {
	contents, err := config()
	if err != nil {
		return nil, err
	}
	files := filesys.MakeFsInMemory()
	for name, content := range contents {
		if err := files.WriteFile(name, content); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// config are the files in YAML and JSON of config/, by name. Kinds are only included by name: they are most of what would be rendered,
// repeatedly, and no kustomization changes them.
var config = sync.OnceValues(func() (map[string][]byte, error) {
	root, err := configRoot()
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	return contents, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".json"}, filepath.Ext(path)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(root), path)
		if err != nil {
			return err
		}
		if filepath.Base(filepath.Dir(path)) == "bases" {
			if content, err = onlyName(content); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		contents[filepath.ToSlash(name)] = content
		return nil
	})
})

func onlyName(content []byte) ([]byte, error) {
	var whole Object
	if err := yaml.Unmarshal(content, &whole); err != nil {
		return nil, err
	}
	return yaml.Marshal(Object{
		"apiVersion": whole["apiVersion"], "kind": whole.Kind(), "metadata": map[string]any{"name": whole.Name()},
	})
}

// Find decodes the object of a kind and name. A field that the kind does not have is an error.
func Find[T any](rendered Rendered, kind, name string) (*T, error) {
	for _, object := range rendered {
		if object.Kind() != kind || object.Name() != name {
			continue
		}
		typed := new(T)
		if err := apiruntime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object, typed, true); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, name, err)
		}
		return typed, nil
	}
	return nil, fmt.Errorf("there is no %s %s", kind, name)
}

// Container returns a container of the helper's pod, or of the manager's.
func (r Rendered) Container(name string) (*corev1.Container, error) {
	helper, err := r.HelperPod()
	if err != nil {
		return nil, err
	}
	manager, err := Find[appsv1.Deployment](r, "Deployment", "reboot-operator-manager")
	if err != nil {
		return nil, err
	}
	for _, spec := range []*corev1.PodSpec{helper, &manager.Spec.Template.Spec} {
		for i := range spec.Containers {
			if spec.Containers[i].Name == name {
				return &spec.Containers[i], nil
			}
		}
	}
	return nil, fmt.Errorf("there is no container %s", name)
}

// HelperPod is the helper's pod.
func (r Rendered) HelperPod() (*corev1.PodSpec, error) {
	helper, err := Find[appsv1.DaemonSet](r, "DaemonSet", "reboot-operator-helper")
	if err != nil {
		return nil, err
	}
	return &helper.Spec.Template.Spec, nil
}

// Pod is the pod of a workload.
type Pod struct {
	// Name of the workload.
	Name string
	Spec *corev1.PodSpec
}

// Pods are those of all workloads.
func (r Rendered) Pods() ([]Pod, error) {
	var pods []Pod
	for _, object := range r {
		var spec *corev1.PodSpec
		switch object.Kind() {
		case "Deployment":
			workload, err := Find[appsv1.Deployment](r, object.Kind(), object.Name())
			if err != nil {
				return nil, err
			}
			spec = &workload.Spec.Template.Spec
		case "DaemonSet":
			workload, err := Find[appsv1.DaemonSet](r, object.Kind(), object.Name())
			if err != nil {
				return nil, err
			}
			spec = &workload.Spec.Template.Spec
		case "StatefulSet", "ReplicaSet", "Job", "CronJob", "Pod", "ReplicationController":
			return nil, fmt.Errorf("the pods of a %s are not looked at", object.Kind())
		default:
			continue
		}
		pods = append(pods, Pod{Name: object.Name(), Spec: spec})
	}
	return pods, nil
}

// YAML of an object, for messages.
func YAML(object any) string {
	text, err := yaml.Marshal(object)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// All are config/default, every overlay, and combinations of components, by name. They are rendered once, and must not be changed.
var All = sync.OnceValues(renderAll)

func renderAll() (map[string]Rendered, error) {
	names, err := Overlays()
	if err != nil {
		return nil, err
	}
	all := map[string]Rendered{}
	for _, name := range append(names, "default") {
		if all[name], err = Render(name); err != nil {
			return nil, err
		}
	}
	for _, components := range combinations() {
		name := strings.Join(components, "+")
		if all[name], err = RenderWith(components...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

// combinations of components: each, every two that go together, and as many as go together.
func combinations() [][]string {
	var all [][]string
	for i, one := range Components {
		all = append(all, []string{one})
		for _, other := range without(Components[i+1:], large) {
			all = append(all, []string{one, other})
		}
	}
	all = append(all, without(Components, "apparmor", "selinux"), without(Components, "host-programs", "sentinel-command", "signal"))
	return slices.DeleteFunc(all, func(names []string) bool { return !goTogether(names) })
}

// goTogether: a command of the host needs the right to run it, and a confined rebooter has neither that right nor a signal's.
func goTogether(names []string) bool {
	has := func(name string) bool { return slices.Contains(names, name) }
	confined := has("apparmor") || has("selinux")
	return (!has("sentinel-command") || has("host-programs")) && (!confined || !has("host-programs") && !has("signal"))
}

func without(names []string, unwanted ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(unwanted, name) })
}
