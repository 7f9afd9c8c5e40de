#!/usr/bin/env bash
# Builds the image twice, the second time from a copy of the sources in another folder and with another umask, and checks that both have the
# same digest, are small, and hold the programs and nothing else. Run it by `make verify-image`, which sets the variables.
set -euo pipefail
cd "$(dirname "$0")/.."
# Most of it is the types of the API of Kubernetes, which each of two programs has. The rebooter has a parser of shell scripts, and the manager
# the services that notifications go to (1.5 MB).
limit_mb=68
programs=("$@")
: "${GOTOOLCHAIN:?is set by make verify-image}"

command -v buildah >/dev/null || { echo "verify-image needs buildah, the only builder that it knows to be reproducible"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")

# image FOLDER NAME builds the sources in FOLDER and writes the image to $work/NAME.
image() {
  make --no-print-directory -C "$1" build PROGRAMS="${programs[*]}" GOARCH="$GOARCH" VERSION="$VERSION" >/dev/null
  "${buildah[@]}" bud --quiet --isolation chroot --timestamp "$SOURCE_DATE_EPOCH" --arch "$GOARCH" --build-arg VERSION="$VERSION" \
    --build-arg REVISION="$REVISION" --tag "$2" --file "$1/Dockerfile" "$1/bin/linux-$GOARCH" >/dev/null
  "${buildah[@]}" push --quiet --digestfile "$work/$2.digest" "$2" "oci-archive:$work/$2.tar"
}

image . first
mkdir "$work/sources"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --target-directory "$work/sources" --
(umask 0077; image "$work/sources" second)

first=$(<"$work/first.digest") second=$(<"$work/second.digest")
[[ $first == "$second" ]] || { echo "two builds of the same sources differ: $first and $second"; exit 1; }

container=$("${buildah[@]}" from first)
root=$("${buildah[@]}" mount "$container")
files=$(cd "$root" && find . -type f | sort | xargs)
want=$(printf './%s\n' "${programs[@]}" | sort | xargs)
[[ $files == "$want" ]] || { echo "the image holds $files, and should hold $want"; exit 1; }
for program in "${programs[@]}"; do
  [[ $(go version "$root/$program") == "$root/$program: $GOTOOLCHAIN" ]] || { echo "not built with $GOTOOLCHAIN: $(go version "$root/$program")"; exit 1; }
  [[ $(stat -c %a "$root/$program") == 755 ]] || { echo "$program can not be run by everybody"; exit 1; }
done
user=$("${buildah[@]}" inspect --format '{{.OCIv1.Config.User}}' first)
[[ $user == 61110:61110 ]] || { echo "the image runs as $user"; exit 1; }
bytes=$(du -sb "$root" | cut -f1)
((bytes < limit_mb * 1000 * 1000)) || { echo "the image has $((bytes / 1000 / 1000)) MB, more than $limit_mb"; exit 1; }
printf '%s linux/%s: %s, %s MB unpacked, %s MB to pull\n' "$VERSION" "$GOARCH" "$first" \
  "$((bytes / 1000 / 1000))" "$(($(stat -c %s "$work/first.tar") / 1000 / 1000))"
