package projection

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/reboot-operator/reboot-operator/controllers/plan/detector"
)

// HelperSets are the DaemonSets of helpers, by name. There may be one for each kind of node.
type HelperSets struct {
	namespace string
	templates []*corev1.Pod
	// instead is what detector.Missing said in this pass. Hosts of one kind have one text in common.
	instead map[string]string
}

// NewHelperSets are the helpers of an operator in a namespace.
func NewHelperSets(namespace string, list []appsv1.DaemonSet) *HelperSets {
	sets := &HelperSets{namespace: namespace}
	for i := range list {
		template := &list[i].Spec.Template
		sets.templates = append(sets.templates, &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec})
	}
	return sets
}

// NotMade is what is known of a pod that should be there: only the DaemonSet's events name what refuses it.
const NotMade = "there is no helper pod, although the DaemonSet is meant to run there: if that lasts, its events say what refuses its " +
	"pods, such as a quota, an admission policy or a webhook"

// Missing says why a node has no pod of a helper, and whether none is meant to run there: a selector of labels that leaves a node out is
// someone's decision, a taint that a DaemonSet does not tolerate is most likely an oversight. Most causes are known only to the DaemonSet
// controller, which reports them in Events.
func (s *HelperSets) Missing(node *corev1.Node) (why string, notMeant bool) {
	if len(s.templates) == 0 {
		return "there is no helper pod, because there is no DaemonSet of helpers in namespace " + s.namespace, false
	}
	meant := s.meantFor(node)
	if len(meant) == 0 {
		return "no helper pod is meant to run there, because the node selector or affinity of the DaemonSet excludes the node", true
	}
	for _, pod := range meant {
		tolerations := append(slices.Clone(pod.Spec.Tolerations), daemonTolerations...)
		taint, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, tolerations, keepsAway, false)
		if !untolerated {
			return NotMade, false
		}
		why = fmt.Sprintf("there is no helper pod, because the DaemonSet does not tolerate the taint %s", taint.ToString())
	}
	return why, false
}

// meantFor are the DaemonSets that are meant to run on a node.
func (s *HelperSets) meantFor(node *corev1.Node) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(s.templates), func(pod *corev1.Pod) bool {
		matches, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
		return err == nil && !matches
	})
}

// NoDetector says what to install on a node whose host never makes a file that its rebooter looks for; empty if one does, if that is not
// known, and if someone chose what says that the host needs a reboot.
func (s *HelperSets) NoDetector(node *corev1.Node) string {
	osImage := node.Status.NodeInfo.OSImage
	instead, known := s.instead[osImage]
	if !known {
		if s.instead == nil {
			s.instead = map[string]string{}
		}
		instead = detector.Missing(osImage)
		s.instead[osImage] = instead
	}
	if instead == "" {
		return ""
	}
	meant := s.meantFor(node)
	if len(meant) == 0 || slices.ContainsFunc(meant, func(pod *corev1.Pod) bool { return !hasDefaultSentinels(pod) }) {
		return ""
	}
	return instead
}

// RebooterContainer is the container that looks for sentinels. It is kept of a DaemonSet (StripHelperSet) whose rebooter has those of the
// default installation and nothing else.
const RebooterContainer = "rebooter"

func hasDefaultSentinels(pod *corev1.Pod) bool { return len(pod.Spec.Containers) > 0 }

// keepsAway says that a taint keeps pods off a node that do not tolerate it.
func keepsAway(taint *corev1.Taint) bool {
	return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
}

// daemonTolerations are what the DaemonSet controller adds to every pod.
var daemonTolerations = []corev1.Toleration{
	{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeDiskPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodePIDPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
}

// StripHelperSet keeps what says on which nodes a DaemonSet runs, and what of their hosts it looks for.
func StripHelperSet(set *appsv1.DaemonSet) *appsv1.DaemonSet {
	stripped := &appsv1.DaemonSet{ObjectMeta: stripMeta(&set.ObjectMeta)}
	stripped.Labels = set.Labels
	from, to := &set.Spec.Template.Spec, &stripped.Spec.Template.Spec
	to.NodeSelector, to.Tolerations = from.NodeSelector, from.Tolerations
	if from.Affinity != nil {
		to.Affinity = &corev1.Affinity{NodeAffinity: from.Affinity.NodeAffinity}
	}
	for i := range from.Containers {
		c := &from.Containers[i]
		if args := slices.Concat(c.Command, c.Args); c.Name == RebooterContainer && !detector.Chosen(args) {
			to.Containers = []corev1.Container{{Name: RebooterContainer, Args: args}}
		}
	}
	return stripped
}
