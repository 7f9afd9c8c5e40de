package objects

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// Load reads a cluster from a file, which Write has made, or kubectl get -o yaml or -o json. Errors name the line.
func Load(in io.Reader, name string) (*Cluster, error) {
	l := &loading{name: name, cluster: &Cluster{unreadable: map[types.UID]*unstructured.Unstructured{}}, seen: map[string]int{}}
	l.decoders = l.allDecoders()
	reader := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		l.line++
		if taken := l.take(line); taken != nil {
			return nil, taken
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if err := l.endDocument(); err != nil {
		return nil, err
	}
	return l.finish()
}

// loading is the state of one Load.
type loading struct {
	name    string
	cluster *Cluster
	line    int
	// document is what was read of the current one and is not decoded yet, and begins the number of its first line.
	document bytes.Buffer
	begins   int
	// inItems says that the last line was that of an object in a list, or of the key before them.
	inItems bool
	// decoders of the kinds that matter.
	decoders map[schema.GroupKind]func([]byte) error
	// seen are the objects, with the line or the document in which they are.
	seen map[string]int
	// others counts objects of other kinds.
	others int
	other  string
}

func (l *loading) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s: line %d: %w", l.name, line, fmt.Errorf(format, args...))
}

// take reads one line. Objects that have a line of their own are decoded at once, which makes large files possible.
func (l *loading) take(line []byte) error {
	trimmed := bytes.TrimRight(line, " \r\n")
	switch item, isItem := bytes.CutPrefix(trimmed, []byte(beginItem+"{")); {
	case bytes.Equal(trimmed, []byte("---")) || bytes.HasPrefix(trimmed, []byte("--- #")):
		return l.endDocument()
	case l.inItems && isItem && bytes.HasSuffix(item, []byte("}")) && json.Valid(trimmed[len(beginItem):]):
		l.document.WriteByte('\n') // so that lines keep their numbers
		return l.object(trimmed[len(beginItem):], l.line)
	}
	l.inItems = bytes.Equal(trimmed, []byte("items:"))
	if l.document.Len() == 0 {
		l.begins = l.line
	}
	if l.document.Len() > 0 || len(trimmed) > 0 {
		l.document.Write(line)
	}
	return nil
}

// endDocument decodes what is left of a document.
func (l *loading) endDocument() error {
	defer l.document.Reset()
	l.inItems = false
	if len(bytes.TrimSpace(l.document.Bytes())) == 0 {
		return nil
	}
	encoded, err := yaml.YAMLToJSON(l.document.Bytes())
	if err != nil {
		line, text := lineOf(err, l.begins)
		return l.errorf(line, "this is not YAML: %s", text)
	}
	if bytes.Equal(encoded, []byte("null")) {
		return nil // comments alone
	}
	return l.object(encoded, l.begins)
}

