#!/usr/bin/env bash
# Builds the documentation site into dist/site and checks its links. Needs Node.js 18 or newer, npm, and npm's registry for the packages that
# package-lock.json pins.
set -euo pipefail
cd "$(dirname "$0")"

for program in node npm; do
  command -v "$program" >/dev/null || { echo "$program is not installed; on Debian: apt-get install nodejs npm" >&2; exit 1; }
done
major=$(node --version | sed -E 's/^v([0-9]+).*/\1/')
((major >= 18)) || { echo "Node.js $(node --version) is too old: the site needs 18 or newer" >&2; exit 1; }
# Packages that are there as the lock file says need no network.
if ! cmp --silent package-lock.json node_modules/.lock-of-this-install; then
  npm ci --no-audit --no-fund --loglevel=error || {
    echo "npm could not install the packages of hack/site/package-lock.json. They come from $(npm config get registry): is it reachable from here?" >&2
    exit 1
  }
  cp package-lock.json node_modules/.lock-of-this-install
fi
npm run --silent "${1:-build}"
