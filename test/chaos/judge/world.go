package judge

import (
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// world is what there is at one moment, and for how long it has been so.
type world struct {
	nodes    map[string]*nodeState
	policies map[string]*policyState
	reboots  map[string]*Reboot // by UID
	apps     map[string]*appState
	grants   map[string]Grant // of the slots object, by node
	entries  int
	// granted says which policy and zone an attempt was granted for, as it was recorded later.
	granted map[attemptKey]grantedFor
	// baseline is how many pods of each application on the node were ready around the grant.
	baseline map[attemptKey]map[string]int
	foreign  map[string]map[string]bool // taints of others, by node
	cordoned map[string]bool            // nodes that others have cordoned
}

type attemptKey struct {
	uid    string
	number int32
}

type grantedFor struct{ policy, zone string }

type nodeState struct {
	*Node
	readySince, unavailableSince, skipSince, ownerSince time.Time // zero while it is not so
	unreadySince                                        time.Time
}

type policyState struct {
	*Policy
	// noSince is since when nothing may start; zero while something may.
	noSince time.Time
	// limits are those of before, with when they ended.
	limits, perZone []oldLimit
}

type oldLimit struct {
	value int
	ended time.Time
}

type appState struct {
	pods map[string]*Pod // by UID
	// ready is how many were, from when on.
	ready []readyCount
}

type readyCount struct {
	from  time.Time
	count int
}

func newWorld(history *History) *world {
	w := &world{
		nodes: map[string]*nodeState{}, policies: map[string]*policyState{}, reboots: map[string]*Reboot{}, apps: map[string]*appState{},
		grants: map[string]Grant{}, granted: map[attemptKey]grantedFor{}, baseline: map[attemptKey]map[string]int{},
		foreign: map[string]map[string]bool{}, cordoned: map[string]bool{},
	}
	for i := range history.Reboots {
		reboot := &history.Reboots[i]
		if attempt := reboot.Status.Attempt; attempt != nil {
			w.granted[attemptKey{reboot.UID, attempt.Number}] = grantedFor{policy: attempt.PolicyName, zone: attempt.Zone}
		}
	}
	return w
}

func (w *world) did(deed *Deed) {
	switch deed.Kind {
	case PersonCordoned:
		w.cordoned[deed.Node] = true
	case PersonUncordoned:
		delete(w.cordoned, deed.Node)
	case PersonTainted:
		if w.foreign[deed.Node] == nil {
			w.foreign[deed.Node] = map[string]bool{}
		}
		w.foreign[deed.Node][deed.Taint] = true
	case PersonUntainted:
		delete(w.foreign[deed.Node], deed.Taint)
	}
}

// since is when something began: now, if it is so and was not; zero, if it is not.
func since(before time.Time, is bool, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case before.IsZero():
		return now
	default:
		return before
	}
}

func (w *world) nodeChanged(node *Node) {
	if node.Gone {
		delete(w.nodes, node.Name)
		delete(w.foreign, node.Name)
		delete(w.cordoned, node.Name)
		return
	}
	state := w.nodes[node.Name]
	if state == nil || state.UID != node.UID {
		state = &nodeState{ownerSince: node.At}
	} else if !maps.Equal(state.Labels, node.Labels) {
		state.ownerSince = node.At
	}
	state.Node = node
	state.readySince = since(state.readySince, node.Ready, node.At)
	state.unreadySince = since(state.unreadySince, !node.Ready, node.At)
	state.unavailableSince = since(state.unavailableSince, !node.Ready || node.Cordoned, node.At)
	state.skipSince = since(state.skipSince, node.Skipped, node.At)
	w.nodes[node.Name] = state
}

func (w *world) policyChanged(policy *Policy) {
	state := w.policies[policy.Name]
	if state == nil {
		state = &policyState{noSince: time.Time{}}
		w.policies[policy.Name] = state
	} else if !state.Gone {
		state.limits = append(state.limits, oldLimit{value: state.limit(), ended: policy.At})
		state.perZone = append(state.perZone, oldLimit{value: state.zoneLimit(), ended: policy.At})
	}
	state.Policy = policy
	state.noSince = since(state.noSince, policy.Gone || policy.Spec.Mode != v1alpha1.ModeEnforce, policy.At)
}

