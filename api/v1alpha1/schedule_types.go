package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Weekday is a day of the week. The rule names them in the order of the week, which an enum would not.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self in ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']",message="write a day of the week as Mon, Tue, Wed, Thu, Fri, Sat or Sun"
type Weekday string

const (
	// Monday is the first day of the week.
	Monday Weekday = "Mon"
	// Tuesday follows Monday.
	Tuesday Weekday = "Tue"
	// Wednesday follows Tuesday.
	Wednesday Weekday = "Wed"
	// Thursday follows Wednesday.
	Thursday Weekday = "Thu"
	// Friday follows Thursday.
	Friday Weekday = "Fri"
	// Saturday follows Friday.
	Saturday Weekday = "Sat"
	// Sunday is the last day of the week.
	Sunday Weekday = "Sun"
)

// WeekOfMonth says which of the four or five such weekdays of a month is meant.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self in ['First', 'Second', 'Third', 'Fourth', 'Last']",message="write a week of the month as First, Second, Third, Fourth or Last"
type WeekOfMonth string

const (
	// WeekFirst is the first such weekday of the month.
	WeekFirst WeekOfMonth = "First"
	// WeekSecond is the second one.
	WeekSecond WeekOfMonth = "Second"
	// WeekThird is the third one.
	WeekThird WeekOfMonth = "Third"
	// WeekFourth is the fourth one.
	WeekFourth WeekOfMonth = "Fourth"
	// WeekLast is the last one: the fourth or the fifth.
	WeekLast WeekOfMonth = "Last"
)

// WindowState says whether nodes may start.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type WindowState string

const (
	// WindowOpen means that a window is open and there is no freeze.
	WindowOpen WindowState = "Open"
	// WindowClosed means that no window is open.
	WindowClosed WindowState = "Closed"
	// WindowFrozen means that there is a freeze, whatever the windows say.
	WindowFrozen WindowState = "Frozen"
)

// ScheduleSpec says when nodes may be rebooted.
//
// +kubebuilder:validation:XValidation:rule="!has(self.windows) || !has(self.minRemainingSeconds) || !(type(self.minRemainingSeconds) in [int]) || self.windows.all(w, !has(w.durationSeconds) || !(type(w.durationSeconds) in [int]) || int(w.durationSeconds) > int(self.minRemainingSeconds))",message="a window is not longer than minRemainingSeconds (600 by default), so no node could ever start in it: write a longer durationSeconds or a shorter minRemainingSeconds",fieldPath=".windows"
// +kubebuilder:validation:XValidation:rule="!has(self.atClose) || self.atClose != 'Continue' || (has(self.windows) && size(self.windows) > 0)",message="a schedule without windows never closes: write windows, or remove atClose",fieldPath=".atClose"
// +kubebuilder:validation:XValidation:rule="!has(self.minRemainingSeconds) || self.minRemainingSeconds == 600 || (has(self.windows) && size(self.windows) > 0) || (has(self.freezes) && size(self.freezes) > 0)",message="a schedule without windows and freezes never closes: write windows or freezes, or remove minRemainingSeconds",fieldPath=".minRemainingSeconds"
type ScheduleSpec struct {
	// timeZone is the time zone of all windows: a name of the IANA time zone database, such as Europe/Berlin. Defaults to UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$') && self != 'Local'",message="timeZone is a name of the IANA time zone database, written as there: Europe/Berlin, America/New_York, UTC; not Local, and not an offset such as +02:00"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') || self == 'Local' || timestamp('2000-01-01T00:00:00Z').getFullYear(self) > 0",message="write a name of the IANA time zone database, such as Europe/Berlin or UTC"
	TimeZone string `json:"timeZone,omitempty"`

	// windows are the times at which nodes may start: while at least one of them is open. If not set, nodes may start at any time.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Windows []ScheduleWindow `json:"windows,omitempty"`

	// freezes are periods in which nothing starts and no host is ordered to reboot, whatever the windows say.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Freezes []Freeze `json:"freezes,omitempty"`

	// minRemainingSeconds is a number of seconds: a node starts only if more than that is left of the open window. Defaults to 600, as does
	// drain.timeoutSeconds, so that a drain that takes all its time is not rolled back because the window closes.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	MinRemainingSeconds *int32 `json:"minRemainingSeconds,omitempty"`

	// atClose says what happens to a node that has started but has not been ordered to reboot when the window closes: Abort rolls the attempt
	// back; Continue lets it go ahead with its reboot. A freeze rolls it back in any case. Defaults to Abort.
	// +optional
	// +kubebuilder:default=Abort
	// +kubebuilder:validation:XValidation:rule="self in ['Abort', 'Continue']",message="write Abort or Continue (Finish is now Continue)"
	AtClose TimeoutAction `json:"atClose,omitempty"`

	// maxDeferralSeconds is for how many seconds a reboot may be required before an event, the condition Overdue of its NodeReboot and a
	// metric report it. Nothing is forced. If not set, it is never reported.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 60 && self <= 31536000",message="must be a number of seconds from 60 to 31536000: write 1800 for 30m"
	MaxDeferralSeconds *int32 `json:"maxDeferralSeconds,omitempty"`
}

