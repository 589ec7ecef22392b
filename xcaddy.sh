#!/usr/bin/env bash
# Builds Caddy with Gatehouse in it: ./xcaddy.sh [output]     (default ./caddy)
# The version is git's description of the checkout, or VERSION where that is set.
set -euo pipefail

caddy_version=v2.11.9
go_needed=1.26.6 # the first 1.26 without known holes in encoding/xml and net/http

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
output=$(realpath -m "${1:-$root/caddy}")
cd "$root"

# An old Go cannot even read our go.mod, so it is asked outside of the checkout then.
have=$(go env GOVERSION 2>/dev/null || (cd / && go env GOVERSION 2>/dev/null) || echo none)
if [ "$(printf '%s\n' "$go_needed" "${have#go}" | sort -V | head -n 1)" != "$go_needed" ] || [ "$have" = none ]; then
	echo "xcaddy.sh: Gatehouse needs Go $go_needed or newer and found $have: get it from https://go.dev/dl/ and put its bin directory first in PATH." >&2
	exit 2
fi

version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unversioned)}
module=$(awk '$1 == "module" { print $2; exit }' go.mod)

# Nothing from the caller's environment may change the binary.
unset "${!XCADDY_@}"
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off
# Setting this drops xcaddy's own flags, so they are repeated here.
export XCADDY_GO_BUILD_FLAGS="-trimpath -tags nobadger,nomysql,nopgx -ldflags '-s -w -X github.com/caddyserver/caddy/v2.CustomVersion=gatehouse-${version#v}'"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# "go install …/xcaddy@version" would not be covered by a go.sum; this is.
go build -C .ci/tools -mod=readonly -o "$tools/xcaddy" github.com/caddyserver/xcaddy/cmd/xcaddy

# @v0.0.0 keeps Go from asking the network for versions of a module that this checkout replaces anyway.
"$tools/xcaddy" build "$caddy_version" --output "$output" --with "$module@v0.0.0=$root" 2>"$tools/log" >&2 || {
	cat "$tools/log" >&2
	exit 1
}
built=$("$output" version) || {
	echo "xcaddy.sh: $output does not run" >&2
	exit 1
}
echo "xcaddy.sh: built $output, $built"
