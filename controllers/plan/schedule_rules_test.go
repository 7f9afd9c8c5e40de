package plan

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// offsets of the zones of random schedules. In none of them clocks are changed while a fleet is simulated.
var offsets = map[string]time.Duration{
	"UTC": 0, "Asia/Tokyo": 9 * time.Hour, "Asia/Kathmandu": 5*time.Hour + 45*time.Minute, "Pacific/Marquesas": -9*time.Hour - 30*time.Minute,
}

// randomSchedule has a window that opens every hour, sometimes a second one that opens every day, and freezes.
func randomSchedule(random *rand.Rand, s *v1alpha1.ScheduleSpec) {
	if random.IntN(2) == 0 {
		return
	}
	s.TimeZone = pick(random, "UTC", "Asia/Tokyo", "Asia/Kathmandu", "Pacific/Marquesas")
	s.AtClose = pick(random, v1alpha1.TimeoutAbort, v1alpha1.TimeoutAbort, v1alpha1.TimeoutContinue)
	least := random.Int32N(300)
	s.MinRemainingSeconds = &least
	hourly := random.IntN(8) == 0 // cron expressions take long to compute
	if hourly {
		s.Windows = append(s.Windows, v1alpha1.ScheduleWindow{
			Cron: fmt.Sprintf("%d * * * *", random.IntN(60)), DurationSeconds: 600 + random.Int32N(1200),
		})
	}
	if !hourly || random.IntN(3) == 0 {
		s.Windows = append(s.Windows, dailyWindows(random, offsets[s.TimeZone])...)
	}
	for i := range random.IntN(3) {
		from := start.Add(time.Duration(random.Int64N(int64(chaos))).Truncate(time.Second))
		s.Freezes = append(s.Freezes, randomFreeze(random, "freeze-"+strconv.Itoa(i), from))
	}
}

// dailyWindows are some that open while faults happen, and one later in the day.
func dailyWindows(random *rand.Rand, offset time.Duration) []v1alpha1.ScheduleWindow {
	var windows []v1alpha1.ScheduleWindow
	for _, at := range []time.Duration{0, chaos / 2, 7 * time.Hour}[random.IntN(2):] {
		open := start.Add(offset + at + time.Duration(random.Int64N(int64(chaos/3))))
		windows = append(windows, v1alpha1.ScheduleWindow{
			Weekly: &v1alpha1.WeeklyWindow{
				Days: []v1alpha1.Weekday{
					v1alpha1.Monday, v1alpha1.Tuesday, v1alpha1.Wednesday, v1alpha1.Thursday, v1alpha1.Friday, v1alpha1.Saturday, v1alpha1.Sunday,
				},
				Start: open.Format("15:04"),
			},
			DurationSeconds: 600 + random.Int32N(7200),
		})
	}
	return windows
}

func randomFreeze(random *rand.Rand, name string, from time.Time) v1alpha1.Freeze {
	return v1alpha1.Freeze{
		Name: name, From: metav1.NewTime(from), To: metav1.NewTime(from.Add(time.Duration(30+random.IntN(600)) * time.Second)),
	}
}

// freezeNow is a freeze that a person adds when it begins.
func (w *world) freezeNow() {
	freeze := randomFreeze(w.random, w.uid("freeze"), w.now.Truncate(time.Second))
	w.editAnyPolicy(spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = append(s.Schedule.Freezes[:len(s.Schedule.Freezes):len(s.Schedule.Freezes)], freeze)
	}))
}

// checkSchedule: nothing starts, and no order is given, outside an open window or in a freeze. What is started may be finished after the
// window closed if the policy says so.
func (w *world) checkSchedule(owner *v1alpha1.RebootPolicy, node *Node, reboot *v1alpha1.NodeReboot, started bool, what string) {
	schedule := owner.Spec.Schedule
	urgent := reboot != nil && reboot.Spec.Urgency == v1alpha1.UrgencyImmediate
	finishes := started && schedule.AtClose == v1alpha1.TimeoutContinue
	w.rules.scheduled++
	for _, f := range schedule.Freezes {
		if !urgent && !w.clock().Before(f.From.Time) && w.clock().Before(f.To.Time) {
			w.breaks("node %s was %s in the freeze %s of policy %s", node.Name, what, f.Name, owner.Name)
		}
	}
	if left := leftOfWindow(schedule, w.clock()); left <= 0 && !urgent && !finishes {
		w.breaks("node %s was %s outside the windows of policy %s: %+v", node.Name, what, owner.Name, schedule.Windows)
	}
}

// checkBegin: an attempt begins only where a slot could be granted now, however old its grant is.
func (w *world) checkBegin(v *view, before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	attempt, last := after.Attempt, before.Status.Attempt
	if attempt == nil || attempt.EndedTime != nil || last != nil && last.Number == attempt.Number {
		return
	}
	node := v.node(before.Spec.NodeName)
	if node == nil {
		w.breaks("node %s begins an attempt, and there is no such Node", before.Spec.NodeName)
		return
	}
	owner := ownerOf(v, node)
	if owner == nil {
		w.breaks("node %s begins an attempt, and no policy owns it", node.Name)
		return
	}
	w.claim(before, node, owner)
	w.checkSchedule(owner, node, before, false, "begun")
	w.checkForeign(node)
	w.checkGates(owner, node)
}

// leftOfWindow is how long a window is still open at least; nothing or less if none is. It knows those of randomSchedule only.
func leftOfWindow(schedule v1alpha1.ScheduleSpec, now time.Time) time.Duration {
	if len(schedule.Windows) == 0 {
		return time.Hour
	}
	wall := now.Add(offsets[schedule.TimeZone])
	sinceMidnight := wall.Sub(wall.Truncate(24 * time.Hour))
	var most time.Duration
	for _, w := range schedule.Windows {
		duration, period := time.Duration(w.DurationSeconds)*time.Second, time.Hour
		minute, _, _ := strings.Cut(w.Cron, " ")
		at := 0
		if w.Weekly != nil {
			hours, _ := strconv.Atoi(w.Weekly.Start[:2])
			minute, at, period = w.Weekly.Start[3:], 60*hours, 24*time.Hour
		}
		minutes, _ := strconv.Atoi(minute)
		open := (sinceMidnight - time.Duration(at+minutes)*time.Minute + 24*time.Hour) % period
		most = max(most, duration-open)
	}
	return most
}
