module github.com/reboot-operator/reboot-operator/hack/dashboards

go 1.26.0

toolchain go1.27.4

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
