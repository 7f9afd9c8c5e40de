package crd

import (
	"encoding/json"
	"fmt"
	"testing"
)

// shares are fields that hold a number of nodes or a percentage.
var shares = map[string]struct {
	min int64
	// least and most are the least and the most percent.
	least, most int
	hint        string
}{
	"rollout.zones.maxUnavailablePerZone": {0, 0, 100, `maxUnavailablePerZone is a number of nodes from 0 to 15000, such as 1, or a percentage from "0%" to "100%", such as "10%"`},
	"rollout.canary.count":                {1, 1, 99, `count is a number of nodes from 1 to 15000, such as 1, or a percentage from "1%" to "99%", such as "10%"`},
	"failure.maxFailures":                 {1, 1, 100, `maxFailures is a number of nodes from 1 to 15000, such as 1, or a percentage from "1%" to "100%", such as "10%"`},
	"failure.maxConsecutiveFailures": {
		0, 1, 100, `maxConsecutiveFailures is a number of nodes from 0 to 15000, such as 3, where 0 means no limit, ` +
			`or a percentage from "1%" to "100%", such as "10%"`,
	},
}

func TestNumbersOfNodesMayBePercentages(t *testing.T) {
	for path, share := range shares {
		t.Run(path, func(t *testing.T) {
			try := func(value any, want ...string) {
				t.Helper()
				text, err := json.Marshal(nested(path, value))
				if err != nil {
					t.Fatal(err)
				}
				object := withSpec(policy(t, "shares", "{nodes: All}"), object(t, string(text)).Object)
				checkAnswer(t, tryCreate(t, object), want)
			}
			for _, good := range []any{share.min, int64(15000), fmt.Sprintf("%d%%", share.least), "9%", "10%", fmt.Sprintf("%d%%", share.most)} {
				try(good)
			}
			bad := []any{
				share.min - 1, int64(15001), int64(4294967297), fmt.Sprintf("%d%%", share.least-1),
				fmt.Sprintf("%d%%", share.most+1), "010%", "0.5%", "10", "", "10%\n", "ten",
			}
			for _, value := range bad {
				try(value, "spec."+path, share.hint)
			}
			try(0.5, "spec."+path, "must be of type integer,string")
		})
	}
}
