package placement

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

type objects = []runtime.Object

// noRoom is what is said about pod web of node a.
func noRoom(reasons string) string {
	return "Pod apps/web of node a would find no room: " + reasons + "."
}

const (
	tooLittleCPU  = "too little cpu (it needs 2) on 1 node"
	cordonOnOne   = "a cordon, a reboot or no readiness on 1 node"
	taintOnOne    = "a taint that it does not tolerate on 1 node"
	selectorOnOne = "its node selector or affinity on 1 node"
	portOnOne     = "its host port in use on 1 node"
)

// cases run each with node a, and pod web on it if there is no other.
type cases map[string]struct {
	objects objects
	leaving []string
	want    string
}

func (all cases) run(t *testing.T) {
	t.Helper()
	for name, tc := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := lack(t, tc.objects, tc.leaving...); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestRequestsHaveToFit(t *testing.T) {
	t.Parallel()
	a, web := aNode("a"), aPod("web", "a")
	gpu := func(n string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse(n)
		}
	}
	cases{
		"room":                 {objects: objects{a, aNode("b"), web}},
		"just enough":          {objects: objects{a, aNode("b", offers(corev1.ResourceCPU, "2"), offers(corev1.ResourceMemory, "1Gi"), offers(corev1.ResourcePods, "1")), web}},
		"too little CPU":       {objects: objects{a, aNode("b", offers(corev1.ResourceCPU, "1999m")), web}, want: noRoom(tooLittleCPU)},
		"too little RAM":       {objects: objects{a, aNode("b", offers(corev1.ResourceMemory, "1023Mi")), web}, want: noRoom("too little memory (it needs 1Gi) on 1 node")},
		"too many pods":        {objects: objects{a, aNode("b", offers(corev1.ResourcePods, "0")), web}, want: noRoom("too little pods (it needs 1) on 1 node")},
		"no other node":        {objects: objects{a, web}, want: noRoom("there is no other node")},
		"others use it":        {objects: objects{a, aNode("b"), web, aPod("db", "b", asks("3", "1Gi"))}, want: noRoom(tooLittleCPU)},
		"others used it":       {objects: objects{a, aNode("b"), web, aPod("db", "b", asks("3", "1Gi"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })}},
		"room on two":          {objects: objects{a, aNode("b", offers(corev1.ResourceCPU, "2")), aNode("c", offers(corev1.ResourceCPU, "2")), web, aPod("db", "a")}},
		"room for one":         {objects: objects{a, aNode("b", offers(corev1.ResourceCPU, "3")), aPod("db", "a"), web}, want: noRoom(tooLittleCPU)},
		"of two resources":     {objects: objects{a, aNode("b", offers(corev1.ResourceCPU, "1")), aNode("c", offers(corev1.ResourceMemory, "1")), aNode("d", offers(corev1.ResourceCPU, "1")), web}, want: noRoom("too little cpu (it needs 2) on 2 nodes, too little memory (it needs 1Gi) on 1")},
		"an extended resource": {objects: objects{a, aNode("b", offers("example.com/gpu", "1")), aPod("web", "a", gpu("1"))}},
		"too little of it": {
			objects: objects{a, aNode("b", offers("example.com/gpu", "1")), aPod("x", "b", gpu("1"), asks0), aPod("web", "a", gpu("1"))},
			want:    noRoom("too little example.com/gpu (it needs 1) on 1 node"),
		},
		"ephemeral storage": {
			objects: objects{a, aNode("b", offers(corev1.ResourceEphemeralStorage, "1Gi")), aPod("web", "a", func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse("2Gi")
			})}, want: noRoom("too little ephemeral-storage (it needs 2Gi) on 1 node"),
		},
		"an init container that is larger": {
			objects: objects{a, aNode("b"), aPod("web", "a", spec(`{initContainers: [{name: i, resources: {requests: {cpu: "5"}}}]}`))},
			want:    noRoom("too little cpu (it needs 5) on 1 node"),
		},
		"a sidecar is added": {
			objects: objects{a, aNode("b"), aPod("web", "a",
				spec(`{initContainers: [{name: i, restartPolicy: Always, resources: {requests: {cpu: "3"}}}]}`))},
			want: noRoom("too little cpu (it needs 5) on 1 node"),
		},
		"overhead is added": {
			objects: objects{a, aNode("b"), aPod("web", "a", spec(`{overhead: {cpu: 2500m}}`))},
			want:    noRoom("too little cpu (it needs 4500m) on 1 node"),
		},
		"requests of the whole pod": {
			objects: objects{a, aNode("b"), aPod("web", "a", spec(`{resources: {requests: {cpu: "6"}}}`))},
			want:    noRoom("too little cpu (it needs 6) on 1 node"),
		},
		"what is not requested, on an overcommitted node": {
			objects: objects{a, aNode("b"), aPod("x", "b", asks("9", "1Gi")), aPod("web", "a", asks("0", "1Gi"))},
		},
		"a terminating pod still uses it": {
			objects: objects{a, aNode("b"), aPod("x", "b", asks("3", "1Gi"), leavingPod), web}, want: noRoom(tooLittleCPU),
		},
	}.run(t)
}