// yamlLine is where an error of the YAML library is, from the beginning of a document.
var yamlLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:line (\d+): )?`)

// lineOf says in which line of a file an error is whose document begins in a line.
func lineOf(err error, begins int) (line int, text string) {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return begins, err.Error()
	}
	offset, err2 := strconv.Atoi(found[1])
	if err2 != nil {
		offset = 1
	}
	return begins + offset - 1, strings.TrimPrefix(err.Error(), found[0])
}

// head is what all objects have in common.
type head struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// object takes an object, or a list of objects.
func (l *loading) object(encoded []byte, line int) error {
	var h head
	if err := json.Unmarshal(encoded, &h); err != nil {
		return l.errorf(line, "this is not a Kubernetes object: %w", err)
	}
	if h.Kind == "" || h.APIVersion == "" {
		return l.errorf(line, "an object has no apiVersion or no kind")
	}
	if strings.HasSuffix(h.Kind, "List") && h.Metadata.Name == "" {
		for i, item := range h.Items {
			if err := l.object(item, line); err != nil {
				return fmt.Errorf("%w (items[%d])", err, i)
			}
		}
		return nil
	}
	if h.Metadata.Name == "" {
		return l.errorf(line, "an object of kind %s has no name", h.Kind)
	}
	return l.keep(&h, encoded, line)
}

// keep decodes an object of a kind that matters.
func (l *loading) keep(h *head, encoded []byte, line int) error {
	group, _, found := strings.Cut(h.APIVersion, "/")
	if !found {
		group = ""
	}
	kind := schema.GroupKind{Group: group, Kind: h.Kind}
	add := l.decoders[kind]
	if add == nil {
		l.others++
		l.other = h.Kind + " " + strings.TrimPrefix(h.Metadata.Namespace+"/"+h.Metadata.Name, "/")
		return nil
	}
	key := kind.String() + " " + h.Metadata.Namespace + "/" + h.Metadata.Name
	if before, is := l.seen[key]; is {
		return l.errorf(line, "%s %s appears twice; the first one is in line %d", h.Kind, h.Metadata.Name, before)
	}
	l.seen[key] = line
	if err := add(encoded); err != nil {
		return l.errorf(line, "%s %s cannot be read: %w", h.Kind, h.Metadata.Name, err)
	}
	return nil
}

// adder decodes an object into a list, as far as a plan depends on it.
func adder[T any](list *[]*T, strip func(*T) *T) func([]byte) error {
	return func(encoded []byte) error {
		object := new(T)
		if err := json.Unmarshal(encoded, object); err != nil {
			return err //nolint:wrapcheck // the caller says what was read
		}
		*list = append(*list, strip(object))
		return nil
	}
}

func same[T any](object *T) *T { return object }

func (l *loading) allDecoders() map[schema.GroupKind]func([]byte) error {
	c := l.cluster
	decoders := map[schema.GroupKind]func([]byte) error{
		{Group: v1alpha1.GroupVersion.Group, Kind: "RebootPolicy"}: adder(&c.Policies, stripPolicy),
		{Group: v1alpha1.GroupVersion.Group, Kind: "NodeReboot"}:   adder(&c.Reboots, stripReboot),
		{Kind: "Node"}:                                      adder(&c.Nodes, projection.StripNode),
		{Kind: "Pod"}:                                       adder(&c.Pods, same),
		{Kind: "ConfigMap"}:                                 l.configMap,
		{Group: "apps", Kind: "Deployment"}:                 adder(&c.Deployments, stripDeployment),
		{Group: "apps", Kind: "StatefulSet"}:                adder(&c.StatefulSets, projection.StripStatefulSet),
		{Group: "apps", Kind: "DaemonSet"}:                  adder(&c.HelperSets, same),
		{Group: "policy", Kind: "PodDisruptionBudget"}:      adder(&c.Budgets, projection.StripBudget),
		{Group: "coordination.k8s.io", Kind: "Lease"}:       adder(&c.Leases, projection.StripLease),
		{Group: "storage.k8s.io", Kind: "VolumeAttachment"}: adder(&c.Volumes, projection.StripVolumeAttachment),
	}
	for _, kind := range projection.MaintenanceKinds() {
		decoders[kind.GroupKind()] = func(encoded []byte) error {
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(encoded); err != nil {
				return err //nolint:wrapcheck // the caller says what was read
			}
			c.Maintenances = append(c.Maintenances, projection.StripMaintenance(object))
			return nil
		}
	}
	return decoders
}

func stripDeployment(d *appsv1.Deployment) *appsv1.Deployment {
	if projection.IsManagerDeployment(d) {
		return projection.StripManagerDeployment(d)
	}
	return projection.StripDeployment(d)
}

// configMap takes the header and the slots object. There may be any others.
func (l *loading) configMap(encoded []byte) error {
	object := &corev1.ConfigMap{}
	if err := json.Unmarshal(encoded, object); err != nil {
		return err //nolint:wrapcheck // the caller says what was read
	}
	c := l.cluster
	switch object.Name {
	case v1alpha1.SlotsName:
		c.Slots = stripSlots(object)
	case headerName:
		taken, err := time.Parse(time.RFC3339, object.Data[headerTaken])
		if err != nil {
			return fmt.Errorf("data.%s is not a time such as 2006-01-02T15:04:05Z: %w", headerTaken, err)
		}
		c.Taken, c.Namespace, c.PodsUnknown = taken, object.Namespace, object.Data[headerPods] == "true"
		if text := object.Data[headerUnknown]; text != "" {
			c.Unknown = strings.Split(text, "\n")
		}
	}
	return nil
}

// finish completes what the objects say together.
func (l *loading) finish() (*Cluster, error) {
	c := l.cluster
	if len(c.Nodes) == 0 && len(c.Policies) == 0 && len(c.Reboots) == 0 {
		return nil, fmt.Errorf("%s has no Nodes, RebootPolicies or NodeReboots; write one with: kubectl reboots snapshot -o FILE", l.name)
	}
	if l.others > 0 {
		others := model.Count(l.others, "object")
		c.Unknown = append(c.Unknown, fmt.Sprintf("%s has %s that no plan depends on, such as %s.", l.name, others, l.other))
	}
	for _, deployment := range c.Deployments {
		if projection.IsManagerDeployment(deployment) && (c.Namespace == "" || c.Namespace == deployment.Namespace) {
			c.Manager, c.Namespace = deployment, deployment.Namespace
		}
	}
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.Taken.IsZero() {
		l.noteMissing()
	}
	c.HelperSets = keepHelperSets(c.HelperSets, c.Namespace)
	c.Pods = stripPods(c)
	return c, nil
}

// noteMissing says which kinds a file lacks that kubectl reboots snapshot has not made.
func (l *loading) noteMissing() {
	c := l.cluster
	c.PodsUnknown = len(c.Pods) == 0
	for _, kind := range []struct {
		objects       int
		what, instead string
	}{
		{len(c.Deployments), "Deployments", withoutDeployments},
		{len(c.StatefulSets), "StatefulSets", withoutStatefulSets},
		{len(c.Budgets), "PodDisruptionBudgets", withoutBudgets},
		{len(c.HelperSets), "DaemonSets", withoutHelperSets},
		{len(c.Pods), "Pods", withoutPods},
	} {
		if kind.objects == 0 && (kind.instead != withoutHelperSets || !c.PodsUnknown) {
			c.Unknown = append(c.Unknown, fmt.Sprintf("%s has no %s: %s.", l.name, kind.what, kind.instead))
		}
	}
}

func keepHelperSets(all []*appsv1.DaemonSet, namespace string) []*appsv1.DaemonSet {
	var kept []*appsv1.DaemonSet
	for _, set := range all {
		if set.Namespace == namespace && set.Labels[v1alpha1.ComponentLabel] == projection.HelperComponent {
			kept = append(kept, projection.StripHelperSet(set))
		}
	}
	return kept
}
