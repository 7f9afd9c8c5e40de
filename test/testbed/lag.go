package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
)

// lagInterval is how often the lag is measured.
const lagInterval = 100 * time.Millisecond

// Lag is how long it takes from a write until a watch shows it, which the operator cannot influence. The busier the machine, the longer
// that takes, and everything that the operator does consists of such steps. Promises about its speed come on top.
type Lag struct {
	clock  clock.WithTicker
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	worst   time.Duration
	sum     time.Duration
	count   int
	written time.Time // of a write that was not seen yet
	err     error
}

// MeasureLag measures until Stop.
func (c *Cluster) MeasureLag(ctx context.Context) (*Lag, error) {
	configMaps := c.kubernetes.CoreV1().ConfigMaps(metav1.NamespaceDefault)
	probe, err := configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "lag-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create what the lag is measured by: %w", err)
	}
	background, cancel := context.WithCancel(c.background)
	l := &Lag{clock: c.clock, cancel: cancel}
	l.ended.Go(func() {
		err := l.measure(background, c.kubernetes, probe)
		if background.Err() == nil {
			l.fail(err)
		}
		_ = configMaps.Delete(context.WithoutCancel(background), probe.Name, metav1.DeleteOptions{}) // it goes with the cluster at last
	})
	return l, nil
}

// Stop ends the measurement. An error means that there was none.
func (l *Lag) Stop() error {
	l.cancel()
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.written.IsZero() {
		l.worst, l.written = max(l.worst, l.clock.Since(l.written)), time.Time{}
	}
	return l.err
}

// On is the limit of something that is made of so many steps, one after another, on this machine at this time.
func (l *Lag) On(limit time.Duration, steps int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	worst := l.worst
	if !l.written.IsZero() {
		worst = max(worst, l.clock.Since(l.written))
	}
	return limit + time.Duration(steps)*worst
}

// OnAverage is On for something that has many steps, which are not all as slow as the slowest.
func (l *Lag) OnAverage(limit time.Duration, steps int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return limit + time.Duration(steps)*l.sum/time.Duration(max(l.count, 1))
}

func (l *Lag) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *Lag) measure(ctx context.Context, client kubernetes.Interface, probe *corev1.ConfigMap) error {
	configMaps := client.CoreV1().ConfigMaps(probe.Namespace)
	events, err := configMaps.Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + probe.Name, ResourceVersion: probe.ResourceVersion,
	})
	if err != nil {
		return fmt.Errorf("watch what the lag is measured by: %w", err)
	}
	defer events.Stop()
	ticker := l.clock.NewTicker(lagInterval)
	defer ticker.Stop()
	for round := 1; ; round++ {
		if err := l.once(ctx, configMaps, events, probe.Name, fmt.Sprint(round)); err != nil {
			return err
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once writes, and waits until that is seen.
func (l *Lag) once(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, events watch.Interface, name, round string) error {
	began := l.clock.Now()
	l.mu.Lock()
	l.written = began
	l.mu.Unlock()
	patch := []byte(`{"data":{"round":"` + round + `"}}`)
	if _, err := configMaps.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("write what the lag is measured by: %w", err)
	}
	for {
		select {
		case event, more := <-events.ResultChan():
			probe, ok := event.Object.(*corev1.ConfigMap)
			switch {
			case !more:
				return errors.New("the watch that the lag is measured by has ended")
			case ok && probe.Data["round"] == round:
				l.add(l.clock.Since(began))
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Lag) add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worst, l.sum, l.count, l.written = max(l.worst, took), l.sum+took, l.count+1, time.Time{}
}
