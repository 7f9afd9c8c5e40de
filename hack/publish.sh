#!/usr/bin/env bash
# Publishes what `make release` made. The release workflow runs it; nobody has to run it by hand.
#   publish.sh push    TAG FOLDER   pushes the image and the chart, signs them, adds bills of materials, signs checksums.txt
#   publish.sh release TAG FOLDER   makes the release on GitHub with all files
# FOLDER has release/, layouts/ and notes.md. IMAGE and CHARTS name both without a tag.
set -euo pipefail
command=$1 tag=$2 folder=$3

# digest LINE prints the digest of the image, of the chart or of one platform; nothing if there is none.
digest() { awk -v line="$1" '$1 == line {sub(/.*@/, "", $2); print $2}' "$folder/release/digests.txt"; }

# push LAYOUT NAME:TAG WANTED pushes byte by byte, so that the digest is the one in digests.txt.
push() {
  local pushed
  pushed=$(go run ./hack/release push -layout="$folder/layouts/$1" -to="$2")
  [[ ${pushed#*@} == "$3" ]] || { echo "pushed $pushed, and digests.txt has $3" >&2; exit 1; }
  cosign sign --yes --recursive "$pushed"
}

case $command in
push)
  : "${IMAGE:?is the name of the image, without a tag}" "${CHARTS:?is the folder of the chart in the registry}"
  (cd "$folder/release" && sha256sum --check --strict --quiet checksums.txt)
  image=$(digest image) chart=$(digest chart)
  push image "$IMAGE:$tag" "$image"
  [[ -z $chart ]] || push chart "$CHARTS/reboot-operator:${tag#v}" "$chart"
  for bill in "$folder"/release/*.cdx.json; do
    platform=$(sed -E 's/.*-(linux)-([a-z0-9]+)\.cdx\.json$/\1\/\2/' <<<"$bill")
    cosign attest --yes --type cyclonedx --predicate "$bill" "$IMAGE@$(digest "$platform")"
  done
  cosign sign-blob --yes --bundle "$folder/release/checksums.txt.sigstore.json" "$folder/release/checksums.txt"
  printf 'image=%s\nchart=%s\n' "$image" "$chart" >>"${GITHUB_OUTPUT:-/dev/stdout}"
  ;;
release)
  flags=()
  # v1.2.3-rc.1 is none that people should get who ask for the latest.
  [[ $tag != *-* ]] || flags+=(--prerelease --latest=false)
  # A draft until all files are there, so that nobody sees half of it.
  gh release create "$tag" --verify-tag --draft --title "$tag" --notes-file "$folder/notes.md" "${flags[@]}" "$folder"/release/*
  gh release edit "$tag" --draft=false
  ;;
*)
  echo "$command is neither push nor release" >&2
  exit 1
  ;;
esac
