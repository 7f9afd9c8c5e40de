package act_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// kinds are what is special about a NodeReboot.
type kinds []func(*v1alpha1.NodeReboot)

// leaving is a NodeReboot that was deleted, and stays until the manager has undone its attempt.
func leaving(r *v1alpha1.NodeReboot) {
	at := metav1.Now()
	r.DeletionTimestamp, r.Finalizers = &at, []string{"reboot-operator.io/rollback"}
}

func requestedBy(user string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Spec.RequestedBy = user }
}

func of(policy string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = policy }
}

func reason(value string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Status.Reason = value }
}

func foreign(r *v1alpha1.NodeReboot) { draining(r); r.Status.Attempt.Cordon = v1alpha1.CordonForeign }

func back(r *v1alpha1.NodeReboot) { orderedToReboot(r); r.Status.Attempt.BackTime = micro(-1) }

func rolledBack(r *v1alpha1.NodeReboot) {
	orderedToReboot(r)
	r.Status.Attempt.RolledBackTime = micro(-1)
}

func over(r *v1alpha1.NodeReboot) { draining(r); r.Status.Attempt.EndedTime = micro(-1) }

func orderedAt(minutes int) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { orderedToReboot(r); r.Status.Attempt.RebootOrderedTime = micro(minutes) }
}

func byCondition(r *v1alpha1.NodeReboot) {
	r.Spec.Trigger, r.Spec.ConditionType, r.Spec.RequestedBy = v1alpha1.TriggerNodeCondition, "KernelDeadlock", ""
}

func reports(state v1alpha1.SentinelState) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { sentinel(r); r.Status.Report = &v1alpha1.HelperReport{Sentinel: state} }
}

