#!/usr/bin/env bash
# Releases a copy of the sources with a made-up version as docs/releasing.md says, and then again from a clone of that: with another umask,
# without the module proxy, and in an environment that would change what Go builds. Nothing is published. Both have to have the same checksums,
# and all files. PLATFORMS are those of the image; by default that of this machine. Run it by `make verify-release`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ $(uname -s) != Linux ]]; then
  echo "verify-release needs Linux, because it runs a program of the image. Skipped."
  exit 0
fi
tag=v9.9.9-dry.run
platforms=${PLATFORMS:-$(go env GOHOSTARCH)}
# The plugin is built for all platforms with the image for all of them, and else for this one.
plugins=${PLATFORMS:+linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
plugins=${plugins:-linux/$platforms}
work=$(mktemp -d)
exec 3>&1
# Commands run in braces with their output in a file, because `set -e` counts there, and not to the left of ||.
trap 'status=$?; ((status == 0)) || cat "$work/log" >&3; rm -rf "$work"' EXIT
fail() { echo "verify-release: $*" >&3; exit 1; }

# With the user's settings, which may say that this checkout is safe to read. A file that was removed and is not committed yet is still in the index.
git ls-files -z --cached --others --exclude-standard >"$work/listed"
while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done <"$work/listed" >"$work/files"

# From here on, hooks and settings of the user have no say, nor has what the outer make was given.
export GIT_AUTHOR_NAME=release GIT_AUTHOR_EMAIL=release@example.com GIT_COMMITTER_NAME=release GIT_COMMITTER_EMAIL=release@example.com
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES VERSION REVISION SOURCE_DATE_EPOCH IMG NAMESPACE BIN GOOS GOARCH PLATFORMS PLUGIN_PLATFORMS DATE TAG
{
  mkdir "$work/first"
  xargs -0 cp --parents --target-directory "$work/first" -- <"$work/files"
  cd "$work/first"
  git init --quiet --initial-branch=main
  # What the owner confirms before the first release.
  sed --in-place '/\*\*Proposal\*\*/d' -- *.md
  make --no-print-directory release-prepare TAG="$tag" DATE=2026-01-01
  git add --all
  git commit --quiet --no-gpg-sign --message "Release $tag"
  git tag "$tag"
  make --no-print-directory release VERSION="$tag" RELEASE_PLATFORMS="$platforms" RELEASE_PLUGIN_PLATFORMS="$plugins"
} >"$work/log" 2>&1
(
  umask 0077
  git clone --quiet "$work/first" "$work/second"
  cd "$work/second"
  export GOPROXY=off GOFLAGS=-tags=other GOAMD64=v3 GOARM64=v8.1 NAMESPACE=other SOURCE_DATE_EPOCH=1 REVISION=other PLATFORMS=other PLUGIN_PLATFORMS=other BIN=other
  make --no-print-directory release VERSION="$tag" RELEASE_PLATFORMS="$platforms" RELEASE_PLUGIN_PLATFORMS="$plugins"
) >"$work/log" 2>&1
: >"$work/log"
diff -r "$work/first/dist/release" "$work/second/dist/release" >&3 || fail "two releases of the same commit differ"
diff -r "$work/first/dist/layouts" "$work/second/dist/layouts" >&3 || fail "two layouts of the same commit differ"
cd "$work/first"
(cd dist/release && sha256sum --check --strict --quiet checksums.txt) >&3 || fail "checksums.txt is wrong"

want=(before-1.36.yaml checksums.txt digests.txt install.yaml "reboot-operator-${tag#v}.tgz")
for arch in $platforms; do
  for program in manager helper rebooter; do want+=("$program-linux-$arch.cdx.json"); done
done
want+=(reboots.yaml)
for platform in $plugins; do want+=("kubectl-reboots_${tag}_${platform/\//_}.tar.gz"); done
diff <(printf '%s\n' "${want[@]}" | LC_ALL=C sort) <(cd dist/release && find . -type f -printf '%P\n' | LC_ALL=C sort) >&3 ||
  fail "missing (<) or unexpected (>) files in a release"
# Go builds tools for the machine that runs them, so a checksum of one would differ on another machine.
tool=$(hack/hermetic.sh go tool -modfile=hack/tools/security/go.mod -n cyclonedx-gomod)
! grep -rl "$(sha256sum <"$tool" | cut -d' ' -f1)" dist/release >&3 || fail "these files have the checksum of a tool of this machine"
image=$(awk '$1 == "image" {print $2}' dist/release/digests.txt)
(($(grep -c "image: $image\$" dist/release/install.yaml) == 3)) || fail "install.yaml does not name $image for each container"
for arch in $platforms; do
  [[ $arch == "$(go env GOHOSTARCH)" ]] || continue
  said=$("bin/linux-$arch/manager" --version)
  [[ $said == "reboot-operator manager $tag "* ]] || fail "the manager says that it is $said"
  said=$(tar --extract --to-stdout --gzip --file "dist/release/kubectl-reboots_${tag}_linux_$arch.tar.gz" kubectl-reboots >"$work/plugin" &&
    chmod +x "$work/plugin" && "$work/plugin" version --client)
  [[ $said == "reboot-operator kubectl-reboots $tag "* ]] || fail "the plugin says that it is $said"
done
# Two commits with nothing in between: what a release or its preparation changes besides shows.
dirty=$(git status --porcelain)
[[ -z $dirty ]] || fail "a release changes files of the commit: $dirty"
echo "A release of $tag has, twice with the same checksums:"
sed 's/^/  /' dist/release/checksums.txt dist/release/digests.txt
