package window

import (
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestTheLengthOfAWindowIsHowLongItIsOpenAtATime(t *testing.T) {
	t.Parallel()
	daily := func(from, through string, days ...v1alpha1.Weekday) v1alpha1.ScheduleWindow {
		return v1alpha1.ScheduleWindow{Daily: &v1alpha1.DailyWindow{Days: days, From: from, Through: through}}
	}
	for name, test := range map[string]struct {
		window v1alpha1.ScheduleWindow
		want   time.Duration
	}{
		"a duration":            {v1alpha1.ScheduleWindow{Cron: "0 3 * * *", DurationSeconds: 60}, time.Minute},
		"within a day":          {daily("01:00", "02:59:59", v1alpha1.Monday), 2 * time.Hour},
		"a second":              {daily("03:00", "03:00", v1alpha1.Monday), time.Second},
		"the evening of a day":  {daily("20:00", "02:59:59", v1alpha1.Monday), 4 * time.Hour},
		"the morning of a day":  {daily("22:00", "05:59:59", v1alpha1.Monday), 6 * time.Hour},
		"a night":               {daily("22:00", "05:59:59", v1alpha1.Sunday, v1alpha1.Monday), 8 * time.Hour},
		"a night over the week": {daily("22:00", "05:59:59", v1alpha1.Saturday, v1alpha1.Sunday), 8 * time.Hour},
		"no time":               {daily("22", "05:59:59", v1alpha1.Saturday), 0},
	} {
		if got := Length(&test.window); got != test.want {
			t.Errorf("%s: %s, and not %s", name, got, test.want)
		}
	}
}