func TestACancellationSaysWhatBecomesOfTheNode(t *testing.T) {
	t.Parallel()
	const (
		did       = "NodeReboot w1-a of node w1 is cancelled.\n  "
		untouched = did + "Nothing was done to the node. Its taint goes unless something else requires a reboot.\n"
		untilBack = " and cannot be stopped. The operator waits until the node is back and proved, and it is uncordoned; " +
			"then the NodeReboot is removed.\n"
		gone = " The NodeReboot is removed when the evicted workloads are as ready as before.\n"
		down = "The node is given up: its slot is free for another node, and it is uncordoned. " +
			"While it is down it still counts as unavailable.\n"
		another = "  While the host asks for a reboot, its helper creates another NodeReboot at once, without the failures of this one.\n" +
			"  To skip the node: kubectl reboots skip w1\n"
	)
	for name, test := range map[string]struct {
		kind kinds
		want string
	}{
		"someone else had cordoned it": {kinds{foreign}, did + "The attempt is rolled back: the drain ends, and it stays " +
			"cordoned, because someone else had cordoned it. Evicted pods stay where they are." + gone},
		"the host is back": {kinds{back},
			did + "The host has rebooted already. The node is proved, and it is uncordoned; then the NodeReboot is removed.\n"},
		"it was rolled back":     {kinds{rolledBack}, did + "Its attempt was already rolled back." + gone},
		"the attempt is over":    {kinds{over}, untouched},
		"the node is down":       {kinds{isStalled}, did + down},
		"it is down, and asks":   {kinds{isStalled, sentinel}, did + down + another},
		"it reboots, and asked":  {kinds{orderedAt(-2), sentinel}, did + "The host was ordered to reboot at 11:58 UTC" + untilBack},
		"it no longer asks":      {kinds{reports(v1alpha1.SentinelNotRequired)}, untouched},
		"it still asks":          {kinds{reports(v1alpha1.SentinelRequired)}, untouched + another},
		"is already going":       {kinds{leaving}, "NodeReboot w1-a of node w1 is already being cancelled.\n"},
		"was ordered yesterday":  {kinds{orderedAt(-24 * 60)}, did + "The host was ordered to reboot at Sun 12:00 UTC" + untilBack},
		"was ordered last week":  {kinds{orderedAt(-6 * 24 * 60)}, did + "The host was ordered to reboot at Tue Feb 24 2026 12:00 UTC" + untilBack},
		"was ordered after that": {kinds{orderedAt(-6*24*60 + 1)}, did + "The host was ordered to reboot at Tue 12:01 UTC" + untilBack},
		"of a condition": {kinds{byCondition}, untouched +
			"  While the node has the condition KernelDeadlock, the manager creates another NodeReboot.\n" +
			"  To skip the node: kubectl reboots skip w1\n"},
	} {
		if _, out, errOut := run(cluster(t, reboot("w1-a", "w1", test.kind...)), "cancel w1"); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
	if _, out, errOut := run(cluster(t, reboot("w1-a", "w1", isStalled, leaving)), "cancel --all"); out+errOut !=
		"NodeReboot w1-a of node w1 is already being cancelled.\n" {
		t.Errorf("of one that is given up already it says %s%s", out, errOut)
	}
}

func TestAnApprovalIsGivenWhereItCounts(t *testing.T) {
	t.Parallel()
	allow := func(p *v1alpha1.RebootPolicy) { requires(p); p.Spec.SelfApproval = v1alpha1.SelfApprovalAllow }
	const (
		about    = "NodeReboot w1-a of node w1"
		approved = about + " is approved by alice.\n  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n"
		already  = about + " is already approved, by "
		by       = v1alpha1.ReasonSelfApproved
		awaits   = v1alpha1.ReasonAwaitingApproval
	)
	for name, test := range map[string]struct {
		policy func(*v1alpha1.RebootPolicy)
		kind   kinds
		want   string
	}{
		"one's own, if that is allowed": {allow, kinds{requestedBy("alice")}, approved},
		"nobody's":                      {allow, kinds{requestedBy("")}, approved},
		"nobody's, if that matters": {requires, kinds{requestedBy("")}, "error: " + about + ": it is not recorded who asked " +
			"for the reboot, and RebootPolicy workers has selfApproval: Refuse, so no approval counts. " +
			"Ask for it again: kubectl reboots cancel nodereboot/w1-a, then kubectl reboots now w1 --reason ...\n"},
		"a helper's":                   {requires, kinds{sentinel}, approved},
		"a condition's":                {requires, kinds{byCondition}, approved},
		"of a policy that is gone":     {requires, kinds{requestedBy("alice"), of("gone")}, approved},
		"nobody's, without a policy":   {requires, kinds{requestedBy(""), of("gone")}, approved},
		"urgent, without a policy":     {requires, kinds{requestedBy(""), of("")}, approved},
		"was approved by who asked":    {requires, kinds{given("bob"), reason(by)}, approved},
		"was just approved":            {requires, kinds{given("bob"), reason(by), before}, already + "bob.\n"},
		"expired, by someone else":     {requires, kinds{expiredOf("carol")}, approved},
		"was just approved for longer": {requires, kinds{expiredOf("carol"), before}, already + "carol.\n"},
		"just approved by oneself":     {requires, kinds{expiredOf("alice"), before}, already + "alice.\n"},
		"waits for one":                {requires, kinds{reason(awaits)}, approved},
		"was refused to who asked":     {requires, kinds{reason(by)}, approved},
		"is going":                     {requires, kinds{leaving}, about + " is being cancelled: nothing to approve.\n"},
	} {
		terminal := cluster(t, policy("workers", test.policy), reboot("w1-a", "w1", test.kind...))
		if _, out, errOut := run(terminal, "approve w1"); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
}

func TestADenialSaysWhatItStops(t *testing.T) {
	t.Parallel()
	const about = "NodeReboot w1-a of node w1"
	const unseen = "  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n"
	for name, test := range map[string]struct {
		kind kinds
		want string
	}{
		"it waits":   {kinds{given("carol")}, "The approval of " + about + " by carol is withdrawn.\n" + unseen},
		"no policy":  {kinds{given("carol"), of("")}, "The approval of " + about + " by carol is withdrawn.\n" + unseen},
		"it is over": {kinds{given("carol"), over}, "The approval of " + about + " by carol is withdrawn.\n" + unseen},
		"nobody approved it": {nil, about + " is not approved: nothing to deny.\n" +
			"  It waits until someone approves it. To remove it: kubectl reboots cancel nodereboot/w1-a\n"},
		"is going": {kinds{given("carol"), leaving}, about + " is being cancelled: nothing to deny.\n"},
		"it was rolled back": {kinds{given("carol"), rolledBack}, "The approval of " + about + " by carol is withdrawn.\n" +
			"  Its attempt is rolled back: the drain ends, and it is uncordoned.\n" + unseen},
	} {
		terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1", test.kind...))
		if _, out, errOut := run(terminal, "deny w1"); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
}

func TestOnlyWhatNeedsItIsApprovedAndDeniedUnnamed(t *testing.T) {
	t.Parallel()
	objects := []client.Object{
		policy("workers", requires), policy("free"), reboot("waits", "w1"), reboot("approved", "w2", given("carol")),
		reboot("expired", "w3", expiredOf("carol")), reboot("going", "w4", leaving), reboot("free", "w5", of("free")),
		reboot("orphan", "w6", of("gone")), reboot("ended", "w7", ended(v1alpha1.OutcomeSucceeded, "Proved", -5)),
		reboot("going-too", "w8", leaving, given("carol")), reboot("free-too", "w9", of("free"), given("carol")),
	}
	for line, want := range map[string]string{"approve": "waits expired orphan", "deny": "approved"} {
		_, out, errOut := run(cluster(t, objects...), line+" --all -o name")
		if got := strings.Join(strings.Fields(strings.ReplaceAll(out, "nodereboot.reboot-operator.io/", "")), " "); got != want {
			t.Errorf("%s: it says %s%s", line, out, errOut)
		}
	}
}

func TestAPauseSaysWhatBecomesOfEachNode(t *testing.T) {
	t.Parallel()
	const did, end = "RebootPolicy workers is paused; its mode was Enforce.\n", "  To continue: kubectl reboots resume workers\n"
	const cordoned = ". Their drains end, and they are uncordoned unless someone else had cordoned them.\n"
	drains := func(count int) (all []client.Object) {
		for i := range count {
			name := fmt.Sprintf("w%d", i+1)
			all = append(all, reboot(name+"-a", name, draining))
		}
		return all
	}
	for name, test := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"none":       {nil, ""},
		"two":        {drains(2), "  Rolled back: w1 and w2" + cordoned},
		"five":       {drains(5), "  Rolled back: w1, w2, w3, w4 and w5" + cordoned},
		"seven":      {drains(7), "  Rolled back: w1, w2, w3, w4, w5 and 2 more" + cordoned},
		"one waits":  {[]client.Object{reboot("a", "w1")}, "  Waiting: 1. They stay tainted, and keep their places in the queue.\n"},
		"one reboot": {[]client.Object{reboot("a", "w1", orderedToReboot)}, "  Followed to the end: w1.\n"},
		"undone":     {[]client.Object{reboot("a", "w1", rolledBack)}, "  Followed to the end: w1.\n"},
		"ended":      {[]client.Object{reboot("a", "w1", ended(v1alpha1.OutcomeSucceeded, "Proved", -5))}, ""},
		"another's":  {[]client.Object{reboot("a", "w1", of("other"))}, ""},
	} {
		terminal := cluster(t, append(test.objects, policy("workers"))...)
		if _, out, errOut := run(terminal, "pause workers"); out+errOut != did+test.want+end {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
}

func TestASkipSaysWhatBecomesOfTheReboot(t *testing.T) {
	t.Parallel()
	skip := func(value, note string) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Labels[v1alpha1.SkipLabel] = value
			if note != "" {
				n.Annotations = map[string]string{v1alpha1.SkipReasonAnnotation: note}
			}
		}
	}
	noted := func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.SkipReasonAnnotation: "disk"} }
	const end = "  To end it: kubectl reboots unskip w1\n"
	const free = "  It needs no reboot now. If it does, it is not rebooted, and does not hold up other nodes.\n" + end
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		want    string
	}{
		"no reason": {"skip w1", []client.Object{node("w1")}, "Node w1 is skipped.\n" + free},
		"a reboot that waits": {"skip w1", []client.Object{node("w1"), reboot("a", "w1")}, "Node w1 is skipped.\n" +
			"  Its NodeReboot a stays, keeps its place in the queue, and does not hold up other nodes.\n" + end},
		"a host that was ordered": {"skip w1", []client.Object{node("w1"), reboot("a", "w1", orderedToReboot)}, "Node w1 is skipped.\n" +
			"  Its host was ordered to reboot at 11:58 UTC and cannot be stopped; the node is skipped afterwards.\n" + end},
		"of two the one under way": {"skip w1", []client.Object{node("w1"), reboot("a", "w1"), reboot("b", "w1", orderedToReboot), reboot("c", "w1")},
			"Node w1 is skipped.\n  Its host was ordered to reboot at 11:58 UTC and cannot be stopped; the node is skipped afterwards.\n" + end},
		"of two the first": {"skip w1", []client.Object{node("w1"), reboot("a", "w1", leaving), reboot("b", "w1"), reboot("c", "w1")},
			"Node w1 is skipped.\n  Its NodeReboot b stays, keeps its place in the queue, and does not hold up other nodes.\n" + end},
		"without a reason":     {"skip w1", []client.Object{node("w1", skip("", ""))}, "Node w1 is already skipped.\n"},
		"with a note":          {"skip w1", []client.Object{node("w1", skip("", "old disk"))}, "Node w1 is already skipped: old disk.\n"},
		"the same reason":      {"skip w1 --reason disk", []client.Object{node("w1", skip("disk", ""))}, "Node w1 is already skipped: disk.\n"},
		"another reason":       {"skip w1 --reason disk", []client.Object{node("w1", skip("fan", ""))}, "Node w1 was already skipped; the reason is new: disk.\n" + free},
		"no reason any more":   {"skip w1 --reason=", []client.Object{node("w1", skip("fan", ""))}, "Node w1 was already skipped; the reason is new.\n" + free},
		"unskip":               {"unskip w1", []client.Object{node("w1", skip("", ""))}, "Node w1 is no longer skipped.\n  It needs no reboot now.\n"},
		"unskip what is noted": {"unskip w1", []client.Object{node("w1", noted)}, "Node w1 is no longer skipped.\n  It needs no reboot now.\n"},
	} {
		if _, out, errOut := run(cluster(t, test.objects...), test.line); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
}

