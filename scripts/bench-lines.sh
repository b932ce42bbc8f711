# shellcheck shell=bash disable=SC2154,SC2034
# bench-lines.sh is the part of bench.sh that measures short appends, each durable, how soon they are elsewhere, and how soon
# one of many blocks is: it is read by that, and uses what is defined there. docs/performance.md defines what the tables say.

# commits measures appends of one line, each of them durable, by turns with a write and a sync of as many bytes.
commits() {
	local out= i raw one eight
	(cd "$root" && go test -c -o "$work/store.test" ./lib/store)
	for ((i = 1; i <= runs; i++)); do
		say "durable commits, run $i of $runs"
		out+=$(TMPDIR=$work "$work/store.test" -test.run '^$' -test.benchtime 2s -test.bench '^Benchmark(CommitBesideSync|CommitEight)$')$'\n' || die "$out"
	done
	one_block
	say "lines"
	awk 'BEGIN { for (i = 0; i < 10000000; i++) print "event", i, "something happened here" }' > lines
	timed lines "$m lines hc-append -C lines-log --lines log < lines > lines.out"
	[[ $(cut -d ' ' -f 2 lines.out) == 10000000 ]] || die "lines were lost"
	heading "Appends of one line, each durable when it returns"
	table "what" "a second, over all the time" "of raw" "a second, by the median" "of raw"
	raw=$(metric ns/sync-in-all) one=$(metric ns/commit-in-all) eight=$(metric ns/op CommitEight)
	row "write and fdatasync of as many bytes" "$(per_second "$raw")" "1.00" "$(per_second "$(metric ns/sync)")" "1.00"
	row "one writer, by turns with it" "$(per_second "$one")" "$(metric ×sync-in-all)" "$(per_second "$(metric ns/commit)")" "$(metric ×sync)"
	row "eight writers of eight logs in one process, alone" "$(per_second "$eight")" "$(calc %.2f "$raw / $eight")" "" ""
	one_block_row "\`hc-append --lines --flush-every 1\`, its start counted" "$(median live/hc)"
	if [[ -n $stock ]]; then
		one_block_row "stock, one block an append, which it syncs no log for" "$(median live/stock)"
		one_block_row "stock, its log synced behind each append: the same promise" "$(median live/synced)"
	fi
	printf '\n10 M lines of %s MB in one `hc-append --lines`: %s s, %s M lines a second, peak %s MiB, %s bytes a line on disk.\n' \
		"$(megabytes "$(length lines)")" "$(calc %.2f "$(median lines)")" "$(calc %.2f "10 / $(median lines)")" "$(peak lines)" "$(calc %.1f "$(stored lines-log) / 1e7")"
	rm -rf lines lines-log
}
# one_block appends lines one at a time, by the tool, and beside it by stock Hypercore: as that does it, and with a sync.
one_block() {
	local i count=5000
	awk -v count=$count 'BEGIN { for (i = 0; i < count; i++) print "event", i, "something happened here" }' > few
	for ((i = 1; i <= runs; i++)); do
		say "one block an append, run $i of $runs"
		rm -rf few-*
		timed "live/tool" "hc-append -C few-hc --lines --flush-every 1 log < few > few.key"
		if ((i == 1)); then
			hc-fetch -C few-hc log | hc-verify "$(tail -n 1 few.key | cut -d ' ' -f 1)" | cmp - few || die "lines were lost"
		fi
		echo "live/hc $(calc %.0f "$(tail -n 1 times | cut -d ' ' -f 2) * 1e9 / $count") 0 0" >> times
		[[ -n $stock ]] || continue
		sync
		node "$peer" lines few few-stock 1 > few.stock
		sync
		node "$peer" synced few few-synced > few.synced
		((i > 1)) || node "$peer" read few-synced | cmp - few || die "stock lost lines"
		echo "live/stock $(calc %.0f "$(field few.stock append) * 1e9 / $count") 0 0" >> times
		echo "live/synced $(calc %.0f "$(field few.synced append) * 1e9 / $count") 0 0" >> times
	done
	rm -rf few few-*
}
one_block_row() { # WHAT NANOSECONDS
	row "$1" "$(per_second "$2")" "$(calc %.2f "$raw / $2")" "" ""
}
# metric UNIT [BENCHMARK]: the median, over the runs, of the values that commits measured in a unit.
metric() {
	awk -v name="Benchmark${2:-CommitBesideSync}" -v unit="$1" '{ sub(/-[0-9]+$/, "", $1) } $1 == name { for (i = 4; i <= NF; i += 2) if ($i == unit) print $(i - 1) }' <<< "$out" | sort -n |
		awk '{ v[NR] = $1 } END { if (!NR) exit 1; printf "%.2f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }' ||
		die "go test -bench measured no $1"
}
per_second() { calc %.0f "1e9 / $1"; }


