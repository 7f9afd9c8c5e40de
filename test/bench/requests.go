package bench

import (
	"fmt"
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// requestKey is a kind of request.
type requestKey struct{ client, verb, resource string }

// tally counts requests by kind. Leases do not count. A watch counts once, although the API server records its begin and its end.
func tally(requests []testbed.Request) map[requestKey]float64 {
	counts := map[requestKey]float64{}
	for _, r := range requests {
		if r.Resource == "leases" {
			continue
		}
		key := requestKey{client: r.Actor, verb: r.Verb, resource: r.Resource}
		if r.Verb == "watch" {
			counts[key] += 0.5
			continue
		}
		counts[key]++
	}
	return counts
}

func isWrite(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) }

// requestFigures are requests per reboot.
func (o *outcome) requestFigures() []Figure {
	reboots := float64(max(len(o.scenario.nodes), 1))
	var all, writes, events, refused float64
	for key, count := range tally(o.requests) {
		all += count
		if isWrite(key.verb) && key.resource != "pods/eviction" {
			writes += count
		}
		if key.resource == "events" {
			events += count
		}
	}
	for _, r := range o.requests {
		if r.Resource == "pods/eviction" && r.Code == 429 {
			refused++
		}
	}
	return []Figure{
		count("requests per reboot", all/reboots).goal(goalRequests),
		count("writes per reboot, events included", writes/reboots).goal(goalWrites),
		count("events per reboot", events/reboots),
		count("refused evictions", refused),
	}
}

// requestDetail lists requests per reboot.
func (o *outcome) requestDetail() Detail {
	nodes := len(o.scenario.nodes)
	return requestTable(fmt.Sprintf("Requests per reboot, %d nodes, leases left out", nodes), "per reboot", o.requests, float64(max(nodes, 1)))
}

// requestTable lists requests by client, verb and resource, the most frequent first, divided by something.
func requestTable(title, column string, requests []testbed.Request, by float64) Detail {
	counts := tally(requests)
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b requestKey) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return slices.Compare([]string{a.client, a.verb, a.resource}, []string{b.client, b.verb, b.resource})
	})
	d := Detail{Title: title, Header: []string{"client", "verb", "resource", column}}
	for _, key := range keys {
		d.Rows = append(d.Rows, []string{key.client, key.verb, key.resource, fmt.Sprintf("%.2f", counts[key]/by)})
	}
	return d
}
