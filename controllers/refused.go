package controllers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// refusedPhrases occur in the answers by which the API server refuses a write, whatever their code: a webhook chooses the code of its
// denial, and a webhook that cannot be called results in an internal error.
var refusedPhrases = [][2]string{
	{"admission webhook", "denied the request"},
	{"AdmissionPolicy", "denied request"},
	{"failed calling webhook", ""},
	{"request is too large", ""}, // of etcd
	{"larger than max", ""},      // of the client of etcd
}

// refusedCodes are those of answers that are about what is written, and not about the moment.
var refusedCodes = []int32{
	http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
	http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
}

// refusalOf returns the API server's answer, and whether it refuses what is written. Other errors are about the moment: conflicts,
// timeouts, too many requests, a server that is down.
func refusalOf(err error) (answer string, refused bool) {
	var status apierrors.APIStatus
	if err == nil || !errors.As(err, &status) {
		return "", false
	}
	answer = strings.TrimRight(strings.Join(strings.Fields(status.Status().Message), " "), ".")
	for _, phrase := range refusedPhrases {
		if strings.Contains(answer, phrase[0]) && strings.Contains(answer, phrase[1]) {
			return answer, true
		}
	}
	return answer, slices.Contains(refusedCodes, status.Status().Code)
}

// refusedWrites remembers, in memory, what the API server refuses. After a restart everything is tried again.
type refusedWrites struct {
	mu sync.Mutex
	model.RefusedWrites
}

// current adds the refusals that count to a snapshot.
func (w *refusedWrites) current(s *snapshot, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Refusals = w.Current(now, s.look)
}

// look is what the object of a write looks like as far as others change it, and whether it is there.
func (s *snapshot) look(key model.WriteKey) (string, bool) {
	switch key.Write {
	case model.WriteTaint, model.WriteCordon, model.WriteLabels, model.WriteExclude, model.WriteMaintenance:
		if node := s.node(key.Name); node != nil {
			return lookOf(&metav1.ObjectMeta{UID: node.UID, Labels: node.Labels}, othersTaints(node)), true
		}
		return "", false
	case model.WriteCreate, model.WriteSlots:
		return "", true
	case model.WritePolicy:
		for _, policy := range s.Policies {
			if policy.Name == key.Name {
				return lookOf(&policy.ObjectMeta, decode.List(policy.Unreadable)), true
			}
		}
		return "", false
	}
	if reboot := s.reboot(key.Name); reboot != nil {
		return lookOf(&reboot.ObjectMeta, othersConditions(reboot)+decode.List(reboot.Unreadable)), true
	}
	return "", false
}

// lookOf sums up what others write. The operator writes neither labels nor annotations of its own kinds.
func lookOf(meta *metav1.ObjectMeta, more string) string {
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, meta.UID, meta.Generation, more)
	for _, entries := range []map[string]string{meta.Labels, meta.Annotations} {
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			_, _ = fmt.Fprintf(sum, "\n%s=%s", key, entries[key])
		}
	}
	return fmt.Sprintf("%x", sum.Sum64())
}

// othersTaints leaves out the operator's taints, and the taint that Kubernetes sets because the operator cordons the node.
func othersTaints(node *corev1.Node) string {
	var keys []string
	for i := range node.Spec.Taints {
		switch taint := &node.Spec.Taints[i]; taint.Key {
		case v1alpha1.TaintKey, v1alpha1.RebootingTaintKey, corev1.TaintNodeUnschedulable:
		default:
			keys = append(keys, taint.ToString())
		}
	}
	return strings.Join(keys, ",")
}

func othersConditions(reboot *v1alpha1.NodeReboot) string {
	var types []string
	for i := range reboot.Status.Conditions {
		if model.HookCondition(reboot.Status.Conditions[i].Type) {
			types = append(types, reboot.Status.Conditions[i].Type)
		}
	}
	return strings.Join(types, ",")
}

// target is the object of a write, and what belongs to it.
type target struct {
	key model.WriteKey
	// node and reboot that the write is about, if it is about any.
	node   *corev1.Node
	reboot *v1alpha1.NodeReboot
	// object to tell people about it.
	object runtime.Object
	// grant that the write follows.
	grant model.GrantKey
}

// made takes what came of a write, and says so to the plan's order of writes.
func (w *writing) made(ctx context.Context, t target, err error) plan.Written {
	answer, refused := refusalOf(err)
	switch {
	case refused:
		w.refuse(ctx, t, answer)
		return plan.WriteRefused
	case err != nil:
		w.result.add(err)
		return plan.WriteFailed
	}
	w.refused.mu.Lock()
	defer w.refused.mu.Unlock()
	w.refused.Made(t.key)
	if t.key.Write == model.WriteOrder {
		w.refused.Made(model.WriteKey{Write: model.WriteStatus, Name: t.key.Name})
	}
	return plan.WriteMade
}

// refuse remembers a refusal, and reports it when it is news.
func (w *writing) refuse(ctx context.Context, t target, answer string) {
	refusal := model.Refusal{WriteKey: t.key, Answer: answer, Grant: t.grant}
	if t.node != nil {
		refusal.Node = t.node.Name
	} else if t.reboot != nil {
		refusal.Node = t.reboot.Spec.NodeName
	}
	object, _ := w.snapshot.look(t.key)
	w.refused.mu.Lock()
	news := w.refused.Note(&refusal, object, w.now)
	w.refused.mu.Unlock()
	w.result.refuse()
	w.numbers.refused.WithLabelValues(string(t.key.Write)).Inc()
	logf.FromContext(ctx).Info("The API server refuses a write", "write", t.key.Write, "name", t.key.Name, "node", refusal.Node,
		"answer", answer)
	if !news {
		return
	}
	event := model.Event{Warning: true, Reason: v1alpha1.ReasonWriteRefused, Message: model.Bounded(refusal.String()), OnNode: true}
	switch {
	case t.object != nil:
		w.record(t.object, nil, &event)
	case t.reboot != nil:
		w.emitReboot(t.reboot, t.node, []model.Event{event})
	case t.node != nil:
		w.record(t.node, nil, &event)
	}
}

// freed forgets the grants that the slots object does not hold anymore.
func (w *refusedWrites) freed(slots map[string]plan.Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Freed(func(grant model.GrantKey) bool {
		for _, slot := range slots {
			if slot.Key() == grant {
				return true
			}
		}
		return false
	})
}
