package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// The formats that most commands have.
const (
	FormatJSON = "json"
	FormatYAML = "yaml"
	FormatName = "name"
)

// Format is the flag -o. A command with it writes text for people unless the flag says otherwise.
type Format struct {
	value       string
	formats     []string
	showManaged bool
}

// NewFormat adds -o to a command, with the formats that it has; without any, json, yaml and name.
func NewFormat(cmd *cobra.Command, formats ...string) *Format {
	if len(formats) == 0 {
		formats = []string{FormatJSON, FormatYAML, FormatName}
	}
	f := &Format{formats: formats}
	cmd.Flags().VarP(f, "output", "o", "Output format, one of: "+strings.Join(formats, "|"))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	if slices.Contains(formats, FormatJSON) || slices.Contains(formats, FormatYAML) {
		cmd.Flags().BoolVar(&f.showManaged, "show-managed-fields", false, "Keep metadata.managedFields of objects in JSON or YAML")
	}
	return f
}

// String is the format; empty for people.
func (f *Format) String() string { return f.value }

// Type of the flag's value in the help text.
func (*Format) Type() string { return "format" }

// Set checks the format.
func (f *Format) Set(value string) error {
	if value != "" && !slices.Contains(f.formats, value) {
		return fmt.Errorf("there is no such format; write one of %s", strings.Join(f.formats, ", "))
	}
	f.value = value
	return nil
}

// People says that the command writes text for people: -o was not used.
func (f *Format) People() bool { return f.value == "" }

// Objects writes Kubernetes objects in the format json, yaml or name: one by itself, several as a List, as kubectl does. Objects of the
// kinds of the plugin need no apiVersion and kind.
func (f *Format) Objects(w io.Writer, objects ...client.Object) error {
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	typed := make([]runtime.Object, len(objects))
	for i, object := range objects {
		if typed[i], err = f.typed(scheme, object); err != nil {
			return err
		}
	}
	if f.value == FormatName {
		return printAll(&printers.NamePrinter{}, w, typed)
	}
	printer, err := f.encoder()
	if err != nil {
		return err
	}
	if len(typed) == 1 {
		return printAll(printer, w, typed)
	}
	list := &metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: make([]runtime.RawExtension, len(typed))}
	for i := range typed {
		list.Items[i].Object = typed[i]
	}
	return printAll(printer, w, []runtime.Object{list})
}

// typed is a copy that says its kind, and not who managed which field unless that was asked for.
func (f *Format) typed(scheme *runtime.Scheme, object client.Object) (runtime.Object, error) {
	out := object.DeepCopyObject()
	if out.GetObjectKind().GroupVersionKind().Empty() {
		kinds, _, err := scheme.ObjectKinds(out)
		if err != nil {
			return nil, fmt.Errorf("find the kind of %s: %w", object.GetName(), err)
		}
		out.GetObjectKind().SetGroupVersionKind(kinds[0])
	}
	if !f.showManaged {
		accessor, err := meta.Accessor(out)
		if err != nil {
			return nil, fmt.Errorf("read the metadata of %s: %w", object.GetName(), err)
		}
		accessor.SetManagedFields(nil)
	}
	return out, nil
}

func (f *Format) encoder() (printers.ResourcePrinter, error) {
	switch f.value {
	case FormatJSON:
		return &printers.JSONPrinter{}, nil
	case FormatYAML:
		return &printers.YAMLPrinter{}, nil
	}
	return nil, fmt.Errorf("objects have no format %q", f.value)
}

func printAll(printer printers.ResourcePrinter, w io.Writer, objects []runtime.Object) error {
	for _, object := range objects {
		if err := printer.PrintObj(object, w); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
	return nil
}

// Value writes something that is no Kubernetes object in the format json or yaml, and its names in the format name, one a line.
func (f *Format) Value(w io.Writer, value any, names ...string) error {
	var (
		text []byte
		err  error
	)
	switch f.value {
	case FormatJSON:
		if text, err = json.MarshalIndent(value, "", "    "); err == nil {
			text = append(text, '\n')
		}
	case FormatYAML:
		text, err = yaml.Marshal(value)
	case FormatName:
		for _, name := range names {
			text = append(text, name...)
			text = append(text, '\n')
		}
	default:
		err = errors.New("there is no such format")
	}
	if err != nil {
		return fmt.Errorf("encode the answer as %s: %w", f.value, err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