func TestWhatIsTriedAgainIsDeletedAfterTheOtherOneIsThere(t *testing.T) {
	t.Parallel()
	const head = "NodeReboot w1-a of node w1, which waited after "
	gaveUp := ended(v1alpha1.OutcomeFailed, "NodeGone", -5)
	one := func(r *v1alpha1.NodeReboot) { backingOff(r); r.Status.Failures.Count = 1 }
	none := func(r *v1alpha1.NodeReboot) { backingOff(r); r.Status.Failures.Count = 0 }
	unknown := func(r *v1alpha1.NodeReboot) { gaveUp(r); r.Status.CompletionTime = nil }
	const state = "  It waits. WindowClosed: The window is closed.\n"
	const nothing = "Node w1 has no failed reboot: nothing to try again.\n"
	const takesPlace = "  NodeReboot w1-now-95ed3cae takes its place.\n" +
		"  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n"
	succeeded := func(name, node string, minutes int) client.Object {
		return reboot(name, node, ended(v1alpha1.OutcomeSucceeded, "Proved", minutes))
	}
	timeless := reboot("b", "w1", ended(v1alpha1.OutcomeSucceeded, "Proved", -1))
	timeless.Status.CompletionTime = nil
	deleted := "NodeReboot w1-a of node w1, which was given up (NodeGone), is deleted.\n" + takesPlace
	for name, test := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"one attempt":     {[]client.Object{reboot("w1-a", "w1", one)}, head + "a failed attempt (DrainTimedOut), is deleted.\n" + takesPlace},
		"no attempt":      {[]client.Object{reboot("w1-a", "w1", none)}, nothing},
		"it waits":        {[]client.Object{reboot("w1-a", "w1")}, nothing},
		"it is going":     {[]client.Object{reboot("w1-a", "w1", backingOff, leaving)}, nothing},
		"when is unknown": {[]client.Object{reboot("w1-a", "w1", unknown)}, nothing},
		"it succeeded":    {[]client.Object{succeeded("w1-a", "w1", -5)}, nothing},
		"under way":       {[]client.Object{reboot("w1-a", "w1", backingOff, draining)}, "NodeReboot w1-a of node w1 is under way: nothing to try again.\n  BackingOff: The window is closed.\n"},
		"given up":        {[]client.Object{reboot("w1-a", "w1", gaveUp)}, deleted},
		"one before":      {[]client.Object{reboot("w1-a", "w1", gaveUp), succeeded("b", "w1", -50)}, deleted},
		"at a time":       {[]client.Object{reboot("w1-a", "w1", gaveUp), succeeded("b", "w1", -5)}, deleted},
		"one at no time":  {[]client.Object{reboot("w1-a", "w1", gaveUp), timeless}, deleted},
		"another continues": {[]client.Object{reboot("w1-a", "w1", urgent, gaveUp), reboot("w1-b", "w1", urgent)},
			"NodeReboot w1-a of node w1, which was given up (NodeGone), is deleted.\n  NodeReboot w1-b of the node continues.\n" +
				"  It is Immediate: it waits for no window and no freeze.\n" + state},
		"a normal one continues": {[]client.Object{reboot("w1-a", "w1", urgent, gaveUp), reboot("w1-b", "w1")},
			"NodeReboot w1-a of node w1, which was given up (NodeGone), is deleted.\n  NodeReboot w1-b of the node continues.\n" +
				"  The deleted NodeReboot was Immediate; the new one is not. To ask for an Immediate one: " +
				"kubectl reboots now w1 --immediate --reason ...\n" + state},
	} {
		terminal := cluster(t, append(test.objects, node("w1"))...)
		if _, out, errOut := run(terminal, "retry w1"); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
	terminal := cluster(t, reboot("w1-a", "w1", backingOff))
	_, out, errOut := run(terminal, "retry w1")
	const unread = "error: NodeReboot w1-a of node w1: read node w1, to ask for its reboot again: "
	if left := reboots(t, terminal.Client); len(left) != 1 || !strings.HasPrefix(errOut, unread) {
		t.Errorf("without its node it says %s%s and leaves %v", out, errOut, left)
	}
}

