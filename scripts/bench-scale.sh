# shellcheck shell=bash disable=SC2154
# bench-scale.sh is the part of bench.sh that measures hc with very many objects and blocks: it is read by that, and uses what is
# defined there.

# scale opens a store of many objects in 1,000 logs, takes more into it beside an empty one, and clones logs of more and more blocks.
scale() {
	local objects=${HC_BENCH_SCALE:-1000000} name size first
	if [[ $(uname) != Linux ]]; then
		say "SKIPPED: scale, which is measured on Linux"
		return
	fi
	(cd "$root" && go test -c -o "$work/store.test" ./lib/store && go test -c -o "$work/replicate.test" ./lib/replicate)
	for name in "store ${runs}x" "replicate 1x"; do # which clones each log several times by itself
		size=${name#* } name=${name% *}
		say "scale: $name, $objects"
		HC_SCALE=$objects TMPDIR=$work "$work/$name.test" -test.run '^$' -test.timeout 3h -test.benchtime "$size" -test.bench '^BenchmarkScale$' \
			> "scale-$name" || die "$(cat "scale-$name")"
	done
	heading "A store of $objects objects in 1,000 logs"
	table "opening it, and reading a block of one log" "ms, median" "ms, slowest"
	row "as it came to be" "$(of store open ms/open)" "$(of store open ms/slowest)"
	row "with as much behind the last checkpoint as can be" "$(of store open/tail ms/open)" "$(of store open/tail ms/slowest)"
	printf '\n'
	table "taking in blocks that are new" "µs a block" "its rate, into an empty store = 1" "µs of processor time" "its rate by that, into an empty store = 1"
	for size in 65536 4096 8; do
		name=ingest/block=$size
		row "of $size bytes" "$(of store $name µs/block)" "$(of store $name ×empty)" "$(of store $name µs/block-cpu)" "$(of store $name ×empty-cpu)"
	done
	heading "Cloning logs of small blocks over loopback TCP, both ends in one process"
	table "what" "blocks" "ns a block" "first = 1" "ns of processor time" "first = 1"
	for name in lines blocks; do
		for ((size = first = 10000; size <= objects; size *= 10)); do
			clone_row $name $size $first
		done
	done
	rm -f scale-store scale-replicate
}
clone_row() { # WHAT BLOCKS FIRST
	local wall cpu
	wall=$(of replicate "$1/clone=$2" ns/block) cpu=$(of replicate "$1/clone=$2" ns/block-cpu)
	row "$([[ $1 == lines ]] && echo "lines of 10 bytes" || echo "blocks of 1,000 bytes")" "$2" \
		"$wall" "$(calc %.2f "$wall / $(of replicate "$1/clone=$3" ns/block)")" "$cpu" "$(calc %.2f "$cpu / $(of replicate "$1/clone=$3" ns/block-cpu)")"
}
# of PACKAGE NAME UNIT: what a benchmark reported.
of() {
	awk -v name="BenchmarkScale/$2" -v unit="$3" '{ sub(/-[0-9]+$/, "", $1) } $1 == name { for (i = 4; i <= NF; i += 2) if ($i == unit) { print $(i - 1); found = 1 } } END { exit !found }' "scale-$1" ||
		die "go test -bench measured no $3 of $2"
}
