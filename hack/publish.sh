#!/usr/bin/env bash
# Publishes what `make release` made. The release workflow runs it; nobody has to run it by hand.
#   publish.sh push    TAG FOLDER   pushes the image and the chart by digest, signs them, adds bills of materials, signs checksums.txt
#   publish.sh tag     TAG FOLDER   tags both, which is when people see them
#   publish.sh release TAG FOLDER   makes the release on GitHub with all files
# FOLDER has release/, layouts/ and notes.md. IMAGE and CHARTS name both without a tag. push and tag need `make bin/release`.
set -euo pipefail
command=$1 tag=$2 folder=$3

# digest LINE prints the digest of the image, of the chart or of one platform.
digest() { awk -v line="$1" '$1 == line {sub(/.*@/, "", $2); print $2}' "$folder/release/digests.txt"; }

# registry does something with the image and with the chart. Nothing is sent that has not the digest in digests.txt, and
# nothing is tagged whose tag names something else.
registry() {
  : "${IMAGE:?is the name of the image, without a tag}" "${CHARTS:?is the folder of the chart in the registry}"
  image=$(digest image) chart=$(digest chart)
  [[ -n $image && -n $chart ]] || { echo "digests.txt lacks the image or the chart" >&2; exit 1; }
  "$1" image "$IMAGE:$tag" "$image"
  "$1" chart "$CHARTS/reboot-operator:${tag#v}" "$chart"
}
push() { bin/release push -tag=false -layout="$folder/layouts/$1" -to="$2" -want="$3"; }
sign() { cosign sign --yes --recursive "${2%:*}@$3"; }
move() { bin/release tag -to="$2" -want="$3"; }

(cd "$folder/release" && sha256sum --check --strict --quiet checksums.txt)
case $command in
push)
  registry push
  registry sign
  for bill in "$folder"/release/*.cdx.json; do
    platform=$(sed -E 's/.*-(linux)-([a-z0-9]+)\.cdx\.json$/\1\/\2/' <<<"$bill")
    cosign attest --yes --type cyclonedx --predicate "$bill" "$IMAGE@$(digest "$platform")"
  done
  cosign sign-blob --yes --bundle "$folder/release/checksums.txt.sigstore.json" "$folder/release/checksums.txt"
  printf 'image=%s\nchart=%s\n' "$image" "$chart" >>"${GITHUB_OUTPUT:-/dev/stdout}"
  ;;
tag)
  registry move
  ;;
release)
  flags=()
  # v1.2.3-rc.1 must not become the latest release.
  [[ $tag != *-* ]] || flags+=(--prerelease --latest=false)
  # A draft until all files are there, so that nobody sees half of it.
  gh release create "$tag" --verify-tag --draft --title "$tag" --notes-file "$folder/notes.md" "${flags[@]}" "$folder"/release/*
  gh release edit "$tag" --draft=false
  ;;
*)
  echo "$command is none of push, tag, release" >&2
  exit 1
  ;;
esac
