package crd

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

var scheduleNumbers = map[string]number{
	"schedule.minRemainingSeconds": {min: 0, max: 86400, fallback: int64(600), also: scheduleFreezes},
	"schedule.maxDeferralSeconds":  {min: 60, max: 31536000},
}

// scheduleFreezes and scheduleWindows are what a field of a schedule has an effect with.
var (
	scheduleFreezes = map[string]any{"schedule": map[string]any{"freezes": []any{map[string]any{
		"name": "f", "from": "2026-12-19T00:00:00Z", "to": "2026-12-20T00:00:00Z",
	}}}}
	scheduleWindows = map[string]any{"schedule": map[string]any{"windows": []any{map[string]any{
		"cron": "0 3 * * *", "durationSeconds": int64(7200),
	}}}}
)

var scheduleChoices = map[string]choice{
	"schedule.atClose": {values: []string{"Abort", "Continue"}, fallback: "Abort", rule: "write Abort or Continue (Finish is now Continue)", also: scheduleWindows},
}

var scheduleSpecialFields = []string{"schedule.freezes", "schedule.timeZone", "schedule.windows"}

func init() {
	maps.Copy(policyNumbers, scheduleNumbers)
	maps.Copy(policyChoices, scheduleChoices)
}

func TestAScheduleIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		ianaName    = "timeZone is a name of the IANA time zone database, written as there: Europe/Berlin, America/New_York, UTC"
		writeName   = "write a name of the IANA time zone database, such as Europe/Berlin or UTC"
		oneOf       = "exactly one of the fields in [weekly monthly daily cron] must be set"
		overlaps    = "durationSeconds is longer than the time until the window opens again: write a shorter one"
		tooShort    = "a window is not longer than minRemainingSeconds (600 by default), so no node could ever start in it"
		timeOfDay   = `start is a time of day from "00:00" to "23:59", such as "22:00" or "03:30"`
		weekday     = "write a day of the week as Mon, Tue, Wed, Thu, Fri, Sat or Sun"
		forward     = "a range of cron runs forward: write FRI,SAT,SUN,MON instead of FRI-MON"
		fiveFields  = "cron has five fields with one space between them, such as '0 3 * * 1-5'"
		firstField  = "the first field of cron, the minute, is a number from 0 to 59, or several such as 0,30"
		cronTooLong = "a cron window is open for at most 604800 seconds (7 days)"
		endsEarly   = "the freeze ends before it begins, or at once: write a later to or an earlier from"
	)
	weekly := func(days, start string, duration int) string {
		return fmt.Sprintf(`windows: [{weekly: {days: [%s], start: %q}, durationSeconds: %d}]`, days, start, duration)
	}
	daily := func(days, from, through string) string {
		return fmt.Sprintf(`windows: [{daily: {days: [%s], from: %q, through: %q}}]`, days, from, through)
	}
	monthly := func(week, day string, duration int) string {
		return fmt.Sprintf(`windows: [{monthly: {week: %s, day: %s, start: "01:00"}, durationSeconds: %d}]`, week, day, duration)
	}
	cron := func(expression string, duration int) string {
		return fmt.Sprintf(`windows: [{cron: %q, durationSeconds: %d}]`, expression, duration)
	}
	const writtenLike = "from and to of a freeze are times in the years from 1 to 9999, written like 2026-12-20T00:00:00Z"
	freezes := func(list ...string) string { return `freezes: [` + strings.Join(list, ", ") + `]` }
	for name, test := range map[string]struct {
		schedule string
		want     []string
	}{
		"the example": {schedule: `timeZone: Europe/Berlin,
			windows: [{weekly: {days: [Sat, Sun], start: "22:00"}, durationSeconds: 14400},
			  {monthly: {week: Second, day: Sun, start: "01:00"}, durationSeconds: 14400}, {cron: "0 3 * * *", durationSeconds: 3600}],
			freezes: [{name: year-end, from: "2026-12-19T00:00:00+01:00", to: "2027-01-07T00:00:00+01:00"}],
			minRemainingSeconds: 600, atClose: Abort`},
		"no windows":      {schedule: `windows: []`},
		"empty window":    {`windows: [{durationSeconds: 3600}]`, []string{oneOf}},
		"window of two":   {`windows: [{cron: "0 3 * * *", monthly: {week: Last, day: Sun, start: "01:00"}, durationSeconds: 3600}]`, []string{oneOf}},
		"too many":        {`windows: [` + strings.Repeat(`{cron: "0 3 * * *", durationSeconds: 3600}, `, 33) + `]`, []string{"schedule.windows", "at most 32 items"}},
		"as many as may":  {schedule: `windows: [` + strings.Repeat(`{weekly: {days: [Sat, Sun], start: "22:00"}, durationSeconds: 3600}, `, 32) + `]`},
		"no duration":     {`windows: [{cron: "0 3 * * *"}]`, []string{"windows[0].durationSeconds", "Required value", "durationSeconds says how long the window stays open"}},
		"window of zero":  {cron("0 3 * * *", 0), []string{"windows[0].durationSeconds", "must be a number of seconds from "}},
		"beyond a month":  {monthly("Last", "Sun", 2419201), []string{"windows[0].durationSeconds", "must be a number of seconds from "}},
		"nearly a month":  {schedule: monthly("Last", "Sun", 2419200)},
		"unknown week":    {monthly("Fifth", "Sun", 3600), []string{"monthly.week", "write a week of the month as First, Second, Third, Fourth or Last"}},
		"unknown weekday": {monthly("First", "Sunday", 3600), []string{"monthly.day", weekday}},

		"a week":                       {schedule: weekly("Sat", "22:00", 604800)},
		"more than a week":             {weekly("Sat", "22:00", 604801), []string{"windows[0].durationSeconds", overlaps}},
		"every day":                    {schedule: weekly("Mon, Tue, Wed, Thu, Fri, Sat, Sun", "00:00", 86400)},
		"more than until the next day": {weekly("Sat, Sun", "22:00", 86401), []string{overlaps}},
		"until the next day in a week": {schedule: weekly("Sun, Wed", "22:00", 3*86400)},
		"over the end of a week":       {weekly("Mon, Sat", "22:00", 2*86400+1), []string{overlaps}},
		"no days":                      {weekly("", "22:00", 3600), []string{"weekly.days", "at least 1 items"}},
		"a day twice":                  {weekly("Sat, Sat", "22:00", 3600), []string{"weekly.days[1]", "Duplicate value"}},
		"a day in full":                {weekly("Saturday", "22:00", 3600), []string{"weekly.days[0]", weekday}},
		"kured's name of a day":        {weekly("mon", "22:00", 3600), []string{"weekly.days[0]", weekday}},
		"kured's short name of a day":  {weekly("Tue, mo", "22:00", 3600), []string{"weekly.days[1]", weekday}},
		"a day in full in small":       {weekly("monday", "22:00", 3600), []string{weekday}},
		"a word that is no day":        {weekly("workdaysoftheweek", "22:00", 3600), []string{"weekly.days[0]"}},
		"kured's time of day":          {weekly("Sat", "2am", 3600), []string{"weekly.start", timeOfDay}},
		"a time with seconds":          {weekly("Sat", "02:00:00", 3600), []string{timeOfDay}},
		"a time of four digits":        {weekly("Sat", "0200", 3600), []string{timeOfDay}},
		"no time of day":               {weekly("Sat", "", 3600), []string{timeOfDay}},
		"the end of a day":             {weekly("Sat", "24:00", 3600), []string{"weekly.start", timeOfDay}},
		"no minutes":                   {weekly("Sat", "22:60", 3600), []string{timeOfDay}},
		"hour of one digit":            {weekly("Sat", "9:00", 3600), []string{"weekly.start", timeOfDay}},

		"daily":                   {schedule: daily("Mon, Sun", "22:00", "06:00")},
		"daily with seconds":      {schedule: daily("Mon", "00:00:01", "23:59:59")},
		"daily for a second":      {schedule: daily("Mon", "03:00", "03:00") + ", minRemainingSeconds: 0"},
		"daily with a duration":   {`windows: [{daily: {days: [Mon], from: "22:00", through: "06:00"}, durationSeconds: 3600}]`, []string{"windows[0].durationSeconds", "a daily window closes after through"}},
		"daily without days":      {daily("", "22:00", "06:00"), []string{"daily.days", "at least 1 items"}},
		"daily on an unknown day": {daily("mo", "22:00", "06:00"), []string{"daily.days[0]", weekday}},
		"daily on a day twice":    {daily("Mon, Mon", "22:00", "06:00"), []string{"daily.days[1]", "Duplicate value"}},
		"daily from no time":      {daily("Mon", "2am", "06:00"), []string{"daily.from", "from is a time of day"}},
		"daily through no time":   {daily("Mon", "22:00", "24:00"), []string{"daily.through", `the end of the day is "23:59:59"`}},
		"daily and weekly":        {`windows: [{daily: {days: [Mon], from: "22:00", through: "06:00"}, weekly: {days: [Mon], start: "22:00"}}]`, []string{oneOf}},
		"daily without an end":    {`windows: [{daily: {days: [Mon], from: "22:00"}}]`, []string{"daily.through", "Required value"}},

		"cron with everything":  {schedule: cron("0,30 */6 1-7,15 JAN-mar,12 sun", 3600)},
		"cron of a week":        {schedule: cron("0 3 * * 6", 604800)},
		"cron beyond a week":    {cron("0 3 * * 6", 604801), []string{"windows[0].durationSeconds", cronTooLong}},
		"cron every minute":     {cron("* 3 * * *", 3600), []string{"windows[0].cron", firstField}},
		"cron every five":       {cron("*/5 3 * * *", 3600), []string{firstField}},
		"cron of four fields":   {cron("0 3 * *", 3600), []string{fiveFields}},
		"cron of six fields":    {cron("0 0 3 * * *", 3600), []string{fiveFields}},
		"cron by name":          {cron("@daily", 3600), []string{fiveFields}},
		"cron with a zone":      {cron("TZ=UTC 0 3 * * *", 3600), []string{firstField}},
		"cron at hour 24":       {cron("0 24 * * *", 3600), []string{fiveFields}},
		"cron at minute 60":     {cron("60 3 * * *", 3600), []string{firstField}},
		"cron on day 32":        {cron("0 3 32 * *", 3600), []string{fiveFields}},
		"cron in month 13":      {cron("0 3 1 13 *", 3600), []string{fiveFields}},
		"cron on weekday 7":     {cron("0 3 * * 7", 3600), []string{fiveFields}},
		"cron with an L":        {cron("0 3 L * *", 3600), []string{fiveFields}},
		"cron with a step of 0": {cron("0 */0 * * *", 3600), []string{fiveFields}},
		"cron over a weekend":   {cron("0 3 * * FRI-MON", 3600), []string{"windows[0].cron", forward}},
		"cron up to Sunday":     {cron("0 3 * * fri-sun", 3600), []string{forward}},
		"cron by day numbers":   {cron("0 3 * * 1,5-1/2", 3600), []string{forward}},
		"cron over midnight":    {cron("0 22-2 * * *", 3600), []string{forward}},
		"cron over a new month": {cron("0 3 30-1 * *", 3600), []string{forward}},
		"cron over a new year":  {cron("0 3 * NOV-FEB *", 3600), []string{forward}},
		"cron that is forward":  {schedule: cron("0 2-22,0-1 1-31 JAN-12/3 SUN-SAT,1-6/2,fri-6", 3600)},
		"cron with a day twice": {schedule: cron("0 3 * * FRI-FRI", 3600)},
		"cron on two lines":     {cron("0 3 * * *\n", 3600), []string{fiveFields}},
		"too long a cron":       {cron("0 "+strings.Repeat("1,", 50)+"1 * * *", 3600), []string{"may not be more than 100"}},

		"window as short as the least":    {cron("0 3 * * *", 600), []string{"spec.schedule.windows", tooShort}},
		"window longer than the least":    {schedule: cron("0 3 * * *", 601)},
		"short window with a short least": {schedule: cron("0 3 * * *", 60) + `, minRemainingSeconds: 0`},
		"least as long as the window":     {cron("0 3 * * *", 3600) + `, minRemainingSeconds: 3600`, []string{tooShort}},

		"another zone":          {schedule: `timeZone: America/Argentina/Buenos_Aires`},
		"zone with numbers":     {schedule: `timeZone: Etc/GMT+12`},
		"unknown zone":          {`timeZone: Europe/Berln`, []string{"schedule.timeZone", "unknown time zone Europe/Berln", writeName}},
		"zone of the machine":   {`timeZone: Local`, []string{"schedule.timeZone", ianaName}},
		"offset":                {`timeZone: "+02:00"`, []string{ianaName}},
		"offset without a sign": {`timeZone: "02:00"`, []string{ianaName}},
		"abbreviation":          {`timeZone: CEDT`, []string{"unknown time zone CEDT", writeName}},
		"empty zone":            {`timeZone: ""`, []string{"schedule.timeZone", "at least 1 chars long"}},
		"path":                  {`timeZone: ../../etc/passwd`, []string{ianaName}},

		"freeze in UTC":             {schedule: freezes(`{name: a, from: "2026-12-19T00:00:00Z", to: "2026-12-19T00:00:01Z"}`)},
		"freeze that ends early":    {freezes(`{name: a, from: "2026-12-19T00:00:00Z", to: "2026-12-18T00:00:00Z"}`), []string{"freezes[0].to", endsEarly}},
		"freeze of no time":         {freezes(`{name: a, from: "2026-12-19T00:00:00Z", to: "2026-12-19T01:00:00+01:00"}`), []string{endsEarly}},
		"freeze by dates":           {freezes(`{name: a, from: "2026-12-19", to: "2026-12-20"}`), []string{"freezes[0].from", "date-time"}},
		"freeze in lower case":      {freezes(`{name: a, from: "2026-12-19t00:00:00z", to: "2026-12-20T00:00:00Z"}`), []string{"freezes[0]", writtenLike}},
		"freeze of year 0":          {freezes(`{name: a, from: "0000-12-19T00:00:00Z", to: "2026-12-20T00:00:00Z"}`), []string{"freezes[0]", writtenLike}},
		"freeze until year 10000":   {freezes(`{name: a, from: "2026-12-19T00:00:00Z", to: "9999-12-31T23:59:59-01:00"}`), []string{"freezes[0]", writtenLike}},
		"freeze without an end":     {freezes(`{name: a, from: "2026-12-19T00:00:00Z"}`), []string{"freezes[0].to", "Required value"}},
		"freeze without a name":     {freezes(`{name: "", from: "2026-12-19T00:00:00Z", to: "2027-12-19T00:00:00Z"}`), []string{"freezes[0].name", "at least 1 chars long"}},
		"two freezes of a name":     {freezes(`{name: a, from: "2026-12-19T00:00:00Z", to: "2027-12-19T00:00:00Z"}`, `{name: a, from: "2028-12-19T00:00:00Z", to: "2029-12-19T00:00:00Z"}`), []string{"freezes[1]", "Duplicate value"}},
		"too long a name of freeze": {freezes(`{name: ` + long(64) + `, from: "2026-12-19T00:00:00Z", to: "2027-12-19T00:00:00Z"}`), []string{"may not be more than 63"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, tryCreate(t, policy(t, "schedule", `{nodes: All, schedule: {`+test.schedule+`}}`)), test.want)
		})
	}
}
