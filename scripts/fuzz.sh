#!/usr/bin/env bash
# fuzz.sh each TIME      fuzzes every target for TIME (30s, 1h)
# fuzz.sh total SECONDS  shares SECONDS among all targets, at least one each, on one processor: as many at a time as there are
#
# The targets are those that go test lists; that there are none is an error. What a run finds lies in testdata/fuzz of
# the package and fails go test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

list=$(go test -list '^Fuzz' ./...)
targets=$(awk '/^Fuzz/ { names = names " " $1 } /^ok/ { split(names, n); for (i in n) print $2, n[i]; names = "" }' <<< "$list" | sort)
[[ -n $targets ]] || { echo "fuzz: no targets were found" >&2; exit 1; }
count=$(wc -l <<< "$targets")

case ${1:-} in
each) each=${2:-60s} together=1 flags= ;;
total) each=$(($2 / count > 1 ? $2 / count : 1))s together=$(getconf _NPROCESSORS_ONLN) flags=-parallel=1 ;;
*) sed -n 's/^# \(fuzz.sh.*\)/usage: \1/p' "$0" >&2; exit 2 ;;
esac
echo "fuzz: $count targets, $each each"

fuzz() {
	local package=$1 target=$2 out
	# shellcheck disable=SC2086 # no flags, no argument
	if out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" $flags "$package" 2>&1); then
		echo "ok   $package $target  $(grep -o 'execs: [0-9]*' <<< "$out" | tail -n 1)"
	elif ! grep -q 'Failing input written' <<< "$out" && grep -q 'context deadline exceeded' <<< "$out"; then
		echo "ok   $package $target  (was working on an input when its time was up)"
	else
		echo "$out"
		echo "FAIL $package $target" >&2
		return 255 # which xargs takes for: no more
	fi
}
export each flags
export -f fuzz
xargs -L 1 -P "$together" bash -c 'fuzz "$@"' fuzz <<< "$targets"