// ScheduleWindow is a recurring window. It opens at a local time in the schedule's time zone, and stays open for durationSeconds. If that
// time does not exist on a day because clocks are set forward, the window opens at the first moment after it; if it exists twice, the
// window opens at the first one only. A daily window is different: it is open while clocks show certain times.
//
// +kubebuilder:validation:ExactlyOneOf=weekly;monthly;daily;cron
// +kubebuilder:validation:XValidation:rule="!has(self.weekly) || !has(self.durationSeconds) || !(type(self.durationSeconds) in [int]) || self.weekly.days.exists(d, !(d in ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])) || self.weekly.days.all(a, self.weekly.days.all(b, self.durationSeconds <= 86400 * (a == b ? 7 : ({'Mon': 0, 'Tue': 1, 'Wed': 2, 'Thu': 3, 'Fri': 4, 'Sat': 5, 'Sun': 6}[b] - {'Mon': 0, 'Tue': 1, 'Wed': 2, 'Thu': 3, 'Fri': 4, 'Sat': 5, 'Sun': 6}[a] + 7) % 7)))",message="durationSeconds is longer than the time until the window opens again: write a shorter one (at most 86400 for each day until then), or only the days on which the window opens",fieldPath=".durationSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.cron) || !has(self.durationSeconds) || !(type(self.durationSeconds) in [int]) || self.durationSeconds <= 604800",message="a cron window is open for at most 604800 seconds (7 days): write a shorter durationSeconds, or a monthly window",fieldPath=".durationSeconds"
// +kubebuilder:validation:XValidation:rule="has(self.daily) || has(self.durationSeconds)",message="durationSeconds says how long the window stays open: write it, such as 7200 for 2h",fieldPath=".durationSeconds",reason="FieldValueRequired"
// +kubebuilder:validation:XValidation:rule="!has(self.daily) || !has(self.durationSeconds)",message="a daily window closes after through: remove durationSeconds",fieldPath=".durationSeconds"
type ScheduleWindow struct {
	// weekly opens at a time of day on some days of the week.
	// +optional
	Weekly *WeeklyWindow `json:"weekly,omitempty"`

	// monthly opens at a time of day on one day of the month, such as the second Sunday.
	// +optional
	Monthly *MonthlyWindow `json:"monthly,omitempty"`

	// daily is open from one time of day through another, on some days of the week, as in kured.
	// +optional
	Daily *DailyWindow `json:"daily,omitempty"`

	// cron opens at the times of a cron expression of five fields: minute, hour, day of the month, month and day of the week. The minute
	// is a number or several; in the others *, ranges, lists and steps may be used. Month and day of the week also know names, such as JAN
	// and SUN.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-5]?[0-9](,[0-5]?[0-9])*( |$)')",message="the first field of cron, the minute, is a number from 0 to 59, or several such as 0,30; with * or a range the window would open repeatedly while it is open: write how long it stays open in durationSeconds"
	// +kubebuilder:validation:XValidation:rule="self.matches('(?i)^[^ ]+ ([*]|(2[0-3]|[01]?[0-9])(-(2[0-3]|[01]?[0-9]))?)(/[1-9][0-9]?)?(,([*]|(2[0-3]|[01]?[0-9])(-(2[0-3]|[01]?[0-9]))?)(/[1-9][0-9]?)?)* ([*]|(3[01]|[12][0-9]|0?[1-9])(-(3[01]|[12][0-9]|0?[1-9]))?)(/[1-9][0-9]?)?(,([*]|(3[01]|[12][0-9]|0?[1-9])(-(3[01]|[12][0-9]|0?[1-9]))?)(/[1-9][0-9]?)?)* ([*]|(1[0-2]|0?[1-9]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(-(1[0-2]|0?[1-9]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))?)(/[1-9][0-9]?)?(,([*]|(1[0-2]|0?[1-9]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(-(1[0-2]|0?[1-9]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))?)(/[1-9][0-9]?)?)* ([*]|([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(-([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT))?)(/[1-9][0-9]?)?(,([*]|([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(-([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT))?)(/[1-9][0-9]?)?)*$')",message="cron has five fields with one space between them, such as '0 3 * * 1-5' (03:00 from Monday to Friday): minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC, day of week 0-6 (0 is Sunday) or SUN-SAT; @daily and time zones are not supported"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(?i)(^|[ ,])(MON-SUN|TUE-(SUN|MON)|WED-(SUN|MON|TUE)|THU-(SUN|MON|TUE|WED)|FRI-(SUN|MON|TUE|WED|THU)|SAT-(SUN|MON|TUE|WED|THU|FRI)|FEB-JAN|MAR-(JAN|FEB)|APR-(JAN|FEB|MAR)|MAY-(JAN|FEB|MAR|APR)|JUN-(JAN|FEB|MAR|APR|MAY)|JUL-(JAN|FEB|MAR|APR|MAY|JUN)|AUG-(JAN|FEB|MAR|APR|MAY|JUN|JUL)|SEP-(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG)|OCT-(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP)|NOV-(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT)|DEC-(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV)|0?1-0?0|0?2-0?[0-1]|0?3-0?[0-2]|0?4-0?[0-3]|0?5-0?[0-4]|0?6-0?[0-5]|0?7-0?[0-6]|0?8-0?[0-7]|0?9-0?[0-8]|[1-3][0-9]-0?[0-9]|2[0-9]-1[0-9]|3[0-9]-[12][0-9]|11-10|12-1[0-1]|13-1[0-2]|14-1[0-3]|15-1[0-4]|16-1[0-5]|17-1[0-6]|18-1[0-7]|19-1[0-8]|21-20|22-2[0-1]|23-2[0-2]|24-2[0-3]|25-2[0-4]|26-2[0-5]|27-2[0-6]|28-2[0-7]|29-2[0-8]|31-30)($|[ ,/])')",message="a range of cron runs forward: write FRI,SAT,SUN,MON instead of FRI-MON (0 is Sunday), 22,23,0,1,2 instead of 22-2, and NOV,DEC,JAN,FEB instead of NOV-FEB"
	Cron string `json:"cron,omitempty"`

	// durationSeconds is how long it stays open, in real time: clocks that are set forward or back in between do not change it. Every window
	// must have it, except for daily ones.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 60 && self <= 2419200",message="must be a number of seconds from 60 to 2419200: write 1800 for 30m"
	DurationSeconds int32 `json:"durationSeconds,omitempty"`
}