func leavingPod(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }

func asks0(p *corev1.Pod) {
	delete(p.Spec.Containers[0].Resources.Requests, corev1.ResourceCPU)
	delete(p.Spec.Containers[0].Resources.Requests, corev1.ResourceMemory)
}

func TestOnlyWhatMovesNeedsRoom(t *testing.T) {
	t.Parallel()
	a := aNode("a")
	owned := func(kind string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.OwnerReferences[0].Kind = kind } }
	low := func(p *corev1.Pod) { p.Spec.Priority = ptr.To[int32](-5) }
	cases{
		"of a DaemonSet":     {objects: objects{a, aPod("web", "a", owned("DaemonSet"))}},
		"static":             {objects: objects{a, aPod("web", "a", owned("Node"))}},
		"mirror":             {objects: objects{a, aPod("web", "a", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: ""} })}},
		"without controller": {objects: objects{a, aPod("web", "a", func(p *corev1.Pod) { p.OwnerReferences = nil })}},
		"ended":              {objects: objects{a, aPod("web", "a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })}},
		"terminating":        {objects: objects{a, aPod("web", "a", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} })}},
		"expendable":         {objects: objects{a, aPod("web", "a", low)}},
		"any other":          {objects: objects{a, aPod("web", "a", owned("Job"))}, want: noRoom("there is no other node")},
		"on a node that leaves": {
			objects: objects{a, aNode("b"), aNode("c", offers(corev1.ResourceCPU, "3")), aPod("web", "a"), aPod("db", "b")}, leaving: []string{"b"},
			want: "Pod apps/web of node a would find no room: a cordon, a reboot or no readiness on 1 node, too little cpu (it needs 2) on 1.",
		},
		"on a node that leaves, in vain": {
			objects: objects{a, aNode("b"), aPod("db", "b", asks("9", "1Gi"))}, leaving: []string{"b"},
			want: "Pod apps/db of node b would find no room: a cordon, a reboot or no readiness on 1 node, too little cpu (it needs 9) on 1.",
		},
		"on a node that leaves, and to be placed on this one": {
			objects: objects{a, aNode("b"), aPod("db", "b")}, leaving: []string{"b"},
			want: "Pod apps/db of node b would find no room: a cordon, a reboot or no readiness on 1 node.",
		},
	}.run(t)
}

func TestPodsThatWaitTakeTheirRoomFirst(t *testing.T) {
	t.Parallel()
	a, web := aNode("a"), aPod("web", "a")
	three := offers(corev1.ResourceCPU, "3")
	full := aPod("full", "a", asks("2", "1Gi"), func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "DaemonSet" })
	cases{
		"one":                         {objects: objects{a, aNode("b", three), web, full, aPod("new", "")}, want: noRoom(tooLittleCPU)},
		"in vain":                     {objects: objects{a, aNode("b", three), web, full, aPod("new", "", asks("64", "1Gi"))}},
		"not seen yet":                {objects: objects{a, aNode("b", three), web, full, aPod("new", "", spec(`{schedulingGates: [{name: g}]}`))}},
		"expendable":                  {objects: objects{a, aNode("b", three), web, full, aPod("new", "", spec(`{priority: -1}`))}},
		"it would go where it cannot": {objects: objects{a, aNode("b", three), web, aPod("new", "")}, want: noRoom(tooLittleCPU)},
	}.run(t)
}

func TestNodesHaveToTakePods(t *testing.T) {
	t.Parallel()
	a, web := aNode("a"), aPod("web", "a")
	ssd := spec(`{nodeSelector: {disk: ssd}}`)
	affine := func(host string) func(*corev1.Pod) {
		return spec(`{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
			{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [` + host + `]}]}]}}}}`)
	}
	cases{
		"cordoned":                      {objects: objects{a, aNode("b", cordoned), web}, want: noRoom(cordonOnOne)},
		"not Ready":                     {objects: objects{a, aNode("b", notReady), web}, want: noRoom(cordonOnOne)},
		"without conditions":            {objects: objects{a, aNode("b", func(n *corev1.Node) { n.Status.Conditions = nil }), web}, want: noRoom(cordonOnOne)},
		"leaving":                       {objects: objects{a, aNode("b"), web}, leaving: []string{"b"}, want: noRoom(cordonOnOne)},
		"selected":                      {objects: objects{a, aNode("b", labeled("disk", "ssd")), aPod("web", "a", ssd)}},
		"not selected":                  {objects: objects{a, aNode("b", labeled("disk", "hdd")), aPod("web", "a", ssd)}, want: noRoom(selectorOnOne)},
		"affine":                        {objects: objects{a, aNode("b"), aPod("web", "a", affine("b"))}},
		"affine to the one that leaves": {objects: objects{a, aNode("b"), aPod("web", "a", affine("a"))}, want: noRoom(selectorOnOne)},
		"affine by name": {objects: objects{a, aNode("b"), aNode("c"), aPod("web", "a", spec(`{affinity: {nodeAffinity: {
			requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
			{matchFields: [{key: metadata.name, operator: In, values: [c]}]}]}}}}`))}},
		"tainted":                              {objects: objects{a, aNode("b", tainted(corev1.TaintEffectNoSchedule)), web}, want: noRoom(taintOnOne)},
		"tainted so that others go":            {objects: objects{a, aNode("b", tainted(corev1.TaintEffectNoExecute)), web}, want: noRoom(taintOnOne)},
		"tainted so that others are preferred": {objects: objects{a, aNode("b", tainted(corev1.TaintEffectPreferNoSchedule)), web}},
		"tolerated":                            {objects: objects{a, aNode("b", tainted(corev1.TaintEffectNoSchedule)), aPod("web", "a", spec(`{tolerations: [{key: dedicated, operator: Exists}]}`))}},
		"another value is tolerated": {
			objects: objects{
				a, aNode("b", tainted(corev1.TaintEffectNoSchedule)), aPod("web", "a", spec(`{tolerations: [{key: dedicated, value: web}]}`)),
			}, want: noRoom(taintOnOne),
		},
		"the rule that excludes most is first": {
			objects: objects{
				a, aNode("b", cordoned), aNode("c", tainted(corev1.TaintEffectNoSchedule)), aNode("d", tainted(corev1.TaintEffectNoSchedule)),
				aNode("e", offers(corev1.ResourceCPU, "1")), web,
			},
			want: noRoom("a taint that it does not tolerate on 2 nodes, a cordon, a reboot or no readiness on 1, " +
				"too little cpu (it needs 2) on 1"),
		},
	}.run(t)
}

