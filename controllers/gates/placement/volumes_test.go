package placement

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// claimOf binds a claim to a volume.
func claimOf(name, volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume},
	}
}

func volumeOf(name string, change ...func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "disk", VolumeHandle: "handle-" + name}
	for _, c := range change {
		c(v)
	}
	return v
}

func reachedFrom(key, value string) func(*corev1.PersistentVolume) {
	return func(v *corev1.PersistentVolume) {
		v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}},
		}}}}
	}
}

func labeledVolume(key, value string) func(*corev1.PersistentVolume) {
	return func(v *corev1.PersistentVolume) { v.Labels[key] = value }
}

// limit says how many volumes can be attached to a node.
func limit(node string, count int32) *storagev1.CSINode {
	return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
		{Name: "other"}, {Name: "disk", Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To(count)}},
	}}}
}

func claims(names ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i, name := range names {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: fmt.Sprint("v", i), VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
			}})
		}
	}
}

// ephemeralVolume is a claim that is made and deleted with its pod.
func ephemeralVolume(p *corev1.Pod) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{
		Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{}},
	}})
}

func TestNodesHaveToReachVolumes(t *testing.T) {
	t.Parallel()
	a, web, data := aNode("a", inZoneOf("1")), aPod("web", "a", claims("data")), claimOf("data", "pv")
	same, other := aNode("b", inZoneOf("1")), aNode("b", inZoneOf("2"))
	out := noRoom("its volume out of reach on 1 node")
	beta := func(n *corev1.Node) { n.Labels = map[string]string{corev1.LabelFailureDomainBetaZone: "2"} }
	cases{
		"anywhere":                       {objects: objects{a, other, web, data, volumeOf("pv")}},
		"by affinity":                    {objects: objects{a, other, web, data, volumeOf("pv", reachedFrom(zone, "1"))}, want: out},
		"by affinity, in the zone":       {objects: objects{a, same, web, data, volumeOf("pv", reachedFrom(zone, "1"))}},
		"a local volume":                 {objects: objects{a, same, web, data, volumeOf("pv", reachedFrom(host, "a"))}, want: out},
		"by label":                       {objects: objects{a, other, web, data, volumeOf("pv", labeledVolume(zone, "1"))}, want: out},
		"by label, in the zone":          {objects: objects{a, same, web, data, volumeOf("pv", labeledVolume(zone, "1"))}},
		"by label, in one of the zones":  {objects: objects{a, other, web, data, volumeOf("pv", labeledVolume(zone, "1__2"))}},
		"by an old label":                {objects: objects{a, other, web, data, volumeOf("pv", labeledVolume(corev1.LabelFailureDomainBetaZone, "1"))}, want: out},
		"by an old label, in the zone":   {objects: objects{a, same, web, data, volumeOf("pv", labeledVolume(corev1.LabelFailureDomainBetaZone, "1"))}},
		"by a label that the node lacks": {objects: objects{a, aNode("b", beta), web, data, volumeOf("pv", labeledVolume(zone, "2"))}, want: out},
		"a node that is in no zone":      {objects: objects{a, aNode("b"), web, data, volumeOf("pv", labeledVolume(zone, "1"))}},
		"a claim that is not bound":      {objects: objects{a, other, web, claimOf("data", "")}},
		"a claim that is not there":      {objects: objects{a, other, web}},
		"an affinity that says nothing":  {objects: objects{a, other, web, data, volumeOf("pv", func(v *corev1.PersistentVolume) { v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{} })}},
		"the second of two":              {objects: objects{a, other, aPod("web", "a", claims("data", "more")), data, volumeOf("pv"), claimOf("more", "pv2"), volumeOf("pv2", reachedFrom(zone, "1"))}, want: out},
		"one that is made with the pod":  {objects: objects{a, other, aPod("web", "a", ephemeralVolume), claimOf("web-scratch", "pv"), volumeOf("pv", reachedFrom(zone, "1"))}},
	}.run(t)
}

func TestAttachmentsAreLimited(t *testing.T) {
	t.Parallel()
	a, b := aNode("a"), aNode("b", offers(corev1.ResourceCPU, "16"))
	web := aPod("web", "a", claims("data"))
	there := objects{a, b, claimOf("data", "pv"), volumeOf("pv"), claimOf("d2", "pv2"), volumeOf("pv2"), claimOf("d3", "pv3"), volumeOf("pv3"),
		claimOf("web-scratch", "pv4"), volumeOf("pv4"), claimOf("web-2-scratch", "pv5"), volumeOf("pv5")}
	with := func(more ...any) objects {
		all := append(objects{}, there...)
		for _, o := range more {
			switch o := o.(type) {
			case *corev1.Pod:
				all = append(all, o)
			case *storagev1.CSINode:
				all = append(all, o)
			}
		}
		return all
	}
	none := noRoom("no attachment left for its volumes on 1 node")
	cases{
		"enough":                      {objects: with(limit("b", 2), web, aPod("db", "b", claims("d2")))},
		"too many":                    {objects: with(limit("b", 1), web, aPod("db", "b", claims("d2"))), want: none},
		"no limit":                    {objects: with(web, aPod("db", "b", claims("d2")))},
		"one that is shared":          {objects: with(limit("b", 1), web, aPod("db", "b", claims("data")))},
		"two of one pod":              {objects: with(limit("b", 1), aPod("web", "a", claims("data", "d2"))), want: none},
		"two of two pods":             {objects: with(limit("b", 1), web, aPod("web-2", "a", claims("d2"))), want: "Pod apps/web-2 of node a would find no room: no attachment left for its volumes on 1 node."},
		"one that comes with the pod": {objects: with(limit("b", 1), aPod("web", "a", ephemeralVolume), aPod("db", "b", claims("d2"))), want: none},
		"there as well":               {objects: with(limit("b", 1), web, aPod("web-2", "b", ephemeralVolume)), want: none},
	}.run(t)
}

func TestVolumesThatGoAreForgotten(t *testing.T) {
	t.Parallel()
	c := clusterOf(t, claimOf("data", "pv"), volumeOf("pv"), limit("b", 1), space("x", "blue"))
	c.DeleteClaim("apps", "data")
	c.DeleteVolume("", "pv")
	c.DeleteLimits("", "b")
	c.DeleteNamespace("", "x")
	c.DeleteNode("", "unknown")
	if left := len(c.claims) + len(c.volumes) + len(c.limits) + len(c.namespaces) + len(c.nodes); left > 0 {
		t.Errorf("%d are left", left)
	}
	c.ReplaceClaims([]*Claim{NewClaim(claimOf("d1", "pv"))})
	c.ReplaceVolumes([]*Volume{NewVolume(volumeOf("v1"))})
	c.ReplaceLimits([]*Limits{NewLimits(limit("a", 1))})
	c.ReplaceNamespaces([]*Namespace{NewNamespace(space("y", "red"))})
	c.ReplaceClaims([]*Claim{NewClaim(claimOf("d2", "pv"))})
	c.ReplaceVolumes([]*Volume{NewVolume(volumeOf("v2"))})
	c.ReplaceLimits([]*Limits{NewLimits(limit("b", 1))})
	c.ReplaceNamespaces([]*Namespace{NewNamespace(space("z", "red"))})
	if len(c.claims) != 1 || c.claims[Named{"apps", "d2"}] == nil || len(c.volumes) != 1 || c.volumes["v2"] == nil ||
		len(c.limits) != 1 || c.limits["b"] == nil || len(c.namespaces) != 1 || c.namespaces["z"] == nil {
		t.Errorf("%+v", c)
	}
}