const noLimit = 1 << 30

// limit is maxUnavailable, which histories that are judged give as a number.
func (p *policyState) limit() int {
	if p.Spec.Rollout.MaxUnavailable == nil {
		return 1
	}
	return p.Spec.Rollout.MaxUnavailable.IntValue()
}

func (p *policyState) zoneLimit() int {
	if p.Spec.Rollout.Zones.MaxUnavailablePerZone == nil {
		return noLimit
	}
	return p.Spec.Rollout.Zones.MaxUnavailablePerZone.IntValue()
}

// most is the highest limit that was in force since a time.
func most(now int, before []oldLimit, from time.Time) int {
	for _, old := range before {
		if old.ended.After(from) {
			now = max(now, old.value)
		}
	}
	return now
}

func (w *world) podChanged(pod *Pod) {
	app := w.apps[pod.App]
	if app == nil {
		app = &appState{pods: map[string]*Pod{}}
		w.apps[pod.App] = app
	}
	if pod.Gone {
		delete(app.pods, pod.UID)
	} else {
		app.pods[pod.UID] = pod
	}
	app.ready = append(app.ready, readyCount{from: pod.At, count: app.count()})
}

func (a *appState) count() int {
	count := 0
	for _, pod := range a.pods {
		if pod.Ready {
			count++
		}
	}
	return count
}

// extremes are the fewest and the most that were ready at any time since.
func (a *appState) extremes(from time.Time) (least, greatest int) {
	least, greatest = a.count(), a.count()
	for i := len(a.ready) - 1; i >= 0; i-- {
		least, greatest = min(least, a.ready[i].count), max(greatest, a.ready[i].count)
		if a.ready[i].from.Before(from) {
			break // it was so when the time began
		}
	}
	return least, greatest
}

// underWay is what holds a slot, by node: a grant that may be used, or an open attempt.
func (w *world) underWay() map[string]attemptKey {
	nodes := map[string]attemptKey{}
	for node, grant := range w.grants {
		reboot := w.reboots[grant.UID]
		switch {
		case reboot == nil || reboot.Status.Outcome != "":
		case reboot.Status.Attempt != nil && reboot.Status.Attempt.Number > grant.Attempt:
		case reboot.Status.Attempt != nil && reboot.Status.Attempt.Number == grant.Attempt && !reboot.open():
		default:
			nodes[node] = attemptKey{grant.UID, grant.Attempt}
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(w.reboots)) {
		if reboot := w.reboots[uid]; reboot.open() {
			nodes[reboot.Node] = attemptKey{uid, reboot.Status.Attempt.Number}
		}
	}
	return nodes
}

// forWhom is the policy and zone of an attempt: as it recorded them, or as they are now if it never got so far.
func (w *world) forWhom(node string, key attemptKey) grantedFor {
	if granted, known := w.granted[key]; known {
		return granted
	}
	state := w.nodes[node]
	if state == nil {
		return grantedFor{}
	}
	return grantedFor{policy: w.owner(state), zone: state.Zone}
}

// owner is the only policy that selects a node by its labels; empty if there is none, or more than one.
func (w *world) owner(node *nodeState) string {
	found := ""
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		policy := w.policies[name]
		if policy.Gone || !policy.selects(node.Labels) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

func (p *policyState) selects(labels map[string]string) bool {
	if p.Spec.Nodes == v1alpha1.NodesAll {
		return true
	}
	if p.Spec.NodeSelector == nil || len(p.Spec.NodeSelector.MatchLabels) == 0 {
		return false
	}
	for key, value := range p.Spec.NodeSelector.MatchLabels {
		if labels[key] != string(value) {
			return false
		}
	}
	return true
}
