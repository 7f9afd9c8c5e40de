package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const (
	full, half, third = 24, 12, 8
	tall, low         = 9, 4
)

// query is a PromQL expression, with what its series are called.
type query struct{ expr, legend string }

var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("$datasource")}

// about names a panel, and says what it shows.
type about struct{ title, description string }

// number is one number as it is now. From alarming on it is red; 0 means never.
func number(a about, expr, unit string, alarming float64) *stat.PanelBuilder {
	steps := []dashboard.Threshold{{Value: nil, Color: "green"}}
	if alarming > 0 {
		steps = append(steps, dashboard.Threshold{Value: &alarming, Color: "red"})
	}
	return stat.NewPanelBuilder().Title(a.title).Description(a.description).Span(4).Height(low).Unit(unit).Datasource(source).
		ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeArea).Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)).
		WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).Expr(expr).RefId("A").Range())
}

// lines are series over time.
func lines(a about, width uint32, unit string, queries ...query) *timeseries.PanelBuilder {
	panel := timeseries.NewPanelBuilder().Title(a.title).Description(a.description).Span(width).Height(tall).Unit(unit).Min(0).
		Datasource(source).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).
			ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, q := range queries {
		panel.WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).Expr(q.expr).LegendFormat(q.legend).
			RefId(string(rune('A' + i))).Range())
	}
	return panel
}

// stacked are series over time that add up.
func stacked(a about, width uint32, queries ...query) *timeseries.PanelBuilder {
	return lines(a, width, "short", queries...).FillOpacity(60).LineInterpolation(common.LineInterpolationStepAfter).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// rows are labels and values as they are now.
func rows(a about, width uint32, q query) *table.PanelBuilder {
	hidden := map[string]any{"excludeByName": map[string]any{
		"Time": true, "__name__": true, "container": true, "endpoint": true, "instance": true, "job": true, "namespace": true, "pod": true,
		"service": true,
	}, "renameByName": map[string]any{"Value": q.legend}}
	return table.NewPanelBuilder().Title(a.title).Description(a.description).Span(width).Height(tall).Datasource(source).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: hidden}).
		WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).Expr(q.expr).Format(prometheus.PromQueryFormatTable).RefId("A").Instant())
}

// spread is how a histogram is spread over time.
func spread(a about, width uint32, metric string) *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().Title(a.title).Description(a.description).Span(width).Height(tall).Datasource(source).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit("s")).
		WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).
			Expr("sum by (le) (increase(" + metric + `_bucket{policy=~"$policy"}[$__rate_interval]))`).
			Format(prometheus.PromQueryFormatHeatmap).LegendFormat("{{le}}").RefId("A").Range())
}

// page is a dashboard with the variables that all have.
func page(name, title, description string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).Uid("reboot-operator-"+name).Description(description).
		Tags([]string{"reboot-operator"}).Timezone("browser").Time("now-24h", "now").Refresh("1m").Readonly().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("reboot-operator").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"reboot-operator"}).AsDropdown(true).KeepTime(true).IncludeVars(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("policy").Label("Policy").Datasource(source).
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(reboot_operator_policy_nodes, policy)")}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).AllValue(".*"))
}
