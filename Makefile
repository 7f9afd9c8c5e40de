# Everything that is done with this repository. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Go itself is pinned in go.mod. An older or newer Go that is installed downloads that one from the module proxy, even where the environment says
# GOTOOLCHAIN=local, so that programs, digests of images, and results of tests do not depend on the machine.
export GOTOOLCHAIN := $(shell awk '$$1 == "toolchain" {print $$2}' go.mod)
ifeq ($(GOTOOLCHAIN),)
$(error go.mod has no line that begins with toolchain)
endif

# The image that is built and deployed, and the platform that `make build` builds for (amd64, arm64).
IMG ?= reboot-operator:latest
# Where releases are: the image that config/default names, and the folder of the chart.
RELEASE_IMAGE := ghcr.io/reboot-operator/reboot-operator
RELEASE_CHARTS := ghcr.io/reboot-operator/charts
# The namespace that it is deployed into.
DEFAULT_NAMESPACE := reboot-operator-system
NAMESPACE ?= $(DEFAULT_NAMESPACE)
GOOS := linux
GOARCH ?= $(shell GOTOOLCHAIN=$(GOTOOLCHAIN) go env GOARCH)
# They are for what is built only: tools that run here, such as that for bills of materials, are for this machine.
unexport GOOS GOARCH
# Where programs are built.
BIN ?= bin/linux-$(GOARCH)
# The programs that are in the image.
PROGRAMS := manager helper rebooter
# Without this tag grpc, which comes with the authentication of metrics, keeps the linker from leaving out what nobody calls: 20 MB.
TAGS := grpcnotrace
# What is built in has to depend on the commit only, so that everybody who builds it gets the same bytes.
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
REVISION ?= $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
KUBECTL ?= kubectl
CONTAINER_TOOL ?= $(firstword $(notdir $(shell command -v buildah docker podman)))

# Tools are pinned in go.mod files of their own and built by Go when they are first used.
CONTROLLER_GEN := go tool -modfile=hack/tools/go.mod controller-gen
KUSTOMIZE := go tool -modfile=hack/tools/go.mod kustomize
# golangci-lint with the linter for Kubernetes APIs in it.
GOLANGCI_LINT := go tool -modfile=hack/tools/lint/go.mod golangci-lint-kube-api-linter
# Checks workflows of GitHub Actions.
ACTIONLINT := go tool -modfile=hack/tools/workflows/go.mod actionlint
# Writes the README of the chart from the comments of its values.
HELM_DOCS := go tool -modfile=hack/tools/helm/go.mod helm-docs
# Writes a bill of materials of a program.
CYCLONEDX := go tool -modfile=hack/tools/security/go.mod cyclonedx-gomod

MODULES := . hack/dashboards hack/tools hack/tools/helm hack/tools/lint hack/tools/security hack/tools/workflows test/browser test/chart test/testbed/components
GENERATED := api/v1alpha1/zz_generated.deepcopy.go charts config/crd/bases config/rbac/role.yaml config/components/dashboards docs/reason-messages.md docs/reference docs/why.md internal/plugin/why/testdata

# Results are not cached (-count=1): Go does not see which manifests kubectl read.
# The programs of the control plane that tests run on: a folder named by KUBEBUILDER_ASSETS, or built once, which takes minutes.
WITH_ASSETS = assets=$$(go run ./hack/assets) && KUBEBUILDER_ASSETS=$$assets

