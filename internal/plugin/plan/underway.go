package plan

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
)

// later is a cluster whose attempts under way are as far as they are known to be, although the forecast begins a while after that: what has
// taken a minute has not taken hours, and no deadline has passed.
func later(cluster *objects.Cluster, by time.Duration) *objects.Cluster {
	if by <= 0 {
		return cluster
	}
	moved := *cluster
	moved.Reboots = slices.Clone(cluster.Reboots)
	for i, reboot := range moved.Reboots {
		if model.OpenAttempt(&reboot.Status) {
			moved.Reboots[i] = reboot.DeepCopy()
			moveStatus(&moved.Reboots[i].Status, by)
		}
	}
	return &moved
}

// moveStatus moves all times of an open attempt. ReadyTransitionTime stays: it is only compared with the one of the Node.
func moveStatus(s *v1alpha1.NodeRebootStatus, by time.Duration) {
	a := s.Attempt
	times := []*metav1.MicroTime{
		&a.GrantedTime, a.CordonedTime, a.ExcludedTime, a.DrainOrderedTime, a.StuckTime, a.DrainedTime, a.DetachedTime, a.RebootBlockedTime,
		a.RebootOrderedTime, a.MarkedForDeletionTime, a.NodeGoneTime, a.BackTime, a.UncordonedTime, a.SettlingSince, a.RolledBackTime,
		a.RecoveredTime, a.StalledTime, a.InterruptedTime,
	}
	if s.Order != nil {
		times = append(times, &s.Order.Deadline)
	}
	if s.Report != nil {
		times = append(times, s.Report.BootTime)
	}
	for _, boot := range []*v1alpha1.BootInfo{s.Before, s.After} {
		if boot != nil {
			times = append(times, boot.SeenTime)
		}
	}
	for _, t := range times {
		if t != nil && !t.IsZero() {
			t.Time = t.Add(by)
		}
	}
	for i := range s.Conditions {
		s.Conditions[i].LastTransitionTime.Time = s.Conditions[i].LastTransitionTime.Add(by)
	}
}
