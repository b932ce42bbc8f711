#!/usr/bin/env bash
# raced.sh prints the packages in whose tests the race detector has something to watch.
#
# A race takes a second goroutine. What starts none, nor do its tests and what they import of hc, is left out, unless there is
# something else that such a build checks: pointers past the types, and memory that was lent and given back (lib/lent).
set -euo pipefail
cd "$(dirname "$0")/.."

watched=$(grep -rlE --include='*.go' '\bgo (func|[A-Za-z.]+\()|\.Go\(|AfterFunc|AddCleanup|SetFinalizer|Parallel\(|"unsafe"' cmd lib tests |
	xargs dirname | sort -u | sed 's|^|hc/|')
# Of each test binary the package, and all that is in it.
go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | sed -n 's/^\([^ ]*\)\.test /\1 /p' |
	awk 'NR == FNR { watched[$1]; next } { for (i = 2; i <= NF; i++) if ($i in watched) { print $1; next } }' <(echo "$watched") -
