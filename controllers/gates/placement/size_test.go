package placement

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

const (
	nodesOfLarge = 5000
	podsPerNode  = 20
	workloads    = 2000
)

// largeNode is like those of a cloud, in one of three zones.
func largeNode(i int) *corev1.Node {
	n := aNode(fmt.Sprintf("node-%05d", i), inZoneOf(fmt.Sprint("zone-", i%3)),
		offers(corev1.ResourceCPU, "16"), offers(corev1.ResourceMemory, "64Gi"), offers(corev1.ResourcePods, "110"))
	for j := range 20 {
		n.Labels[fmt.Sprintf("example.com/label-%d", j)] = fmt.Sprint(j % 4)
	}
	return n
}

// largePod is a pod of a workload. One in ten belongs to a StatefulSet, with its own labels and claim; one in four is spread over zones,
// and one in ten has anti-affinity to its own kind.
func largePod(node, j int) *corev1.Pod {
	number := node*podsPerNode + j
	workload := number % workloads
	name := fmt.Sprintf("workload-%04d", workload)
	p := aPod(fmt.Sprintf("%s-7f9c8d6b5-%05x", name, number), fmt.Sprintf("node-%05d", node), asks("500m", "1Gi"))
	p.Namespace = fmt.Sprintf("team-%02d", workload%40)
	p.Labels = map[string]string{
		"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7f9c8d6b5",
	}
	p.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": strings.Repeat("x", 100)}
	p.Spec.Tolerations = []corev1.Toleration{
		{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	}
	own := &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": name}}
	switch {
	case workload%10 == 0:
		p.Labels["statefulset.kubernetes.io/pod-name"], p.Labels["apps.kubernetes.io/pod-index"] = p.Name, fmt.Sprint(number/workloads)
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + p.Name},
		}}}
	case workload%10 == 1:
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: host, LabelSelector: own}},
		}}
	case workload%4 == 0:
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			TopologyKey: zone, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: own,
		}}
	}
	return p
}

// largeCluster has 5,000 nodes and 100,000 pods.
func largeCluster() *Cluster {
	c := NewCluster()
	for i := range nodesOfLarge {
		c.SetNode(NewNode(largeNode(i)))
		for j := range podsPerNode {
			p := largePod(i, j)
			c.SetPod(NewPod(p, nil))
			if len(p.Spec.Volumes) == 0 {
				continue
			}
			volume := "pvc-" + p.Name
			claim := claimOf("data-"+p.Name, volume)
			claim.Namespace = p.Namespace
			c.SetClaim(NewClaim(claim))
			c.SetVolume(NewVolume(largeVolume(volume, i)))
		}
	}
	return c
}

// large is one for all that leave it as it is.
var large = sync.OnceValue(largeCluster)

func largeVolume(name string, node int) *corev1.PersistentVolume {
	v := volumeOf(name, reachedFrom(zone, fmt.Sprint("zone-", node%3)))
	v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "disk.csi.example.com", VolumeHandle: "/subscriptions/disks/" + name}
	return v
}

func heap() uint64 {
	for range 5 { // Texts that nothing holds anymore go in several steps.
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 60 MB for 100,000 pods with their nodes and volumes is what the manager has for them.
func TestALargeClusterTakesFewBytesPerPod(t *testing.T) {
	const most = 500
	before := heap()
	c := largeCluster()
	perPod := float64(heap()-before) / float64(len(c.pods))
	t.Logf("%.0f bytes per pod, %.1f MB for %d pods on %d nodes with %d volumes", perPod, perPod*float64(len(c.pods))/1e6,
		len(c.pods), len(c.nodes), len(c.volumes))
	if perPod > most {
		t.Errorf("a pod takes %.0f bytes with its share of nodes and volumes, want at most %d", perPod, most)
	}
	before = heap()
	room := c.Room(nil)
	for _, n := range c.known()[:50] {
		room.Lack(n.name, selectors.AllPods())
	}
	if took := int64(heap()) - int64(before); took > 8<<20 {
		t.Errorf("a question about 50 nodes holds %d bytes", took)
	}
	runtime.KeepAlive(room)
	runtime.KeepAlive(c)
}

// Anyone who may create pods writes nearly all of them.
func TestOnePodTakesABoundedNumberOfBytes(t *testing.T) {
	const pods, most = 200, 16 << 10
	before := heap()
	c := NewCluster()
	for i := range pods {
		p := aPod(fmt.Sprint("p", i), "a")
		for j := range 500 {
			text := fmt.Sprintf("%s-%d-%d", strings.Repeat("x", 40), i, j)
			p.Labels[text] = text
			p.Annotations = map[string]string{text: strings.Repeat(text, 100)}
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: text})
			p.Spec.Containers[0].Resources.Requests[corev1.ResourceName("example.com/"+text)] = resource.MustParse("1")
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: text},
			}})
		}
		c.SetPod(NewPod(p, nil))
	}
	perPod := int(heap()-before) / pods
	t.Logf("%d bytes", perPod)
	if perPod > most {
		t.Errorf("a pod takes %d bytes, want at most %d", perPod, most)
	}
	runtime.KeepAlive(c)
}