// WeeklyWindow opens at a time of day on some days of the week.
type WeeklyWindow struct {
	// days are the days of the week on which the window opens. A window that is open past midnight belongs to the day on which it opened.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// start is the time of day at which it opens, such as "22:00".
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",message="start is a time of day from \"00:00\" to \"23:59\", such as \"22:00\" or \"03:30\""
	Start string `json:"start,omitempty"`
}

// MonthlyWindow opens at a time of day on one day of each month.
type MonthlyWindow struct {
	// week says which such day of the month is meant: First to Fourth, or Last.
	// +required
	Week WeekOfMonth `json:"week,omitempty"`

	// day is the day of the week on which it opens.
	// +required
	Day Weekday `json:"day,omitempty"`

	// start is the time of day at which it opens, such as "01:00".
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",message="start is a time of day from \"00:00\" to \"23:59\", such as \"22:00\" or \"03:30\""
	Start string `json:"start,omitempty"`
}

// DailyWindow is open while the clocks show one of its days and one of its times. Times after midnight belong to the day that the clocks
// show then: with days [Mon], from "22:00" and through "06:00" it is open on Monday before 06:00 and on Monday from 22:00 on, and not on
// Tuesday.
type DailyWindow struct {
	// days are the days of the week on which the window is open.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// from is the time of day from which it is open, such as "22:00" or "22:00:30".
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$')",message="from is a time of day from \"00:00\" to \"23:59:59\", such as \"22:00\" or \"03:30\""
	From string `json:"from,omitempty"`

	// through is the last time of day at which it is open, such as "06:00" or "23:59:59": it closes at the end of this second. If it is before
	// from, the window is open at both ends of each of its days: after midnight through this time, and later until midnight.
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$')",message="through is a time of day from \"00:00\" to \"23:59:59\", such as \"06:00\"; the end of the day is \"23:59:59\""
	Through string `json:"through,omitempty"`
}

// Freeze is a period in which nothing starts and no host is ordered to reboot.
//
// +kubebuilder:validation:XValidation:rule="self.from > timestamp('0001-01-02T00:00:00Z') && self.to < timestamp('9999-12-31T00:00:00Z')",message="from and to of a freeze are times in the years from 1 to 9999, written like 2026-12-20T00:00:00Z"
// +kubebuilder:validation:XValidation:rule="self.to > self.from",message="the freeze ends before it begins, or at once: write a later to or an earlier from",fieldPath=".to"
type Freeze struct {
	// name identifies the freeze in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// from is when the freeze begins, with a UTC offset: 2026-12-19T00:00:00+01:00.
	// +required
	From metav1.Time `json:"from,omitempty,omitzero"`

	// to is when the freeze ends, with a UTC offset: 2027-01-07T00:00:00+01:00.
	// +required
	To metav1.Time `json:"to,omitempty,omitzero"`
}

// WindowStatus is the current state of a schedule. It changes only when a window or freeze begins or ends, or when the policy does.
type WindowStatus struct {
	// state is Open, Closed (no window is open) or Frozen (there is a freeze).
	// +optional
	State WindowState `json:"state,omitempty"`

	// freeze is the name of the freeze that is in force.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Freeze string `json:"freeze,omitempty"`

	// nextOpeningTime is when nodes may start next, after every window and freeze that is in the way.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	NextOpeningTime *metav1.Time `json:"nextOpeningTime,omitempty"`

	// nextClosingTime is when what is open closes. It is not set if no end is in sight.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	NextClosingTime *metav1.Time `json:"nextClosingTime,omitempty"`
}
