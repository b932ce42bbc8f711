#!/usr/bin/env bash
# Installs the stock peers of tests/peers, as its lock file has them. Without node it only prints a warning, unless
# HC_REQUIRE_INTEROP=1.
set -euo pipefail
cd "$(dirname "$0")/../tests/peers"

missing() {
	if [[ ${HC_REQUIRE_INTEROP:-0} == 1 ]]; then
		echo "peers: $1, and HC_REQUIRE_INTEROP=1" >&2
		exit 1
	fi
	cat >&2 <<-END
		**********************************************************************
		$1:
		THE INTEROPERABILITY TESTS ARE SKIPPED.
		**********************************************************************
	END
	exit 0
}

command -v node > /dev/null || missing "there is no node"
command -v npm > /dev/null || missing "there is no npm"

# npm writes its own record of what it installed; it is newer than the lock file when that was all.
[[ node_modules/.package-lock.json -nt package-lock.json ]] && exit 0
npm ci --no-audit --no-fund --loglevel=error || missing "npm ci failed"
touch node_modules/.package-lock.json
