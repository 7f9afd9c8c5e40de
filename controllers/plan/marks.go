package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// While a reboot of a node is under way, the operator marks the node with labels and annotations. Like the cordon, a mark is rolled back by
// what the node itself says: one annotation records what was set and what was there before, and changes in the same optimistic patch as the
// marks. Marks that someone else changed in the meantime are left alone.

// markRecord is the value of the marks annotation.
type markRecord struct {
	// For is the UID of the NodeReboot that the node is marked for.
	For         string          `json:"for"`
	Labels      map[string]mark `json:"labels,omitempty"`
	Annotations map[string]mark `json:"annotations,omitempty"`
}

// mark is one label or annotation: what it was set to, and what it was before; nil is not there.
type mark struct {
	Set    string  `json:"set"`
	Before *string `json:"before,omitempty"`
}

// wantedMark is one label or annotation as it should be.
type wantedMark struct {
	value string
	// present: any value will do.
	present bool
}

// markAnnotations keep autoscalers from removing a node that they see empty, or gone, while its reboot is under way.
var markAnnotations = map[string]wantedMark{
	v1alpha1.ScaleDownDisabledAnnotation: {value: "true"},
	v1alpha1.DoNotDisruptAnnotation:      {value: "true"},
}

// marksOn a Node are what its annotation records.
func marksOn(n *model.Node) markRecord { return parseMarks(n.Annotations[v1alpha1.MarksAnnotation]) }

// recordedMarks are those of the node. What its record has of an object is read once.
func (n *nodeView) recordedMarks() markRecord {
	if n.record != nil && n.record.node == n.Node {
		return n.record.marks
	}
	return marksOn(n.Node)
}

// markedFor is the UID of the NodeReboot that the node is marked for; empty if it is not.
func (n *nodeView) markedFor() string { return n.recordedMarks().For }

// labelsWithout marks are the labels that the node would have if no reboot were under way.
func labelsWithout(marks markRecord, n *model.Node) map[string]string {
	if len(marks.Labels) == 0 {
		return n.Labels
	}
	set := &markSet{current: n.Labels, record: marks.Labels, changes: map[string]*string{}}
	set.rollBackOthers(nil, mayRestoreLabel)
	without := maps.Clone(n.Labels)
	for key, change := range set.patch() {
		if change == nil {
			delete(without, key)
		} else {
			without[key] = *change
		}
	}
	return without
}

// patchMarks makes the marks of a node what they should be.
func (n *nodeView) patchMarks(patch *NodePatch) {
	text := n.Annotations[v1alpha1.MarksAnnotation]
	active := n.active()
	if active == nil && text == "" {
		return
	}
	record, owner := n.recordedMarks(), ""
	if active != nil {
		owner = string(active.Object.UID)
	}
	if active != nil && record.For == owner && areSet(n.wantedLabels(record.Labels), n.Labels, record.Labels) &&
		areSet(markAnnotations, n.Annotations, record.Annotations) {
		return
	}
	labels := &markSet{current: n.Labels, record: record.Labels, changes: map[string]*string{}}
	annotations := &markSet{current: n.Annotations, record: record.Annotations, changes: map[string]*string{}}
	if record.For != owner {
		labels.rollBackOthers(nil, mayRestoreLabel)
		annotations.rollBackOthers(nil, isMarkAnnotation)
		for key, value := range n.labelsAfter(record.For) {
			labels.set(key, value)
		}
	}
	if active != nil {
		wanted := n.wantedLabels(labels.record)
		labels.apply(wanted)
		labels.rollBackOthers(wanted, mayRestoreLabel)
		annotations.apply(markAnnotations)
		annotations.rollBackOthers(markAnnotations, isMarkAnnotation)
		if next := (markRecord{For: owner, Labels: labels.record, Annotations: annotations.record}); !next.equal(record) {
			annotations.set(v1alpha1.MarksAnnotation, next.String())
		}
	} else {
		annotations.remove(v1alpha1.MarksAnnotation)
	}
	patch.Labels, patch.Annotations = labels.patch(), annotations.patch()
}

// wantedLabels are the labels of a node whose reboot is under way. One whose policy is gone, or cannot be read, keeps those that it has.
func (n *nodeView) wantedLabels(recorded map[string]mark) map[string]wantedMark {
	wanted := map[string]wantedMark{}
	switch {
	case n.policy == nil || n.policy.Unknown("nodeLabels"):
		for key, m := range recorded {
			wanted[key] = wantedMark{value: m.Set}
		}
	case n.policy.Spec.NodeLabels != nil:
		for key, value := range n.policy.Spec.NodeLabels.During {
			wanted[key] = wantedMark{value: string(value)}
		}
	}
	delete(wanted, v1alpha1.ExcludeLabel)
	if attempt := n.active().Status.Attempt; attempt.ExcludedTime != nil && attempt.UncordonedTime == nil {
		wanted[v1alpha1.ExcludeLabel] = wantedMark{value: "true", present: true}
	}
	return wanted
}