# blocks asks for one block of very many, in hc and in stock Hypercore.
blocks() {
	local count=$((size >> 10 < 1000000 ? size >> 10 : 1000000)) at i key number port_hc port_stock
	at=$((count * 7 / 10))
	say "making $count blocks"
	awk -v count=$count 'BEGIN { for (i = 0; i < count; i++) print "event", i, "something happened here" }' > lines
	awk -v at=$at 'NR == at + 1 { print; exit }' lines > line
	key=$(hc-append -C lines-hc --lines log < lines | tail -n 1 | cut -d ' ' -f 1)
	serve blocks-serve/hc "hc-serve -C lines-hc --json --listen 127.0.0.1:0"
	port_hc=$port
	if [[ -n $stock ]]; then
		node "$peer" lines lines lines-stock > lines.stock
		number=$(field lines.stock key)
		serve blocks-serve/stock "node \"\$peer\" serve lines-stock"
		port_stock=$port
	fi
	local ours="hc-fetch -C reader $key --peer 127.0.0.1:$port_hc --blocks $at-$at | hc-verify $key --blocks $at-$at"
	local theirs="node \"\$peer\" fetch $number $port_stock reader block:$at 2> fetch.log"
	for ((i = 0; i <= runs + 2; i++)); do
		say "one of $count blocks, $( ((i)) && echo "run $i of $((runs + 2))" || echo compared)"
		rm -rf reader
		block_once block/hc "$ours"
		[[ -n $stock ]] || continue
		rm -rf reader
		block_once block/stock "$theirs"
		((i == 0)) || echo "block/connected $(field fetch.log first) 0 0" >> times
	done
	stop_servers
	rm -rf reader lines lines-hc lines-stock
	heading "Time to block $at of a log of $count blocks, verified, fresh store"
	table "what" "ms" "ms, the start of node not counted" "hc = 1"
	row hc "$(milliseconds block/hc)" "" "1.0"
	[[ -z $stock ]] || row stock "$(milliseconds block/stock)" "$(milliseconds block/connected)" "$(calc %.1f "$(median block/stock) / $(median block/hc)")"
}
block_once() { # NAME LINE
	if ((i)); then
		timed_first "$1" "$2"
	else
		bash -o pipefail -c "$2" | cmp - line || die "this is not block $at: $2"
	fi
}

# live measures how soon a line that one process appends is printed by another one, which fetches it from a third.
live() {
	local name count=200
	build latency
	for name in each grouped; do
		echo first | hc-append -C live-hc --lines "$name" | cut -d ' ' -f 1 > "live.$name.key"
	done
	serve live-serve "hc-serve -C live-hc --json --listen 127.0.0.1:0"
	say "live lines, each signed by itself"
	live_one each "--flush-every 1"
	say "live lines, signed as is usual"
	live_one grouped ""
	stop_servers
	heading "From a line written to \`hc-append --lines\` until \`hc-fetch --live \| hc-verify\` has printed it, $count lines"
	table "what" "median, ms" "the slowest, ms"
	row "\`--flush-every 1\`" "$(calc %.1f "$(field live.each median)")" "$(calc %.1f "$(field live.each worst)")"
	row "as is usual, signed 200 ms behind the first line" "$(calc %.1f "$(field live.grouped median)")" "$(calc %.1f "$(field live.grouped worst)")"
	rm -rf live-* live.*
}
live_one() { # NAME FLAGS
	local key
	key=$(cat "live.$1.key")
	latency $count "hc-append -C live-hc --lines $2 $1 > /dev/null" \
		"hc-fetch -C live-$1 $key --peer 127.0.0.1:$port --live | hc-verify $key" > "live.$1" 2> live.log || die "live lines: $1: this failed: $(cat live.log)"
}
