#!/usr/bin/env bash
# Runs a command with Go's own settings, so that what it builds is the same whatever the environment, `go env -w` or a go.work says.
# Where modules come from, where they are kept, and the toolchain stay as they are: none of these changes what is built.
set -euo pipefail
keep=(GOPROXY GOSUMDB GOPRIVATE GONOPROXY GONOSUMDB GOINSECURE GOAUTH GOVCS GOMODCACHE GOCACHE)
values=$(go env "${keep[@]}")
mapfile -t values <<<"$values"
for i in "${!keep[@]}"; do export "${keep[i]}=${values[i]}"; done
export GOENV=off GOWORK=off GOFLAGS="" GOEXPERIMENT="" GODEBUG="" GOAMD64=v1 GOARM64=v8.0 GOFIPS140=off
exec "$@"
