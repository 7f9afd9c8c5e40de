package helper

import (
	"context"
	"time"
)

const (
	// rightsPause is the pause before the helper looks again for a right that it lacks, which doubles up to maxRightsPause. After one that it
	// had was refused it looks at once, but no more often.
	rightsPause    = 15 * time.Second
	maxRightsPause = 2 * time.Minute
)

// rightsAPI finds out whether the helper may drain its node.
type rightsAPI interface {
	// Find looks for an identity that may, and returns why there is none.
	Find(ctx context.Context) (obstacle string, err error)
	// Check is Find with one request, if nothing has changed.
	Check(ctx context.Context) (obstacle string)
	// Refused has a value when the API server refused something for want of a right.
	Refused() <-chan struct{}
}

// askRights finds out, alongside the passes, whether the helper may drain its node: at the start, after a right was refused, and repeatedly
// while one is missing. It sends each obstacle that it finds.
func (a *agent) askRights(ctx context.Context) <-chan string {
	obstacles := make(chan string)
	a.background.Go(func() {
		pause := rightsPause
		for ctx.Err() == nil {
			obstacle, err := a.rights.Find(ctx)
			if err != nil {
				a.Log.Info("It is not known whether the helper may evict", "pause", pause, "reason", err.Error())
			} else {
				if obstacle != "" {
					a.Log.Info("The helper may not evict", "pause", pause, "reason", obstacle)
				}
				send(ctx, obstacles, obstacle)
			}
			asked := a.Clock.Now()
			if err == nil && obstacle == "" {
				pause = rightsPause
				receive(ctx, a.rights.Refused())
			}
			receive(ctx, a.Clock.After(asked.Add(pause).Sub(a.Clock.Now())))
			if obstacle != "" || err != nil {
				pause = min(2*pause, maxRightsPause)
			}
		}
	})
	return obstacles
}

func send[T any](ctx context.Context, to chan<- T, value T) {
	select {
	case <-ctx.Done():
	case to <- value:
	}
}

func receive[T any](ctx context.Context, from <-chan T) {
	select {
	case <-ctx.Done():
	case <-from:
	}
}

const (
	// rightsGrace is how long a drain that is to begin waits for a right that is away. It may be back in a moment: before Kubernetes 1.36
	// evictions depend on the manager's webhook, and the manager may be starting.
	rightsGrace = time.Minute
	// rightsMargin is how long before its deadline a drain that waits for a right fails, so that the manager reads why.
	rightsMargin = 5 * time.Second
	// graceDelay is the first pause between two looks, which doubles up to maxGraceDelay.
	graceDelay    = time.Second
	maxGraceDelay = 10 * time.Second
)

// awaitRights waits until the helper may drain its node; when it has waited long enough, it returns why the helper still may not. The
// obstacle is published in the meantime.
func (a *agent) awaitRights(ctx context.Context, deadline time.Time, publish func(obstacle string)) (obstacle string) {
	until, delay := a.Clock.Now().Add(rightsGrace), graceDelay
	if early := deadline.Add(-rightsMargin); early.Before(until) {
		until = early
	}
	for {
		obstacle = a.rights.Check(ctx)
		left := until.Sub(a.Clock.Now())
		if obstacle == "" || ctx.Err() != nil || left <= 0 {
			return obstacle
		}
		publish(obstacle)
		receive(ctx, a.Clock.After(min(delay, left)))
		delay = min(2*delay, maxGraceDelay)
	}
}
