package record

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
)

// Where API servers keep what the judge looks at.
const (
	nodesPrefix    = prefix + "minions/"
	podsPrefix     = prefix + "pods/"
	rebootsPrefix  = prefix + "reboot-operator.io/nodereboots/"
	policiesPrefix = prefix + "reboot-operator.io/rebootpolicies/"

	appLabel = "app"
)

// conditions are those that the operator publishes on Nodes.
var conditions = []corev1.NodeConditionType{"MaintenancePlanned", "DrainInProgress", "Drained", "MaintenanceInProgress"}

// decoder reads objects as API servers store them.
type decoder struct {
	slots string // the key of the slots object
	codec runtime.Decoder
}

func newDecoder(namespace string) *decoder {
	return &decoder{
		slots: prefix + "configmaps/" + namespace + "/" + v1alpha1.SlotsName,
		codec: clientgoscheme.Codecs.UniversalDeserializer(),
	}
}

func (d *decoder) add(history *judge.History, moment judge.Moment, key string, value []byte, gone bool) error {
	err := d.addObject(history, moment, key, value, gone)
	if err != nil {
		return fmt.Errorf("decode %s of revision %d: %w", key, moment.Version, err)
	}
	return nil
}

func (d *decoder) addObject(history *judge.History, moment judge.Moment, key string, value []byte, gone bool) (err error) {
	switch {
	case strings.HasPrefix(key, nodesPrefix):
		node := &corev1.Node{}
		err = d.decode(value, node)
		history.Nodes = append(history.Nodes, nodeOf(moment, node, gone))
	case strings.HasPrefix(key, podsPrefix):
		pod := &corev1.Pod{}
		err = d.decode(value, pod)
		if pod.Labels[appLabel] != "" {
			history.Pods = append(history.Pods, podOf(moment, pod, gone))
		}
	case strings.HasPrefix(key, rebootsPrefix):
		reboot := &v1alpha1.NodeReboot{}
		err = json.Unmarshal(value, reboot)
		history.Reboots = append(history.Reboots, rebootOf(moment, reboot, gone))
	case strings.HasPrefix(key, policiesPrefix):
		policy := &v1alpha1.RebootPolicy{}
		err = json.Unmarshal(value, policy)
		history.Policies = append(history.Policies, judge.Policy{Moment: moment, Name: policy.Name, Spec: policy.Spec, Gone: gone})
	case key == d.slots:
		slots := &corev1.ConfigMap{}
		err = d.decode(value, slots)
		history.Slots = append(history.Slots, slotsOf(moment, slots, gone))
	}
	return err
}

func (d *decoder) decode(value []byte, into runtime.Object) error {
	_, _, err := d.codec.Decode(value, nil, into)
	return err
}

func nodeOf(moment judge.Moment, node *corev1.Node, gone bool) judge.Node {
	_, controlPlane := node.Labels[v1alpha1.ControlPlaneLabel]
	_, skipped := node.Labels[v1alpha1.SkipLabel]
	_, ours := node.Annotations[v1alpha1.CordonAnnotation]
	record := judge.Node{
		Moment: moment, Name: node.Name, UID: string(node.UID), Labels: node.Labels, Zone: node.Labels[corev1.LabelTopologyZone],
		ControlPlane: controlPlane, Skipped: skipped, Cordoned: node.Spec.Unschedulable, Ours: ours && node.Spec.Unschedulable,
		BootID: node.Status.NodeInfo.BootID, Gone: gone,
	}
	for _, taint := range node.Spec.Taints {
		record.Taints = append(record.Taints, taint.Key)
		if taint.Key == v1alpha1.TaintKey || taint.Key == v1alpha1.RebootingTaintKey {
			record.Marks = append(record.Marks, "taint "+taint.Key)
		}
	}
	for _, annotation := range []string{
		v1alpha1.CordonAnnotation, v1alpha1.MarksAnnotation, v1alpha1.ScaleDownDisabledAnnotation, v1alpha1.DoNotDisruptAnnotation,
	} {
		if _, found := node.Annotations[annotation]; found {
			record.Marks = append(record.Marks, "annotation "+annotation)
		}
	}
	if _, found := node.Labels[v1alpha1.ExcludeLabel]; found {
		record.Marks = append(record.Marks, "label "+v1alpha1.ExcludeLabel)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			record.Ready = condition.Status == corev1.ConditionTrue
		}
		if slices.Contains(conditions, condition.Type) && condition.Status == corev1.ConditionTrue {
			record.Marks = append(record.Marks, "condition "+string(condition.Type))
		}
	}
	return record
}

func podOf(moment judge.Moment, pod *corev1.Pod, gone bool) judge.Pod {
	return judge.Pod{
		Moment: moment, App: pod.Namespace + "/" + pod.Labels[appLabel], Name: pod.Name, UID: string(pod.UID), Node: pod.Spec.NodeName,
		Gone: gone,
		Ready: pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}),
	}
}

func rebootOf(moment judge.Moment, reboot *v1alpha1.NodeReboot, gone bool) judge.Reboot {
	return judge.Reboot{
		Moment: moment, Name: reboot.Name, UID: string(reboot.UID), Node: reboot.Spec.NodeName, Finalizers: reboot.Finalizers,
		Deleting: reboot.DeletionTimestamp != nil, Gone: gone, Status: reboot.Status,
	}
}

func slotsOf(moment judge.Moment, object *corev1.ConfigMap, gone bool) judge.Slots {
	slots := judge.Slots{Moment: moment, Grants: map[string]judge.Grant{}, Entries: len(object.Data), Gone: gone}
	for node, encoded := range object.Data {
		var grant judge.Grant
		if json.Unmarshal([]byte(encoded), &grant) == nil && grant.Attempt > 0 {
			slots.Grants[node] = grant
		}
	}
	return slots
}
