#!/usr/bin/env bash
# fuzz.sh each TIME      fuzzes every target for TIME (30s, 1h)
# fuzz.sh total SECONDS  divides SECONDS among all targets, at least one each, on one processor: as many at a time as there are
#
# It is an error if there are no targets. Findings are in testdata/fuzz of the package and make go test fail from then on.
set -euo pipefail
[[ ${1:-} == each || ${1:-} == total ]] || { sed -n 's/^# \(fuzz.sh.*\)/usage: \1/p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz

# Each package is built once, as go test would for each of its targets.
targets=
for folder in $(grep -rl --include='*_test.go' '^func Fuzz' cmd lib | xargs -r -n 1 dirname | sort -u); do
	package=$(go list "./$folder")
	binary=$work/${package//\//-}
	go test -c -vet=off -fuzz . -o "$binary" "$package"
	targets+=$(cd "$folder" && "$binary" -test.list '^Fuzz' | sed "s|.*|$folder $package $binary &|")$'\n'
done
targets=${targets%$'\n'}
[[ -n $targets ]] || { echo "fuzz: no targets were found" >&2; exit 1; }
count=$(wc -l <<< "$targets")

each=${2:-60s} together=1 flags=
if [[ $1 == total ]]; then
	each=$(($2 / count > 1 ? $2 / count : 1))s together=$(getconf _NPROCESSORS_ONLN) flags=-test.parallel=1
fi
echo "fuzz: $count targets, $each each"

fuzz() {
	local folder=$1 package=$2 binary=$3 target=$4 out
	# shellcheck disable=SC2086 # no flags, no argument
	if out=$(cd "$folder" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$each" -test.fuzzcachedir "$cache/$package" $flags 2>&1); then
		echo "ok   $package $target  $(grep -o 'execs: [0-9]*' <<< "$out" | tail -n 1)"
	elif ! grep -q 'Failing input written' <<< "$out" && grep -q 'context deadline exceeded' <<< "$out"; then
		echo "ok   $package $target  (was working on an input when its time was up)"
	else
		echo "$out"
		echo "FAIL $package $target" >&2
		return 255 # which xargs takes for: no more
	fi
}
export each flags cache
export -f fuzz
xargs -L 1 -P "$together" bash -c 'fuzz "$@"' fuzz <<< "$targets"
