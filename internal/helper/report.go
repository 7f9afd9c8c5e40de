package helper

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// leastOffset is by how many seconds a clock has to be off to be reported.
	leastOffset = 60
	// offsetStep is by how many seconds what was reported has to be wrong to be reported again.
	offsetStep = 30
)

// maxMessage and maxVersion are the most characters that status.report.message and status.report.version take.
const (
	maxMessage = 512
	maxVersion = 128
	// maxHostOS, maxNotices and maxNotice are those of status.report.hostOS and of status.report.notices.
	maxHostOS  = 128
	maxNotices = 4
	maxNotice  = 256
)

// report is the intended status.report. Earlier records are kept, because the report is the helper's memory.
func (f facts) report(reboot *v1alpha1.NodeReboot, v verdict) v1alpha1.HelperReport {
	report := f.carryOver(reboot.Status.Report)
	switch v.kind {
	case orderNone, orderResume:
	case orderBegin:
		if order := reboot.Status.Order; order.Action == v1alpha1.ActionReboot {
			begin(&report, order, v1alpha1.OrderStarted)
			report.Via = f.via(order)
		}
	case orderFailed:
		begin(&report, reboot.Status.Order, v1alpha1.OrderFailed)
		report.Message = v.note
	case orderWorking:
		reportJob(&report, reboot.Status.Order, f.jobs[reboot.UID])
	case orderNoted:
		report.Message = v.note
	}
	if report.Message == "" && f.sentinel.state == v1alpha1.SentinelUnknown {
		report.Message = sentinelPrefix + f.sentinel.message
	}
	if report.Message == "" && f.taken != "" && f.ofThisBoot(reboot) {
		report.Message = takenPrefix + f.taken
	}
	report.Message = truncate(report.Message, maxMessage)
	return report
}

// reportJob reports the progress of a job. It reports the beginning of a drain when there is more to report.
func reportJob(report *v1alpha1.HelperReport, order *v1alpha1.RebootOrder, job job) {
	if order.Sequence != report.Sequence {
		if job.silent() {
			return
		}
		begin(report, order, job.state)
	}
	report.State, report.Message = job.state, job.message
	if job.drain != nil {
		report.Drain = job.drain
	}
	report.Via = cmp.Or(job.via, report.Via)
	report.Methods = withRefusal(report.Methods, job.refusal)
}

// carryOver combines what was recorded about orders with the present state of the host. The time of one boot is reported once: the kernel
// derives it from a clock that is being adjusted.
func (f facts) carryOver(previous *v1alpha1.HelperReport) v1alpha1.HelperReport {
	report := v1alpha1.HelperReport{
		Version: truncate(f.version, maxVersion), Protocol: v1alpha1.ProtocolLevel,
		BootID: f.boot.id, BootTime: f.boot.time, Sentinel: f.sentinel.state, Methods: f.methods,
		HostOS: truncate(f.about.OS, maxHostOS), Notices: noticed(f.about.Notices), Instance: f.self,
		EvictionObstacle: f.evictionObstacle,
	}
	report.ClockOffsetSeconds = f.reportedOffset(previous)
	if previous == nil {
		return report
	}
	if previous.BootID == f.boot.id && previous.BootTime != nil {
		report.BootTime = previous.BootTime
	}
	report.Sequence, report.State, report.Drain, report.Via = previous.Sequence, previous.State, previous.Drain, previous.Via
	if (previous.State == v1alpha1.OrderFailed || previous.State == v1alpha1.OrderTimedOut) && !ofThePresent(previous.Message) {
		report.Message = previous.Message
	}
	return report
}

// ofThePresent reports whether a message was about the present only.
func ofThePresent(message string) bool {
	return slices.ContainsFunc([]string{notePrefix, sentinelPrefix, takenPrefix}, func(prefix string) bool {
		return strings.HasPrefix(message, prefix)
	})
}

// reportedOffset is what the report should say about the host's clock. It changes only if the clock has moved by more than offsetStep, so
// that a clock that drifts, or is off by about leastOffset, does not cause a write each time.
func (f facts) reportedOffset(previous *v1alpha1.HelperReport) *int64 {
	var reported *int64
	if previous != nil {
		reported = previous.ClockOffsetSeconds
	}
	if f.clockOffset == nil {
		return reported
	}
	seconds := int64(f.clockOffset.Round(time.Second) / time.Second)
	if reported != nil && max(seconds-*reported, *reported-seconds) <= offsetStep {
		return reported
	}
	if max(seconds, -seconds) < leastOffset {
		return nil
	}
	return &seconds
}

// withRefusal adds what the host refused a reboot for, which the facts about the host may not have yet, or no longer. It stays as long as
// the order, so that the manager sees the two together.
func withRefusal(methods []v1alpha1.MethodReport, refusal *v1alpha1.MethodReport) []v1alpha1.MethodReport {
	if refusal == nil || len(methods) == 0 {
		return methods
	}
	// The first one is that of an order which names none, and stands for all while the rebooter does not say which there are.
	refused := 0
	if refusal.Name != "" && refusal.Name != v1alpha1.RebootInstalled && methods[0].Name != v1alpha1.RebootInstalled {
		refused = slices.IndexFunc(methods, func(m v1alpha1.MethodReport) bool { return m.Name == refusal.Name })
	}
	if refused < 0 || methods[refused].Kind == refusal.Kind {
		return methods
	}
	methods = slices.Clone(methods)
	methods[refused].Obstacle, methods[refused].Kind = refusal.Obstacle, refusal.Kind
	return methods
}

// begin makes the report about the order. The progress of a drain stays until the next drain.
func begin(report *v1alpha1.HelperReport, order *v1alpha1.RebootOrder, state v1alpha1.OrderState) {
	if order.Action == v1alpha1.ActionDrain && order.Sequence != report.Sequence {
		report.Drain = nil
	}
	report.Sequence, report.State, report.Message, report.Via = order.Sequence, state, "", ""
}

// via is the path by which the host will reboot for an order, as far as that is known before: it is recorded with the order, because the
// host may be down before its answer is.
func (f facts) via(order *v1alpha1.RebootOrder) v1alpha1.RebootVia {
	if order.Action != v1alpha1.ActionReboot {
		return ""
	}
	method := order.Method
	if len(f.methods) > 0 && (method == "" || method == v1alpha1.RebootInstalled) {
		method = f.methods[0].Name
	}
	switch {
	case method == v1alpha1.RebootCommand:
		return "" // It decides itself.
	case order.Via == v1alpha1.RebootViaKexec && f.about.KexecLoaded:
		return v1alpha1.RebootViaKexec
	}
	return v1alpha1.RebootViaFirmware
}

// noticed are as many notices as a report takes.
func noticed(notices []string) []string {
	var bounded []string
	for _, notice := range notices {
		if notice != "" && len(bounded) < maxNotices {
			bounded = append(bounded, truncate(notice, maxNotice))
		}
	}
	return bounded
}

// truncate shortens text to at most limit characters.
func truncate(text string, limit int) string {
	// Other people's texts can be long. A character has at most four bytes.
	text = text[:min(len(text), utf8.UTFMax*(limit+1))]
	text = strings.ToValidUTF8(text, "?")
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-3]) + "..."
}