// labelsAfter are those that a node gets when the NodeReboot that it was marked for succeeded. That is found out when the marks are rolled
// back, which happens once.
func (n *nodeView) labelsAfter(uid string) map[string]string {
	after := map[string]string{}
	if n.policy == nil || n.policy.Spec.NodeLabels == nil {
		return after
	}
	for _, r := range n.everyReboot() {
		if string(r.Object.UID) != uid || r.Status.OutcomeReason != v1alpha1.ReasonProved {
			continue
		}
		for key, value := range n.policy.Spec.NodeLabels.After {
			after[key] = string(value)
		}
	}
	return after
}

// mayRestoreLabel: a kubelet may write the annotations of its own Node, so a record is not trusted with labels that no kubelet may set.
func mayRestoreLabel(key string) bool {
	return key == v1alpha1.ExcludeLabel || !reservedKey(key)
}

func isMarkAnnotation(key string) bool {
	_, is := markAnnotations[key]
	return is
}

// reservedKey: labels of these domains mean something to Kubernetes or to the operator. The schema refuses them, too.
func reservedKey(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	for _, reserved := range []string{"kubernetes.io", "k8s.io", "reboot-operator.io"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return true
		}
	}
	return false
}

// parseMarks reads a record. One that is not readable was not written by the operator, and says nothing.
func parseMarks(text string) markRecord {
	var record markRecord
	if text == "" {
		return record
	}
	if json.Unmarshal([]byte(text), &record) != nil {
		return markRecord{}
	}
	return record
}

func (r markRecord) equal(other markRecord) bool {
	return r.For == other.For && maps.EqualFunc(r.Labels, other.Labels, mark.equal) &&
		maps.EqualFunc(r.Annotations, other.Annotations, mark.equal)
}

func (m mark) equal(other mark) bool { return m.Set == other.Set && ptr.Equal(m.Before, other.Before) }

func (r markRecord) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		return "" // maps of text are always encoded
	}
	return string(text)
}

// markSet is the labels, or the annotations, of a node, and what is recorded about them.
type markSet struct {
	current map[string]string
	// changes to current; nil removes.
	changes map[string]*string
	record  map[string]mark
}

func (s *markSet) get(key string) (value string, there bool) {
	if change, changed := s.changes[key]; changed {
		if change == nil {
			return "", false
		}
		return *change, true
	}
	value, there = s.current[key]
	return value, there
}

func (s *markSet) set(key, value string) { s.changes[key] = &value }

func (s *markSet) remove(key string) { s.changes[key] = nil }

// apply sets what is wanted and was not set yet. A mark that was set is only changed if the policy now requires another value, and no one
// else changed it.
func (s *markSet) apply(wanted map[string]wantedMark) {
	s.record = maps.Clone(s.record)
	for key, want := range wanted {
		now, there := s.get(key)
		m, recorded := s.record[key]
		switch {
		case !recorded && there && want.present:
			m = mark{Set: now, Before: &now}
		case !recorded && there:
			m = mark{Set: want.value, Before: &now}
		case !recorded, there && now == m.Set && !want.present:
			m.Set = want.value
		default:
			continue
		}
		s.set(key, m.Set)
		if s.record == nil {
			s.record = map[string]mark{}
		}
		s.record[key] = m
	}
}

// areSet says that apply and rollBackOthers would change nothing.
func areSet(wanted map[string]wantedMark, current map[string]string, record map[string]mark) bool {
	for key, want := range wanted {
		m, recorded := record[key]
		now, there := current[key]
		if !recorded || there && now == m.Set && !want.present && m.Set != want.value {
			return false
		}
	}
	return len(record) == len(wanted)
}

// rollBackOthers rolls back what is recorded and not wanted, as far as no one else changed it and the record is trusted with it.
func (s *markSet) rollBackOthers(wanted map[string]wantedMark, trusted func(key string) bool) {
	s.record = maps.Clone(s.record)
	for _, key := range slices.Collect(maps.Keys(s.record)) {
		if _, is := wanted[key]; is {
			continue
		}
		m := s.record[key]
		delete(s.record, key)
		switch now, there := s.get(key); {
		case !trusted(key) || !there || now != m.Set:
		case m.Before == nil:
			s.remove(key)
		default:
			s.set(key, *m.Before)
		}
	}
}

// patch is what changes; nil if nothing does.
func (s *markSet) patch() map[string]*string {
	maps.DeleteFunc(s.changes, func(key string, change *string) bool {
		now, there := s.current[key]
		return change == nil && !there || change != nil && there && *change == now
	})
	if len(s.changes) == 0 {
		return nil
	}
	return s.changes
}
