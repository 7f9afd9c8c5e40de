package plan

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
)

// Answer is what the command writes.
type Answer struct {
	// From is where the objects come from, and Taken when they were read.
	From  string    `json:"from"`
	Taken time.Time `json:"taken"`
	// Nodes is how many nodes there are.
	Nodes int `json:"nodes"`
	// Forecast of what comes next, with the policies of the file if there are any.
	Forecast *forecast.Forecast `json:"forecast"`
	// Assumptions are assumptions in addition to those of the forecast.
	Assumptions []string `json:"assumptions,omitempty"`
	// Changes are the differences to the cluster as it is; nil without policies of a file.
	Changes *Changes `json:"changes,omitempty"`
}

// Changes is what policies of a file change.
type Changes struct {
	// Policies are those of the file and those that gain or lose nodes, or finish at another time.
	Policies []PolicyChange `json:"policies"`
	// Nodes are those that start at another time or in another place, in the order of the new forecast.
	Nodes []NodeChange `json:"nodes"`
}

// Kind says what becomes of a policy.
type Kind string

const (
	// Added policies are not in the cluster.
	Added Kind = "Added"
	// Replaced policies are in the cluster, with another spec.
	Replaced Kind = "Replaced"
	// Same policies are in the cluster with the same spec.
	Same Kind = "Same"
	// Affected policies are in the cluster, and not in the file.
	Affected Kind = "Affected"
)

// PolicyChange is what changes for one policy.
type PolicyChange struct {
	Name   string `json:"name"`
	Change Kind   `json:"change"`
	// Gained and Lost are nodes by name.
	Gained []Move `json:"gained,omitempty"`
	Lost   []Move `json:"lost,omitempty"`
	// RequiredBefore and RequiredAfter count the nodes of the policy that need a reboot.
	RequiredBefore int `json:"requiredBefore"`
	RequiredAfter  int `json:"requiredAfter"`
	// FinishBefore and FinishAfter are when the rollout ends; not known if no node is known to start, or none has to.
	FinishBefore forecast.Times `json:"finishBefore"`
	FinishAfter  forecast.Times `json:"finishAfter"`
	// NewObstacles are permanent ones that there are only with the policies of the file, and GoneObstacles those that there are only without.
	NewObstacles  []forecast.Obstacle `json:"newObstacles,omitempty"`
	GoneObstacles []forecast.Obstacle `json:"goneObstacles,omitempty"`
}

// Move is a node that another policy owns then.
type Move struct {
	Node string `json:"node"`
	// Policy that owned it, or owns it then; empty if none does.
	Policy string `json:"policy,omitempty"`
}

// NodeChange is what changes for a node that needs a reboot.
type NodeChange struct {
	Name string `json:"name"`
	// PolicyBefore and PolicyAfter own it; empty if none does.
	PolicyBefore string `json:"policyBefore,omitempty"`
	PolicyAfter  string `json:"policyAfter,omitempty"`
	// PlaceBefore and PlaceAfter in the order of all nodes that start, from 1; 0 is not known to start.
	PlaceBefore int `json:"placeBefore,omitempty"`
	PlaceAfter  int `json:"placeAfter,omitempty"`
	// StartBefore and StartAfter are when it starts.
	StartBefore forecast.Times `json:"startBefore"`
	StartAfter  forecast.Times `json:"startAfter"`
}

// noticeable is how much later or earlier something is that is worth mentioning. Durations are estimates.
const noticeable = time.Minute

// moved says that two times are not about the same.
func moved(before, after forecast.Times) bool {
	if before.Known() != after.Known() {
		return true
	}
	return before.Median().Sub(after.Median()).Abs() >= noticeable
}

// withPolicies returns a cluster in which the policies of a file take the place of those with the same names. One that is new comes after
// all others of its priority, as if it were applied now.
func withPolicies(cluster *objects.Cluster, added []*v1alpha1.RebootPolicy, now time.Time) (*objects.Cluster, map[string]Kind) {
	changed := *cluster
	changed.Policies = slices.Clone(cluster.Policies)
	kinds := map[string]Kind{}
	for _, policy := range added {
		policy = policy.DeepCopy()
		at := slices.IndexFunc(changed.Policies, func(p *v1alpha1.RebootPolicy) bool { return p.Name == policy.Name })
		if at < 0 {
			policy.UID, policy.Generation = types.UID("file/"+policy.Name), 1
			policy.CreationTimestamp = metav1.NewTime(now)
			changed.Policies, kinds[policy.Name] = append(changed.Policies, policy), Added
			continue
		}
		stored := changed.Policies[at]
		kinds[policy.Name] = Same
		policy.Spec.Notifications = stored.Spec.Notifications // nothing in a plan
		labels, annotations := policy.Labels, policy.Annotations
		policy.ObjectMeta, policy.Status = *stored.ObjectMeta.DeepCopy(), *stored.Status.DeepCopy()
		policy.Labels, policy.Annotations = labels, annotations
		if !equality.Semantic.DeepEqual(policy.Spec, stored.Spec) {
			policy.Generation++
			kinds[policy.Name] = Replaced
		}
		changed.Policies[at] = policy
	}
	return &changed, kinds
}

