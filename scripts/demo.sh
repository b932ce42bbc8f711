#!/usr/bin/env bash
# demo.sh runs the main job on real input: Go's standard library as one tar stream is chunked, appended to a signed log,
# served, fetched over TCP into another store, verified and compared; then an edited version of it is published, and the
# store shows how little it grew. `make demo` builds the tools first.
set -euo pipefail

bin=$(cd "$(dirname "$0")/../bin" && pwd)
export PATH=$bin:$PATH
unset HC_DIR
work=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || { kill "$server" && wait "$server" || true; } 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
mkdir writer reader

# run prints a pipeline, runs it, and keeps its seconds in $seconds and its output in $output.
run() {
  printf '\n$ %s\n' "$*"
  local began=$EPOCHREALTIME
  output=$(bash -o pipefail -c "$*")
  seconds=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
  [ -z "$output" ] || printf '%s\n' "$output"
}
size() { wc -c < "$1" | tr -d ' '; }
stored() { du -s --apparent-size -B1 "$1" 2>/dev/null | cut -f1 || find "$1" -type f -exec cat {} + | wc -c; }
row() { printf '  %-44s %14s  %8s\n' "$@"; }

go_root=$(go env GOROOT)
tar -C "$go_root" -cf v1.tar src
# The edit: 11 bytes in the middle of a file in the middle, as an editor would leave them.
half=$(( $(size v1.tar) / 2 ))
{ head -c "$half" v1.tar; printf 'eleven byte'; tail -c +$((half + 1)) v1.tar; } > v2.tar
input=$(size v1.tar)

run 'hc-chunk < v1.tar | hc-append -C writer/.hc go-source'
key=${output%% *}; append=$seconds; first=$(stored writer/.hc)

printf '\n$ hc-serve -C writer/.hc --listen 127.0.0.1:0 &\n'
hc-serve -C writer/.hc --listen 127.0.0.1:0 2> serve.log &
server=$!
address=
for _ in $(seq 1200); do
  address=$(sed -n 's/.*listening on //p' serve.log)
  [ -z "$address" ] || break
  kill -0 "$server" || { cat serve.log >&2; exit 1; }
  sleep 0.05
done
[ -n "$address" ] || { echo 'the server did not start' >&2; exit 1; }
cat serve.log

run "hc-fetch -C reader/.hc $key --peer $address | hc-verify $key > copy.tar"
fetch=$seconds
run 'cmp v1.tar copy.tar && echo equal'
run "hc-fetch -C reader/.hc $key --bytes 1000000-1000099 | hc-verify $key --bytes 1000000-1000099 | wc -c"

run 'hc-chunk < v2.tar | hc-append -C writer/.hc go-source-2'
second_key=${output%% *}; edited=$seconds; second=$(stored writer/.hc)
run "hc-fetch -C reader/.hc $second_key --peer $address | hc-verify $second_key | cmp - v2.tar && echo equal"

printf '\n  %-44s %14s  %8s\n' '' bytes seconds
row 'input, one tar of the Go source' "$input" ''
row 'chunked, appended, durable: the store' "$first" "$append"
row 'fetched over TCP, verified, written' "$(size copy.tar)" "$fetch"
row 'second version, 11 bytes inserted: growth' "$((second - first))" "$edited"