func TestHostPortsHaveToBeFree(t *testing.T) {
	t.Parallel()
	a := aNode("a")
	port := func(text string) func(*corev1.Pod) { return spec(`{containers: [{name: c, ports: [` + text + `]}]}`) }
	web := aPod("web", "a", port(`{containerPort: 80, hostPort: 80, protocol: TCP}`))
	for name, tc := range map[string]struct {
		other string
		taken bool
	}{
		"the same":            {`{containerPort: 8080, hostPort: 80, protocol: TCP}`, true},
		"of one address":      {`{containerPort: 80, hostPort: 80, protocol: TCP, hostIP: 10.0.0.1}`, true},
		"of all addresses":    {`{containerPort: 80, hostPort: 80, protocol: TCP, hostIP: 0.0.0.0}`, true},
		"of another protocol": {`{containerPort: 80, hostPort: 80, protocol: UDP}`, false},
		"another":             {`{containerPort: 80, hostPort: 81, protocol: TCP}`, false},
		"none":                {`{containerPort: 80, protocol: TCP}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ""
			if tc.taken {
				want = noRoom(portOnOne)
			}
			if got := lack(t, objects{a, aNode("b"), web, aPod("other", "b", port(tc.other))}); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	cases{
		"two addresses": {objects: objects{
			a, aNode("b"), aPod("web", "a", port(`{containerPort: 80, hostPort: 80, protocol: TCP, hostIP: 10.0.0.1}`)),
			aPod("other", "b", port(`{containerPort: 80, hostPort: 80, protocol: TCP, hostIP: 10.0.0.2}`))}},
		"of a sidecar": {objects: objects{a, aNode("b"), web, aPod("other", "b",
			spec(`{initContainers: [{name: s, restartPolicy: Always, ports: [{containerPort: 80, hostPort: 80, protocol: TCP}]}]}`))},
			want: noRoom(portOnOne)},
		"of an init container": {objects: objects{a, aNode("b"), web, aPod("other", "b",
			spec(`{initContainers: [{name: s, ports: [{containerPort: 80, hostPort: 80, protocol: TCP}]}]}`))}},
		"of one that is placed before": {objects: objects{a, aNode("b"), web, aPod("wab", "a", port(`{containerPort: 80, hostPort: 80, protocol: TCP}`))}, want: noRoom(portOnOne)},
	}.run(t)
}

func TestPodsOfNegativePriorityGiveWay(t *testing.T) {
	t.Parallel()
	a, web := aNode("a"), aPod("web", "a")
	holder := func(priority string) *corev1.Pod {
		return aPod("holder", "b", asks("3", "1Gi"), spec(`{priority: `+priority+`}`))
	}
	cases{
		"a placeholder":                 {objects: objects{a, aNode("b"), web, holder("-1")}},
		"a pod of priority 0":           {objects: objects{a, aNode("b"), web, holder("0")}, want: noRoom(tooLittleCPU)},
		"one that has a lower priority": {objects: objects{a, aNode("b"), aPod("web", "a", spec(`{priority: 1000}`)), holder("500")}, want: noRoom(tooLittleCPU)},
		"one that does not preempt":     {objects: objects{a, aNode("b"), aPod("web", "a", spec(`{preemptionPolicy: Never}`)), holder("-1")}, want: noRoom(tooLittleCPU)},
		"one that has to be near it":    {objects: objects{a, aNode("b"), aPod("web", "a", near(host, "holder", "")), holder("-1")}, want: noRoom(tooLittleCPU)},
		"no more than it has":           {objects: objects{a, aNode("b"), web, aPod("wab", "a", asks("3", "1Gi")), holder("-1")}, want: noRoom(tooLittleCPU)},
	}.run(t)
}
