package kured

// kind is the type of a flag.
type kind int

const (
	plain kind = iota
	boolean
	integer
	duration
	expression
	// slice has values separated by commas, and grows with each use.
	slice
	// array grows with each use.
	array
)

// The flags of kured whose names are used more than once.
const (
	flagDays        = "reboot-days"
	flagStart       = "start-time"
	flagEnd         = "end-time"
	flagZone        = "time-zone"
	flagPrometheus  = "prometheus-url"
	flagFilter      = "alert-filter-regexp"
	flagMatchOnly   = "alert-filter-match-only"
	flagFiringOnly  = "alert-firing-only"
	flagPods        = "blocking-pod-selector"
	flagTimeout     = "drain-timeout"
	flagForce       = "force-reboot"
	flagSentinel    = "reboot-sentinel"
	flagSentinelCmd = "reboot-sentinel-command"
	flagMethod      = "reboot-method"
	flagCommand     = "reboot-command"
	flagSignal      = "reboot-signal"
	flagNotify      = "notify-url"
	flagSlack       = "slack-hook-url"
	flagTaint       = "prefer-no-schedule-taint"
	flagBefore      = "pre-reboot-node-labels"
	flagAfter       = "post-reboot-node-labels"
	flagConcurrency = "concurrency"
	flagLock        = "lock-annotation"
	flagName        = "ds-name"
	flagNamespace   = "ds-namespace"
	flagLogFormat   = "log-format"
)

// flags are those of every version of kured.
var flags = map[string]kind{
	flagFilter: expression, flagMatchOnly: boolean, flagFiringOnly: boolean, "annotate-nodes": boolean, "annotation-ttl": duration,
	flagPods: array, flagConcurrency: integer, "drain-delay": duration, "drain-grace-period": integer, "drain-pod-selector": plain,
	flagTimeout: duration, flagName: plain, flagNamespace: plain, flagEnd: plain, flagForce: boolean, flagLock: plain,
	"lock-release-delay": duration, "lock-ttl": duration, flagLogFormat: plain, "message-template-drain": plain,
	"message-template-reboot": plain, "message-template-uncordon": plain, "metrics-host": plain, "metrics-port": integer, "node-id": plain,
	flagNotify: plain, "period": duration, flagAfter: slice, flagBefore: slice, flagTaint: plain, flagPrometheus: plain, flagCommand: plain,
	flagDays: slice, "reboot-delay": duration, flagMethod: plain, flagSentinel: plain, flagSentinelCmd: plain, flagSignal: integer,
	"skip-wait-for-delete-timeout": integer, "slack-channel": plain, flagSlack: plain, "slack-username": plain,
	flagStart: plain, flagZone: plain,
}

// Flags are the names of all flags that are read.
func Flags() []string {
	names := make([]string, 0, len(flags))
	for name := range flags {
		names = append(names, name)
	}
	return names
}

// chartFlag says which flag a value below configuration becomes.
type chartFlag struct {
	value, flag string
	// list is a value with several items.
	list bool
}

// chartFlags are in the order in which kured's chart writes them.
var chartFlags = []chartFlag{
	{"metricsHost", "metrics-host", false}, {"metricsPort", "metrics-port", false}, {"lockTtl", "lock-ttl", false},
	{"lockReleaseDelay", "lock-release-delay", false}, {"alertFilterRegexp", flagFilter, false}, {"alertFiringOnly", flagFiringOnly, false},
	{"alertFilterMatchOnly", flagMatchOnly, false}, {"blockingPodSelector", flagPods, true}, {"endTime", flagEnd, false},
	{"lockAnnotation", flagLock, false}, {"period", "period", false}, {"forceReboot", flagForce, false},
	{"drainGracePeriod", "drain-grace-period", false}, {"drainPodSelector", "drain-pod-selector", false}, {"drainDelay", "drain-delay", false},
	{"drainTimeout", flagTimeout, false}, {"skipWaitForDeleteTimeout", "skip-wait-for-delete-timeout", false},
	{"prometheusUrl", flagPrometheus, false}, {"rebootDays", flagDays, true}, {"preRebootNodeLabels", flagBefore, true},
	{"postRebootNodeLabels", flagAfter, true}, {"rebootSentinel", flagSentinel, false}, {"rebootSentinelCommand", flagSentinelCmd, false},
	{"rebootCommand", flagCommand, false}, {"rebootDelay", "reboot-delay", false}, {"rebootMethod", flagMethod, false},
	{"rebootSignal", flagSignal, false}, {"slackChannel", "slack-channel", false}, {"slackHookUrl", flagSlack, false},
	{"slackUsername", "slack-username", false}, {"notifyUrl", flagNotify, false}, {"messageTemplateDrain", "message-template-drain", false},
	{"messageTemplateReboot", "message-template-reboot", false}, {"messageTemplateUncordon", "message-template-uncordon", false},
	{"startTime", flagStart, false}, {"timeZone", flagZone, false}, {"annotateNodes", "annotate-nodes", false},
	{"preferNoScheduleTaint", flagTaint, false}, {"logFormat", flagLogFormat, false}, {"concurrency", flagConcurrency, false},
	{"annotationTtl", "annotation-ttl", false},
}

// chartDefaults are the flags that the chart writes although nobody has written a value.
var chartDefaults = map[string]string{
	"metrics-port": "8080", flagSentinel: "/var/run/reboot-required", flagCommand: "/bin/systemctl reboot", flagLogFormat: "text",
	flagConcurrency: "1",
}