# The Kubernetes that tests run on; empty is the default version, that of go.mod. One module file each.
export KUBERNETES_VERSION ?=
COMPONENTS := test/testbed/components
OTHER_VERSIONS := $(patsubst $(COMPONENTS)/kubernetes-%.mod,%,$(wildcard $(COMPONENTS)/kubernetes-*.mod))
DEFAULT_VERSION := $(shell awk '$$1 == "k8s.io/kubernetes" {print substr($$2, 2)}' $(COMPONENTS)/go.mod)
# Those for which modules are made that the module proxy does not serve. Without them, `go mod tidy` cannot know.
PREPARED_VERSIONS := $(patsubst $(COMPONENTS)/kubernetes-%.prepare,%,$(wildcard $(COMPONENTS)/kubernetes-*.prepare))
TIDY_VERSIONS := $(filter-out $(PREPARED_VERSIONS),$(OTHER_VERSIONS))

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make \033[36m<target>\033[0m [VARIABLE=value]\n"} \
		/^[a-z0-9-]+:.*##/ {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin dist coverage.out

##@ Develop

.PHONY: generate
generate: dashboards ## Generate Go code from the API types, the pages of reasons from the planner's stories, and dashboards.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	go test -count=1 -run 'TestEveryReasonOfTheAPIIsProduced|TestTheEndsOfAllStories' ./controllers/plan -update
	go test -count=1 -run TestEveryReasonIsExplained ./internal/plugin/why -update

.PHONY: dashboards
dashboards: ## Generate the dashboards for Grafana.
	cd hack/dashboards && go run .

.PHONY: manifests
manifests: ## Generate CRDs and the manager's roles from markers, and docs/reference from the CRDs.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=reboot-operator-manager paths=./controllers output:rbac:dir=config/rbac
	go run ./hack/apiref

.PHONY: chart
chart: manifests dashboards ## Generate the Helm chart's templates from config/, its kinds, its schema and its README.
	go run ./hack/chart
	$(HELM_DOCS) --chart-search-root=charts --template-files=README.md.gotmpl --sort-values-order=file --skip-version-footer

.PHONY: fmt
fmt: ## Format Go code and sort imports.
	$(GOLANGCI_LINT) fmt

.PHONY: vet
vet: ## Run go vet.
	go vet ./...

.PHONY: lint
lint: lint-api ## Lint everything, the API's conventions included.
	$(GOLANGCI_LINT) run
	for module in test/browser test/chart; do (cd $$module && go tool -modfile=../../hack/tools/lint/go.mod golangci-lint-kube-api-linter run ./...) || exit; done
	go run ./hack/words

.PHONY: lint-api
lint-api: ## Lint api/ by the conventions of Kubernetes APIs.
	$(GOLANGCI_LINT) run --config .golangci-kal.yml ./api/...

# What the rules of this project say besides is a test: TestWorkflows... in test/release.
.PHONY: lint-workflows
lint-workflows: ## Lint the workflows of GitHub Actions.
	$(ACTIONLINT) -shellcheck= -pyflakes=

.PHONY: tidy
tidy: ## Tidy the go.mod of every module.
	for module in $(MODULES); do (cd $$module && go mod tidy); done
	for version in $(TIDY_VERSIONS); do (cd $(COMPONENTS) && go mod tidy -modfile=kubernetes-$$version.mod); done

.PHONY: release-samples
release-samples: ## Keep the samples of a release, so that tests apply them to all later CRDs (TAG=v0.2.0).
	@[[ "$(TAG)" =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || { echo "TAG= is missing, or no version such as v0.2.0" >&2; exit 1; }
	mkdir -p test/crd/testdata/releases/$(TAG)
	cp $(filter-out %/kustomization.yaml,$(wildcard config/samples/*.yaml)) test/crd/testdata/releases/$(TAG)/

##@ Test

# go test, with a summary at the end that says which tests were skipped, and why. With SUMMARY that is added to a file instead.
# What a test waits for has a limit of its own; that of go test, 10 minutes, is too little for simulations on a busy machine.
GO_TEST := go run ./hack/gotest -summary="$(SUMMARY)" -- -timeout 40m

# Much of their time tests wait for a control plane, so that two parts run at once (TEST_JOBS=1 runs one after the other).
TEST_JOBS ?= 2
TESTS := test-unit test-docs test-chart test-envtest test-browser test-e2e
# Targets of this section that test nothing. What is neither here nor run by test is said at the end of it.
NO_TESTS := bench-baseline bench-page cluster demo screenshots

.PHONY: test
test: ## Run all tests, and say at the end which failed, which were skipped, and what else there is to run.
	@summary=$$(mktemp); trap 'rm -f "$$summary"' EXIT; status=0; \
	$(MAKE) --keep-going --jobs=$(TEST_JOBS) $(TESTS) SUMMARY="$$summary" || status=$$?; \
	go run ./hack/gotest -summary="$$summary" -show -left-out=Makefile; exit $$status

.PHONY: test-unit
test-unit: ## Run what needs no API server, with the race detector, and some thousand simulated fleets without it.
	$(GO_TEST) -race $$(go list ./... | grep -v -e /test/ -e /hack/site -e '/controllers$$' -e /internal/ -e /placement)
	$(GO_TEST) -count=1 -run '^(TestSimulated.*|TestPlanningIsLinear|TestAPlanAllocatesInProportion|TestAPlanUsesTheMemoryOfTheLastOne|TestTheMemoryOfPlansKeepsNoObjectAlive)$$' ./controllers/plan

# Without Node.js the tests are skipped.
.PHONY: test-docs
test-docs: ## Build the documentation site, and check every link of it.
	$(GO_TEST) -count=1 ./hack/site

# Every fleet has a seed; what a failure prints runs that fleet again. See docs/simulation.md.
ROUNDS ?= 100000
SEED ?= 1

.PHONY: simulate
simulate: ## Simulate 100,000 fleets, which takes half an hour on two cores (ROUNDS=1, SEED=4711).
	SIMULATE_ROUNDS=$(ROUNDS) SIMULATE_SEED=$(SEED) go test -count=1 -timeout 0 -v -run TestSimulated ./controllers/plan

# Every run has a seed; what a failure prints runs it again. See docs/fault-injection.md.
FAULT ?=

.PHONY: chaos
chaos: ## Break everything around rollouts and judge every promise, which takes most of an hour (FAULT=stale-lists, SEED=3).
	$(WITH_ASSETS) CHAOS=full FAULT="$(FAULT)" $(if $(filter command environment,$(origin SEED)),SEED=$(SEED),SEED=) \
		go test -count=1 -timeout 0 -v -run TestEveryPromiseHoldsWhateverGoesWrong ./test/chaos

DURATION ?= 2h

.PHONY: soak
soak: ## Roll out on 50 nodes for hours while things go wrong, and look whether anything grows (DURATION=3m, SEED=3).
	$(WITH_ASSETS) SOAK=$(DURATION) SEED=$(SEED) go test -count=1 -timeout 0 -v -run TestNothingGrows ./test/soak

.PHONY: guards
guards: ## Break the guards of the planner one at a time; simulated fleets have to notice each (ONLY="the limit").
	go run ./hack/guards -only="$(ONLY)"

# Parts are planner, attempt, executor, gates, placement, windows, helper, rebooter, webhooks, forecast, kured, actions, explanations, dashboard,
# admission and rights. What survives is printed; what nobody could notice goes to hack/mutate/equivalent.yaml, with a reason.
.PHONY: mutate
mutate: ## Change one small thing in the sources at a time; the tests of the part have to notice (ONLY=planner,rights COUNT=40 MUTATE_SEED=1).
	$(WITH_ASSETS) go run ./hack/mutate -only="$(ONLY)" -count=$(or $(COUNT),40) -seed=$(or $(MUTATE_SEED),1)

.PHONY: test-envtest
test-envtest: ## Run what needs an API server: kinds, rights, controller, helper, testbed.
	$(WITH_ASSETS) $(GO_TEST) -count=1 -race ./controllers ./controllers/gates/placement ./internal/...
	$(WITH_ASSETS) $(GO_TEST) -count=1 $$(go list ./test/... | grep -v /test/e2e)

# A module of its own: Helm's library and what it needs stay out of the operator's go.mod.
.PHONY: test-chart
test-chart: ## Compare the Helm chart with config/, try every value, install, upgrade and uninstall it.
	$(WITH_ASSETS) && export KUBEBUILDER_ASSETS=$$assets && cd test/chart && go run github.com/reboot-operator/reboot-operator/hack/gotest -summary="$(SUMMARY)" -- -timeout 20m -count=1 ./...

# A module of its own: what drives a browser stays out of the operator's go.mod. Without Chromium the tests are skipped.
.PHONY: test-browser
test-browser: ## Try the dashboard in headless Chromium, against a rollout on the testbed.
	$(WITH_ASSETS) && export KUBEBUILDER_ASSETS=$$assets && cd test/browser && go run github.com/reboot-operator/reboot-operator/hack/gotest -summary="$(SUMMARY)" -- -timeout 20m -count=1 ./...

.PHONY: screenshots
screenshots: ## Write the screenshots of the dashboard in docs/images again.
	cd test/browser && go test -count=1 -run TestThePageIsReadable . -update

.PHONY: test-e2e
test-e2e: ## Run whole rollouts on the testbed.
	$(WITH_ASSETS) $(GO_TEST) -count=1 -timeout 60m ./test/e2e/...

# From the oldest to the newest; a pre-release comes before its release. All are tried, whatever fails.
VERSIONS ?= $(shell printf '%s\n' $(DEFAULT_VERSION) $(OTHER_VERSIONS) | sort -V)
SUITES ?= test-envtest test-e2e

.PHONY: test-versions
test-versions: ## Run tests on every supported version of Kubernetes, and print a table (VERSIONS="1.32.2 1.37.2", SUITES=test-envtest).
	@unset KUBEBUILDER_ASSETS; rm -rf dist/versions; mkdir -p dist/versions; status=0; \
	for version in $(VERSIONS); do \
		begin=$$SECONDS; \
		$(MAKE) --keep-going --no-print-directory $(SUITES) KUBERNETES_VERSION=$$version SUMMARY=$(CURDIR)/dist/versions/$$version.summary || status=1; \
		echo "$$version $$((SECONDS - begin))" >> dist/versions/times; \
	done; \
	go run ./hack/gotest -table=dist/versions || status=1; exit $$status

# What is found is written to testdata/fuzz next to the test and is tried by every `go test` from then on: commit it with the fix.
FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## Fuzz everything that parses what others write, one parser after the other (FUZZTIME=10m ONLY=FuzzSlots).
	@mkdir -p dist; status=0; grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z]+' . | sed -E 's,/[^/]*:func , ,' | grep "$(ONLY)" | sort > dist/fuzz.list || true; \
	[[ -s dist/fuzz.list ]] || { echo "no fuzz test has \"$(ONLY)\" in its name" >&2; exit 1; }; \
	while read -r package name; do \
		if go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=20x $(if $(FUZZPARALLEL),-parallel=$(FUZZPARALLEL)) "$$package" < /dev/null > dist/fuzz.log 2>&1; \
		then printf '%-30s %s\n' "$$name" "$$(grep -Eo 'execs: [0-9]+' dist/fuzz.log | tail -n 1)"; \
		else printf '%-30s FAILED\n' "$$name"; cat dist/fuzz.log; status=1; fi; \
	done < dist/fuzz.list; exit $$status

# A row is measured by itself with BENCH=; `go run ./hack/bench -list` lists them. See docs/performance.md.
BENCH ?=

.PHONY: bench
bench: ## Measure the operator, for 45 minutes, and write docs/performance.md (BENCH=aks4,taint* measures these rows).
	$(WITH_ASSETS) go run ./hack/bench -rows="$(BENCH)"

.PHONY: bench-baseline
bench-baseline: ## Measure what continuous integration compares, and write it as the baseline.
	$(WITH_ASSETS) go run ./hack/bench -baseline

.PHONY: bench-page
bench-page: ## Write the figures of docs/performance.md again, as they were measured last.
	go run ./hack/bench -page

.PHONY: forecast-accuracy
forecast-accuracy: ## Forecast a dozen rollouts on the testbed, carry them out, and print how far the forecasts were off.
	$(WITH_ASSETS) FORECAST=all go test -count=1 -timeout 30m -v -run TestForecastsAreNearReality ./test/forecast

.PHONY: test-node
test-node: ## Reboot real nodes in QEMU, as root; takes up to 25 minutes, and some Debian packages.
	TEST_NODE=1 go test -count=1 -v -timeout 60m ./test/node

.PHONY: scale
scale: ## Measure the manager in a large cluster, in ten minutes on two cores (NODES=5000 PODS=100000 SUCCEEDED=1 FAILED=1 CAPACITY=1).
	$(WITH_ASSETS) SCALE_NODES=$(or $(NODES),5000) SCALE_PODS=$(or $(PODS),100000) SCALE_SUCCEEDED=$(or $(SUCCEEDED),1) SCALE_FAILED=$(or $(FAILED),1) SCALE_NEEDS=$(or $(NEEDS),100) \
		SCALE_WATCHES=$(or $(WATCHES),1000) SCALE_IDLE=$(or $(IDLE),60) SCALE_CAPACITY=$(CAPACITY) \
		go test -count=1 -v -timeout 90m -run TestAManagerIsSmall ./test/scale

.PHONY: demo
demo: ## Watch a rollout on the testbed (NODES=, ZONES=, REBOOT_SECONDS=, POLICY=file).
	@echo "Building the demo; the first time takes minutes ..."
	@go run ./hack/demo $(if $(NODES),-nodes=$(NODES)) $(if $(ZONES),-zones=$(ZONES)) \
		$(if $(REBOOT_SECONDS),-reboot-seconds=$(REBOOT_SECONDS)) $(if $(POLICY),-policy=$(POLICY))

.PHONY: cluster
cluster: ## Start the testbed and keep it, to play with kubectl (NODES=, ZONES=, REBOOT_SECONDS=).
	@go run ./hack/cluster $(if $(NODES),-nodes=$(NODES)) $(if $(ZONES),-zones=$(ZONES)) $(if $(REBOOT_SECONDS),-reboot-seconds=$(REBOOT_SECONDS))

##@ Document

# The packages are pinned in hack/site/package-lock.json. A link that leads nowhere is an error, and so is a page that no section has.
.PHONY: site
site: ## Build the documentation site to dist/site, and check its links (needs Node.js 18 or newer, and npm).
	hack/site/build.sh

# Needs tmux. It takes two minutes, on a machine that has little else to do.
.PHONY: recording
recording: ## Record the plugin in a terminal during a rollout: docs/images/rollout.svg, and what the site plays.
	$(WITH_ASSETS) go run ./hack/recording

.PHONY: site-serve
site-serve: ## Serve the documentation site on this machine while you write.
	hack/site/build.sh dev

##@ Verify

.PHONY: verify
verify: verify-generated verify-tidy lint lint-workflows vulncheck verify-release ## Check that generated files and go.mod files are fresh, lint, look for known vulnerabilities, try a release.

.PHONY: verify-generated
verify-generated: generate manifests chart
	@stale=$$(git status --porcelain -- $(GENERATED)); if [ -n "$$stale" ]; then \
		git --no-pager diff -- $(GENERATED); \
		echo "not as generated, or not committed; run make generate manifests chart and commit:"; echo "$$stale"; exit 1; fi

.PHONY: verify-tidy
verify-tidy:
	for module in $(MODULES); do (cd $$module && go mod tidy -diff); done
	for version in $(TIDY_VERSIONS); do (cd $(COMPONENTS) && go mod tidy -diff -modfile=kubernetes-$$version.mod); done

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the programs call, Go's standard library included; one with a fix is an error.
	go run ./hack/vulncheck -tags=$(TAGS) ./cmd/...

.PHONY: verify-image
verify-image: ## Build the image twice, with buildah, and check that both are the same, small, and without a shell or root.
	VERSION=$(VERSION) REVISION=$(REVISION) SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) GOARCH=$(GOARCH) hack/verify-image.sh $(PROGRAMS)

##@ Build

.PHONY: build
build: ## Build the programs of the image for linux (GOARCH=amd64|arm64).
	@mkdir -p $(BIN)
	CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -tags=$(TAGS) -trimpath -buildvcs=false \
		-ldflags="-s -w -X github.com/reboot-operator/reboot-operator/internal/version.stamped=$(VERSION)" -o $(BIN)/ $(addprefix ./cmd/,$(PROGRAMS))

# With buildah two builds of one commit have the same digest (make verify-image).
.PHONY: docker-build
docker-build: build ## Build the image IMG with buildah, docker or podman (CONTAINER_TOOL=).
ifeq ($(CONTAINER_TOOL),buildah)
	buildah bud --isolation chroot --storage-driver vfs --timestamp $(SOURCE_DATE_EPOCH) --arch $(GOARCH) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --tag $(IMG) --file Dockerfile $(BIN)
else
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(CONTAINER_TOOL) build --platform linux/$(GOARCH) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --tag $(IMG) --file Dockerfile $(BIN)
endif

.PHONY: sbom
sbom: build bills ## Write a bill of materials (CycloneDX) of each program in the image to dist/sbom.

.PHONY: bills
bills: bin/release
	@mkdir -p dist/sbom
	for program in $(PROGRAMS); do $(CYCLONEDX) bin -json -std -noserial -notimestamp -version $(VERSION) \
		-output dist/sbom/$$program-linux-$(GOARCH).cdx.json $(BIN)/$$program; done
	$(RELEASE) bill $(foreach program,$(PROGRAMS),dist/sbom/$(program)-linux-$(GOARCH).cdx.json)

.PHONY: build-installer
build-installer: dist/install.yaml dist/before-1.36.yaml ## Write all manifests, with the image IMG, to dist/install.yaml, and what is needed besides before Kubernetes 1.36.

# A release takes manifests as they are committed (MANIFESTS=).
MANIFESTS := manifests

.PHONY: dist/install.yaml
dist/install.yaml: $(MANIFESTS)
	@mkdir -p dist/overlay
	@image=$(IMG); name=$${image%:*}; tag=$${image##*:}; \
	if [[ $$image == *@* ]]; then name=$${image%@*}; field=digest; tag=$${image#*@}; \
	elif [[ $$tag == */* || $$tag == "$$image" ]]; then name=$$image; field=newTag; tag=latest; else field=newTag; fi; \
	printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources: [../../config/default]\nimages: [{name: %s, newName: %s, %s: "%s"}]\nsortOptions: {order: legacy}\n' \
		"$(NAMESPACE)" "$(RELEASE_IMAGE)" "$$name" "$$field" "$$tag" > dist/overlay/kustomization.yaml
	$(KUSTOMIZE) build dist/overlay > $@

.PHONY: dist/before-1.36.yaml
dist/before-1.36.yaml:
	@mkdir -p dist
	sed 's/^  namespace: .*/  namespace: $(NAMESPACE)/' config/components/before-1.36/role.yaml > $@

##@ Release

RELEASE := bin/release
# The platforms of the image, those of a release, and those of the kubectl plugin.
PLATFORMS ?= amd64 arm64
RELEASE_PLATFORMS := amd64 arm64
RELEASE_PLUGIN_PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# kubectl runs this program to complete command lines of the plugin; Windows cannot.
PLUGIN_COMPLETION := internal/plugin/completion/kubectl_complete-reboots
CHART := charts/reboot-operator

.PHONY: bin/release
bin/release:
	@go build -buildvcs=false -o $@ ./hack/release

# What a tag publishes is made here, without a network and without a container tool; the workflow only signs and uploads it. docs/releasing.md.
# It depends on the commit, and on nothing that the environment says.
.PHONY: release
release: ## Write everything that the tag VERSION publishes to dist/release, the image and the chart to dist/layouts.
	hack/hermetic.sh $(MAKE) release-files VERSION=$(VERSION) REVISION="$$(git rev-parse HEAD)" SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" \
		NAMESPACE=$(DEFAULT_NAMESPACE) PLATFORMS="$(RELEASE_PLATFORMS)" PLUGIN_PLATFORMS="$(RELEASE_PLUGIN_PLATFORMS)" MANIFESTS=

.PHONY: release-files
release-files: release-check
	rm -rf dist/release dist/layouts dist/sbom
	mkdir -p dist/release dist/layouts
	$(MAKE) image-layout IMAGE=$(RELEASE_IMAGE) DIGESTS=dist/release/digests.txt
	for arch in $(PLATFORMS); do $(MAKE) bills GOARCH=$$arch BIN=bin/linux-$$arch; done
	cp dist/sbom/* dist/release/
	$(MAKE) build-installer IMG="$$(awk '$$1 == "image" {print $$2}' dist/release/digests.txt)"
	cp dist/install.yaml dist/before-1.36.yaml dist/release/
	$(RELEASE) chart -chart=$(CHART) -name=$(RELEASE_CHARTS) -created=$(SOURCE_DATE_EPOCH) -to=dist/release -layout=dist/layouts/chart >> dist/release/digests.txt
	$(MAKE) plugin-archives
	$(RELEASE) notes -version=$(VERSION) > dist/notes.md
	$(RELEASE) checksums -folder=dist/release

.PHONY: release-check
release-check: bin/release
	@dirty=$$(git status --porcelain) || { echo "make release needs a clone of the repository: the commit is part of what it builds" >&2; exit 1; }; \
	[[ -z $$dirty ]] || { printf 'make release builds a commit, and these files are not committed:\n%s\n' "$$dirty" >&2; exit 1; }
	$(RELEASE) check -version=$(VERSION)

.PHONY: release-prepare
release-prepare: bin/release ## Write a version and today's date where a release needs them (TAG=v0.2.0); then look at it and commit it.
	@[[ -n "$(TAG)" ]] || { echo "TAG= is missing: the version, such as TAG=v0.2.0" >&2; exit 1; }
	$(RELEASE) prepare -version="$(TAG)" -date=$(or $(DATE),$(shell date -u +%F))
	$(MAKE) release-samples

# The image for all PLATFORMS, named IMAGE:VERSION, in dist/layouts/image; what it is, with digests, in DIGESTS.
.PHONY: image-layout
image-layout: bin/release
	@for arch in $(PLATFORMS); do [[ $$arch =~ ^[a-z0-9]+$$ ]] || { echo "PLATFORMS= has $$arch: write architectures, such as PLATFORMS=\"amd64 arm64\"" >&2; exit 1; }; done
	for arch in $(PLATFORMS); do $(MAKE) build GOARCH=$$arch BIN=bin/linux-$$arch; done
	$(RELEASE) image -name=$(IMAGE) -version=$(VERSION) -revision=$(REVISION) -created=$(SOURCE_DATE_EPOCH) -layout=dist/layouts/image \
		$(foreach arch,$(PLATFORMS),$(arch)=bin/linux-$(arch)) > $(DIGESTS)

# Archives of the plugin for PLUGIN_PLATFORMS, and the manifest for krew that names them.
.PHONY: plugin-archives
plugin-archives: bin/release
	for platform in $(PLUGIN_PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} name=kubectl-reboots extra=$(PLUGIN_COMPLETION); [[ $$os != windows ]] || name=kubectl-reboots.exe extra=; \
		$(MAKE) build PROGRAMS=kubectl-reboots GOOS=$$os GOARCH=$$arch BIN=bin/$$os-$$arch || exit; \
		$(RELEASE) archive -created=$(SOURCE_DATE_EPOCH) -to=dist/release/kubectl-reboots_$(VERSION)_$${os}_$$arch.tar.gz bin/$$os-$$arch/$$name $$extra LICENSE || exit; \
	done
	$(RELEASE) krew -version=$(VERSION) -folder=dist/release

.PHONY: kubectl-plugin
kubectl-plugin: ## Build the kubectl plugin for this machine: bin/kubectl-reboots, and what completes its command lines.
	$(MAKE) build PROGRAMS=kubectl-reboots GOOS=$$(go env GOHOSTOS) GOARCH=$$(go env GOHOSTARCH) BIN=bin
	cp $(PLUGIN_COMPLETION) bin/
	@ls -l bin/ | awk '$$NF ~ /^kubectl-reboots/ {printf "bin/%s: %.1f MB. Put the folder bin into PATH, and run: kubectl reboots\n", $$NF, $$5 / 1e6}'

.PHONY: verify-release
verify-release: ## Release a copy of the sources twice, without publishing anything, and compare both (PLATFORMS="amd64 arm64"; by default this machine's).
	$(if $(filter command line,$(origin PLATFORMS)),PLATFORMS="$(PLATFORMS)",env -u PLATFORMS) hack/verify-release.sh

##@ Deploy

# For people who build their own image.
.PHONY: push-to
push-to: ## Build the image, push it to REGISTRY=registry.example.com/team, and write dist/install.yaml and dist/values.yaml that name it.
	@[[ -n "$(REGISTRY)" ]] || { echo "REGISTRY= is missing: where your nodes pull from and you may push to, such as registry.example.com/team" >&2; exit 1; }
	@[[ "$(REGISTRY)" != *://* ]] || { echo "write REGISTRY= without https://, such as registry.example.com/team" >&2; exit 1; }
	mkdir -p dist/layouts
	$(MAKE) image-layout IMAGE=$(REGISTRY:/=)/reboot-operator DIGESTS=dist/digests.txt
	$(RELEASE) push -layout=dist/layouts/image -to=$(REGISTRY:/=)/reboot-operator:$(VERSION) -want="$$(awk -F@ '/^image / {print $$2}' dist/digests.txt)" \
		-replace $(if $(INSECURE),-insecure) > dist/pushed
	$(MAKE) build-installer IMG="$$(cat dist/pushed)"
	@printf 'image:\n  repository: %s\n  tag: "%s"\n  digest: %s\n' "$(REGISTRY:/=)/reboot-operator" "$(VERSION)" "$$(sed 's/.*@//' dist/pushed)" > dist/values.yaml
	@echo "Pushed $$(cat dist/pushed). Install it:"
	@echo "  kubectl apply --server-side -f dist/install.yaml"
	@echo "or by Helm instead, into a namespace that you create before (docs/helm.md):"
	@echo "  helm install reboot-operator $(CHART) --namespace $(NAMESPACE) --wait --values dist/values.yaml"

.PHONY: install
install: manifests ## Install the kinds only.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: deploy
deploy: dist/install.yaml ## Install everything, with the image IMG.
	$(KUBECTL) apply --server-side -f dist/install.yaml

.PHONY: undeploy
undeploy: dist/install.yaml dist/before-1.36.yaml ## Cancel all reboots, delete all policies, and remove everything.
	# The manager has to be there while its objects go: it undoes what it did to the nodes. Helpers go before the last NodeReboots,
	# because they make new ones while their hosts ask for a reboot.
	$(KUBECTL) delete --ignore-not-found --all rebootpolicies.reboot-operator.io
	$(KUBECTL) delete --ignore-not-found --all nodereboots.reboot-operator.io
	$(KUBECTL) delete --ignore-not-found --namespace $(NAMESPACE) --cascade=foreground daemonset reboot-operator-helper
	$(KUBECTL) delete --ignore-not-found --all nodereboots.reboot-operator.io
	$(KUBECTL) delete --ignore-not-found -f dist/install.yaml
	$(KUBECTL) delete --ignore-not-found -f dist/before-1.36.yaml