func TestARequestHasTheNameOfItsNodeAsFarAsThatFits(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		strings.Repeat("a", 240):                           strings.Repeat("a", 240) + "-now-95ed3cae",
		strings.Repeat("a", 239) + strings.Repeat("b", 14): strings.Repeat("a", 239) + "b-now-95ed3cae",
		strings.Repeat("a", 239) + ".b.example":            strings.Repeat("a", 239) + "-now-95ed3cae",
	} {
		terminal := cluster(t, node(name))
		_, out, errOut := run(terminal, "now "+name+" --reason x -o name")
		got := strings.TrimSpace(strings.TrimPrefix(out, "nodereboot.reboot-operator.io/"))
		if !strings.HasPrefix(got, want) || len(validation.IsDNS1123Subdomain(got)) > 0 {
			t.Errorf("it says %s%s", out, errOut)
		}
	}
}

func TestAReasonFitsTheSchema(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{1024: app.ExitOK, 1025: app.ExitUsage} {
		code, out, errOut := run(cluster(t, node("w1")), "now w1 --reason "+strings.Repeat("é", length))
		if code != want {
			t.Errorf("%d characters: it ended with %d: %s%s", length, code, out, errOut)
		}
	}
}

func TestANodeBelongsToThePolicyThatTheOperatorGivesItTo(t *testing.T) {
	t.Parallel()
	blue := func(p *v1alpha1.RebootPolicy) {
		p.Spec.Nodes, p.Spec.NodeSelector = "", &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"pool": "blue"}}
	}
	red := func(p *v1alpha1.RebootPolicy) {
		p.Spec.Nodes, p.Spec.NodeSelector = "", &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"pool": "red"}}
	}
	empty := func(p *v1alpha1.RebootPolicy) { p.Spec.Nodes, p.Spec.NodeSelector = "", &v1alpha1.LabelSelector{} }
	high := func(p *v1alpha1.RebootPolicy) { p.Spec.Priority = 5 }
	old := func(p *v1alpha1.RebootPolicy) { p.CreationTimestamp = metav1.NewTime(micro(-60).Time) }
	young := func(p *v1alpha1.RebootPolicy) { p.CreationTimestamp = metav1.NewTime(micro(-5).Time) }
	going := func(p *v1alpha1.RebootPolicy) {
		at := metav1.Now()
		p.DeletionTimestamp, p.Finalizers = &at, []string{"x/y"}
	}
	for name, test := range map[string]struct {
		first, second []func(*v1alpha1.RebootPolicy)
		owner         string
	}{
		"by name":              {nil, nil, "a"},
		"the older":            {[]func(*v1alpha1.RebootPolicy){young}, []func(*v1alpha1.RebootPolicy){old}, "b"},
		"the higher":           {[]func(*v1alpha1.RebootPolicy){old}, []func(*v1alpha1.RebootPolicy){young, high}, "b"},
		"not one that is gone": {[]func(*v1alpha1.RebootPolicy){high, going}, nil, "b"},
		"the one that selects": {[]func(*v1alpha1.RebootPolicy){red, high}, []func(*v1alpha1.RebootPolicy){blue}, "b"},
		"both select":          {[]func(*v1alpha1.RebootPolicy){blue}, []func(*v1alpha1.RebootPolicy){blue, high}, "b"},
		"an empty selector":    {[]func(*v1alpha1.RebootPolicy){empty, high}, []func(*v1alpha1.RebootPolicy){blue}, "b"},
	} {
		objects := []client.Object{node("w1"), policy("a", test.first...), policy("b", test.second...)}
		for _, owner := range []string{"a", "b"} {
			_, out, errOut := run(cluster(t, objects...), "skip --policy "+owner+" -o name")
			if owned := out == "node/w1\n"; owned != (owner == test.owner) {
				t.Errorf("%s: of %s it says %s%s", name, owner, out, errOut)
			}
		}
	}
}

func TestAServerDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"now w1 --reason x", "cancel w2", "approve w2"} {
		terminal := cluster(t, node("w1"), node("w2"), policy("workers", requires), reboot("w2-a", "w2"))
		code, out, errOut := run(terminal, line+" --dry-run=server")
		left := &v1alpha1.NodeReboot{}
		err := terminal.Client.Get(t.Context(), client.ObjectKey{Name: "w2-a"}, left)
		if len(reboots(t, terminal.Client)) != 1 || err != nil || left.Spec.Approval == v1alpha1.ApprovalGiven ||
			code != app.ExitOK || !strings.Contains(out, " (server dry run).\n") {
			t.Errorf("%s ended with %d: %s%s", line, code, out, errOut)
		}
	}
}

func TestWhoManagesAPolicyIsFoundByEachSign(t *testing.T) {
	t.Parallel()
	const inGit = ", and may set its mode back. Set spec.mode in the source of the policy.\n"
	const argo = "  Argo CD manages this policy (application nodes), and sets its mode back if it syncs with self-heal."
	label := func(p *v1alpha1.RebootPolicy) { p.Labels = map[string]string{"argocd.argoproj.io/instance": "nodes"} }
	note := func(p *v1alpha1.RebootPolicy) {
		p.Annotations = map[string]string{"argocd.argoproj.io/instance": "nodes"}
	}
	none := func(*v1alpha1.RebootPolicy) {}
	for name, test := range map[string]struct {
		sign func(*v1alpha1.RebootPolicy)
		by   string
		want string
	}{
		"a label of Argo CD":       {label, "", argo},
		"an annotation of Argo CD": {note, "", argo},
		"Argo CD applied it":       {none, "argocd-controller", "  Argo CD applied this policy" + inGit},
		"a kustomization":          {none, "kustomize-controller", "  Flux applied this policy" + inGit},
		"a release":                {none, "helm-controller", "  Flux applied this policy" + inGit},
		"a person":                 {none, "kubectl-edit", "To continue"},
	} {
		terminal := cluster(t, policy("workers", test.sign))
		owned(terminal, owns("manager", ""), owns(test.by, modeField))
		_, out, errOut := run(terminal, "pause workers")
		if !strings.Contains(out, test.want) || test.by == "kubectl-edit" && strings.Contains(out, "applied") {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
		resumed := cluster(t, policy("workers", paused("Enforce"), test.sign))
		owned(resumed, owns(test.by, modeField))
		if _, out, errOut := run(resumed, "resume workers --mode Enforce"); test.by != "kubectl-edit" && !strings.Contains(out, test.want) {
			t.Errorf("%s: resumed, it says %s%s", name, out, errOut)
		}
	}
}

// broken is an output that is gone.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAnOutputForAProgramThatIsGoneIsAFailure(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"))
	terminal.App.Out = broken{}
	code, _, errOut := terminal.Run(plugin.Run, "skip", "w1", "-o", "yaml")
	if code != app.ExitFailed || !strings.Contains(errOut, "broken pipe") {
		t.Errorf("it ended with %d: %s", code, errOut)
	}
}
