#!/usr/bin/env bash
# Releases a copy of the sources with a made-up version as docs/releasing.md says, twice: the second time in another folder, with another umask,
# and without the module proxy. Nothing is published. Both have to have the same checksums, and all files. Run it by `make verify-release`.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=v9.9.9-dry.run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# All that git needs to make the same commit again, whoever is at work. Hooks and settings of the user have no say.
export GIT_AUTHOR_NAME=release GIT_AUTHOR_EMAIL=release@example.com GIT_AUTHOR_DATE="2026-01-01T00:00:00Z"
export GIT_COMMITTER_NAME=release GIT_COMMITTER_EMAIL=release@example.com GIT_COMMITTER_DATE="2026-01-01T00:00:00Z"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
# What the outer make was given is not for the inner one.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES VERSION REVISION SOURCE_DATE_EPOCH IMG NAMESPACE BIN GOARCH

# release FOLDER makes a commit and a tag of the sources in FOLDER, and the release of that.
release() {
  mkdir "$work/$1"
  # A file that was removed and is not committed yet is still in the index.
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [[ ! -e $file ]] || printf '%s\0' "$file"
  done | xargs -0 cp --parents --target-directory "$work/$1" --
  git -C "$work/$1" init --quiet --initial-branch=main
  make --no-print-directory -C "$work/$1" release-prepare TAG="$tag" DATE=2026-01-01
  git -C "$work/$1" add --all
  # A umask is no part of a commit, but the mode of a program is.
  git -C "$work/$1" -c core.fileMode=true commit --quiet --no-gpg-sign --message "Release $tag"
  git -C "$work/$1" tag "$tag"
  make --no-print-directory -C "$work/$1" release
}

release first >"$work/first.log" 2>&1 || { cat "$work/first.log"; exit 1; }
(umask 0077; GOPROXY=off GOFLAGS=-mod=readonly release second) >"$work/second.log" 2>&1 || { cat "$work/second.log"; exit 1; }
diff "$work/first/dist/release/checksums.txt" "$work/second/dist/release/checksums.txt" || { echo "two releases of the same sources differ"; exit 1; }
(cd "$work/second/dist/release" && sha256sum --check --strict --quiet checksums.txt)

want=(before-1.36.yaml checksums.txt digests.txt install.yaml)
for arch in amd64 arm64; do
  for program in manager helper rebooter; do want+=("$program-linux-$arch.cdx.json"); done
done
[[ ! -e charts/reboot-operator ]] || want+=("reboot-operator-${tag#v}.tgz")
if [[ -e cmd/kubectl-reboots ]]; then
  for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64; do want+=("kubectl-reboots_${tag}_$platform.tar.gz"); done
fi
diff <(printf '%s\n' "${want[@]}" | LC_ALL=C sort) <(cd "$work/first/dist/release" && find . -type f -printf '%P\n' | LC_ALL=C sort) ||
  { echo "missing (<) or too much (>) in a release"; exit 1; }
image=$(awk '$1 == "image" {print $2}' "$work/first/dist/release/digests.txt")
(($(grep -c "image: $image\$" "$work/first/dist/release/install.yaml") == 3)) || { echo "install.yaml does not name $image for each container"; exit 1; }
program=$work/first/bin/linux-$(go env GOARCH)/manager
[[ $("$program" --version) == "reboot-operator manager $tag "* ]] || { echo "the manager says that it is $("$program" --version)"; exit 1; }
# The copy was a fresh commit, so a file that a release changes shows.
dirty=$(git -C "$work/first" status --porcelain)
[[ -z $dirty ]] || { echo "a release changes files of the commit:"; echo "$dirty"; exit 1; }
echo "A release of $tag has, twice with the same checksums:"
sed 's/^/  /' "$work/first/dist/release/checksums.txt"
sed 's/^/  /' "$work/first/dist/release/digests.txt"
