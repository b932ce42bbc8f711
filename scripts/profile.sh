#!/usr/bin/env bash
# profile.sh shows where the processor time of hc's pipelines goes, stage by stage, in nanoseconds for each byte of the input, and prints tables in Markdown:
# those of docs/performance.md. It takes perf, which may have to be run by root to see the system's part; each pipeline runs once. Without node and the
# stock peers, those with one of them at the other end are left out.
#
#   HC_BENCH_SIZE=1GiB  of random data, and half as much of logs (the third input is the Go source, as one tar)
#   HC_BENCH_DIR=DIR    where to work: room for 6 times the size
#
# Run it by `make profile`, which builds the tools, and leave the machine alone meanwhile: about two minutes.
. "$(dirname "$0")/measuring.sh"
. "$root/scripts/bench-jobs.sh"

size=$(bytes "${HC_BENCH_SIZE:-1GiB}")
command -v perf > /dev/null || die "there is no perf, which comes with the kernel's tools (linux-perf, linux-tools)"
work_in "${HC_BENCH_DIR:-/var/tmp}" $((size * 6))
build stages
export peer=$root/tests/peers/bench.js
stock=yes
command -v node > /dev/null && [[ -d $root/tests/peers/node_modules/hypercore ]] || stock=

# recorded NAME LINE runs a pipeline, and notes what its programs did.
recorded() {
	sync
	perf record -q -e cpu-clock -F 999 -g -o "$1.perf" -- bash -o pipefail -c "$2" || die "this failed: $2"
	script "$1"
}
script() {
	perf script -i "$1.perf" -F comm,period,ip,sym > "$1.script" 2> script.err || die "perf script: $(cat script.err)"
	rm "$1.perf"
}
# served NAME LINE is recorded, for a pipeline that fetches from the server started last, together with that one.
served() {
	local server=${servers[${#servers[@]} - 1]} recorder
	perf record -q -e cpu-clock -F 999 -g -o "$1-server.perf" -p "$server" &
	recorder=$!
	recorded "$1" "$2"
	kill -INT "$recorder"
	wait "$recorder" || true
	script "$1-server"
	cat "$1-server.script" >> "$1.script"
}
stages_table() { # NAME HEADING
	local input all=()
	for input in $inputs; do all+=("$input" "$(length "$input")" "$1-$input.script"); done
	heading "$2"
	stages "${all[@]}"
}

# with_stock has stock fetch from the running server, and hc from stock, which is given the same blocks.
with_stock() {
	served "to-stock-$input" "node \"\$peer\" fetch $key $port reader 2> fetch.log > /dev/null"
	rm -rf reader
	hc-chunk --cuts "$input" > cuts
	node "$peer" ingest "$input" stock cuts > stock.json
	m='' serve "" "node \"\$peer\" serve stock"
	key=$(field stock.json key)
	recorded "from-stock-$input" "hc-fetch -C reader $key --peer 127.0.0.1:$port | hc-verify $key > /dev/null"
	rm -rf stock
}

inputs="random logs source"
main() {
	local input key
	head -c "$size" /dev/urandom > random
	tar -C "$(go env GOROOT)" -cf source src
	logs $((size / 2)) > logs
	for input in $inputs; do
		recorded "append-$input" "hc-chunk $input | hc-append -C store-$input log > key"
		key=$(cut -d ' ' -f 1 key)
		recorded "local-$input" "hc-fetch -C store-$input log | hc-verify $key > /dev/null"
		m='' serve "" "hc-serve -C store-$input --json --listen 127.0.0.1:0"
		served "fetch-$input" "hc-fetch -C reader $key --peer 127.0.0.1:$port | hc-verify $key > /dev/null"
		rm -rf reader
		[[ -z $stock ]] || with_stock
		stop_servers
		rm -rf reader "store-$input"
	done
	stages_table append "\`hc-chunk | hc-append\`"
	stages_table fetch "\`hc-fetch | hc-verify\`, from \`hc-serve\` on loopback"
	if [[ -n $stock ]]; then
		stages_table to-stock "\`hc-serve\`, to a stock reader on loopback"
		stages_table from-stock "\`hc-fetch | hc-verify\`, from stock on loopback"
	fi
	stages_table local "\`hc-fetch | hc-verify\`, from the local store"
}
main