// compare says what changes between two forecasts. Owners are the policies of all nodes.
func compare(before, after *forecast.Forecast, owned, owns map[string]string, kinds map[string]Kind) *Changes {
	changes := &Changes{Policies: []PolicyChange{}, Nodes: changedNodes(before, after)}
	for _, name := range policyNames(before, after, kinds) {
		change := PolicyChange{Name: name, Change: kinds[name]}
		change.Gained, change.Lost = moves(name, owned, owns)
		was, is := policyOf(before, name), policyOf(after, name)
		change.RequiredBefore, change.RequiredAfter = was.Waiting+was.UnderWay, is.Waiting+is.UnderWay
		change.FinishBefore, change.FinishAfter = was.Finish, is.Finish
		change.NewObstacles, change.GoneObstacles = only(is.Obstacles, was.Obstacles), only(was.Obstacles, is.Obstacles)
		if change.Change == "" {
			change.Change = Affected
			if len(change.Gained)+len(change.Lost)+len(change.NewObstacles)+len(change.GoneObstacles) == 0 && !moved(was.Finish, is.Finish) {
				continue
			}
		}
		changes.Policies = append(changes.Policies, change)
	}
	return changes
}

func policyOf(f *forecast.Forecast, name string) forecast.Policy {
	if policy := f.Policy(name); policy != nil {
		return *policy
	}
	return forecast.Policy{Name: name}
}

func policyNames(before, after *forecast.Forecast, kinds map[string]Kind) []string {
	names := slices.Collect(maps.Keys(kinds))
	for _, f := range []*forecast.Forecast{before, after} {
		for i := range f.Policies {
			names = append(names, f.Policies[i].Name)
		}
	}
	slices.Sort(names)
	// Nodes that no policy owns have one without a name.
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// moves are the nodes that a policy gains and loses.
func moves(name string, owned, owns map[string]string) (gained, lost []Move) {
	for node, policy := range owns {
		if policy == name && owned[node] != name {
			gained = append(gained, Move{node, owned[node]})
		}
	}
	for node, policy := range owned {
		if policy == name && owns[node] != name {
			lost = append(lost, Move{node, owns[node]})
		}
	}
	byNode := func(a, b Move) int { return strings.Compare(a.Node, b.Node) }
	slices.SortFunc(gained, byNode)
	slices.SortFunc(lost, byNode)
	return gained, lost
}

// only are the permanent obstacles of a list whose reason and nodes are not in the other.
func only(obstacles, others []forecast.Obstacle) []forecast.Obstacle {
	var found []forecast.Obstacle
	for _, o := range obstacles {
		if o.Permanent && !slices.ContainsFunc(others, func(other forecast.Obstacle) bool {
			return other.Permanent && other.Reason == o.Reason && slices.Equal(other.Nodes, o.Nodes)
		}) {
			found = append(found, o)
		}
	}
	return found
}

// changedNodes are the nodes that start at another time, or for another policy.
func changedNodes(before, after *forecast.Forecast) []NodeChange {
	changes := []NodeChange{}
	was := make(map[string]NodeChange, len(before.Nodes))
	for i := range before.Nodes {
		node := &before.Nodes[i]
		was[node.Name] = NodeChange{Name: node.Name, PolicyBefore: node.Policy, PlaceBefore: place(node, i), StartBefore: node.Start}
	}
	for i := range after.Nodes {
		node := &after.Nodes[i]
		change := was[node.Name]
		delete(was, node.Name)
		change.Name, change.PolicyAfter, change.PlaceAfter, change.StartAfter = node.Name, node.Policy, place(node, i), node.Start
		if change.PolicyBefore != change.PolicyAfter || moved(change.StartBefore, change.StartAfter) {
			changes = append(changes, change)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		changes = append(changes, was[name])
	}
	return changes
}

// place of a node in the order in which nodes start; 0 if it is not known to.
func place(node *forecast.Node, index int) int {
	if !node.Start.Known() {
		return 0
	}
	return index + 1
}