// A full cluster of the same size: what waits is placed nowhere, and no node may go.
func fullCluster() *Cluster {
	c := NewCluster()
	for i := range nodesOfLarge {
		n := largeNode(i)
		n.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("10")
		c.SetNode(NewNode(n))
		for j := range podsPerNode {
			c.SetPod(NewPod(largePod(i, j), nil))
		}
	}
	for i := range 50 {
		p := largePod(0, i)
		p.Name, p.Spec.NodeName = fmt.Sprint("waiting-", i), ""
		c.SetPod(NewPod(p, nil))
	}
	return c
}

func names(c *Cluster, n int) []string {
	var all []string
	for _, n := range c.known()[:n] {
		all = append(all, n.name)
	}
	return all
}

// BenchmarkOneNode is a question about one node after one pod has changed.
func BenchmarkOneNode(b *testing.B) {
	c := large()
	changed := NewPod(largePod(1, 1), nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c.DeletePod(changed.kind.Value().namespace.Value(), changed.name)
		c.SetPod(changed)
		if lack := c.Room([]string{"node-00007"}).Lack(fmt.Sprintf("node-%05d", i%nodesOfLarge), selectors.AllPods()); lack != "" {
			b.Fatal(lack)
		}
		i++
	}
}

// BenchmarkFullCluster is a question about all nodes, none of which may go.
func BenchmarkFullCluster(b *testing.B) {
	c := fullCluster()
	all := names(c, nodesOfLarge)
	b.ReportAllocs()
	for b.Loop() {
		r := c.Room(nil)
		for _, name := range all {
			if r.Lack(name, selectors.AllPods()) == "" {
				b.Fatal("there is room")
			}
		}
	}
}

// BenchmarkPodEvent measures the cost of a change of a pod, without decoding it.
func BenchmarkPodEvent(b *testing.B) {
	c := large()
	p := largePod(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		c.SetPod(NewPod(p, nil))
	}
}

// processorTime that this process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// 100 ms are allowed for an answer about one of 5,000 nodes; this is a bound for busy machines.
func TestAnAnswerAboutOneNodeIsCheap(t *testing.T) {
	const mostAllocations, most = 2500, 50 * time.Millisecond
	c := large()
	question := func() {
		if lack := c.Room([]string{"node-00007"}).Lack("node-00042", selectors.AllPods()); lack != "" {
			t.Fatal(lack)
		}
	}
	question()
	if allocations := testing.AllocsPerRun(5, question); allocations > mostAllocations {
		t.Errorf("%.0f allocations, want at most %d", allocations, mostAllocations)
	}
	least := time.Hour
	for range 10 {
		began := processorTime(t)
		question()
		least = min(least, processorTime(t)-began)
	}
	t.Logf("%s of processor time", least)
	if least > most {
		t.Errorf("the cheapest of 10 answers took %s of processor time, want at most %s", least, most)
	}
}

// What one asks about all nodes of a full cluster, none of which may go, grows with their number and not with its square.
func TestAFullClusterIsAnsweredInOneGo(t *testing.T) {
	const most = 2 * time.Second
	c := fullCluster()
	all := names(c, nodesOfLarge)
	began := processorTime(t)
	r := c.Room(nil)
	for _, name := range all {
		if r.Lack(name, selectors.AllPods()) == "" {
			t.Fatal("there is room")
		}
	}
	took := processorTime(t) - began
	t.Logf("%s of processor time for %d nodes", took, len(all))
	if took > most {
		t.Errorf("it took %s of processor time, want at most %s", took, most)
	}
}
