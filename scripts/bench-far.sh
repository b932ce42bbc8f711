# shellcheck shell=bash disable=SC2154,SC2034
# bench-far.sh is the part of bench.sh that measures over long links, beside stock: it is read by that, and uses what is defined
# there. docs/performance.md defines what the tables say.

far_trips="0 20 100" # ms

# far clones the Go source tree, a part of it, and a folder of three lines, and fetches a log, through a relay with a delay. Stock,
# which goes from file to file, does not clone the whole tree, and takes part only in the first round.
far() {
	local i trip
	build relay
	cp -RL "$(go env GOROOT)/src" far-tree
	cp -R far-tree/net far-part
	mkdir far-tiny
	for i in 1 2 3; do echo "$i" > "far-tiny/$i"; done
	head -c $((size < 268435456 ? size : 268435456)) random > far-random
	hc-chunk far-random | hc-append -C far-store log > far.key
	far_stock
	hc share far-tree --once > far-tree.key
	hc share far-part --once > far-part.key
	hc share far-tiny --once > far-tiny.key
	for trip in $far_trips; do
		for ((i = 1; i <= runs; i++)); do
			say "far: $trip ms, run $i of $runs"
			far_hc
			[[ -z $stock ]] || ! its_turn "$i" stock far || far_stock_reads
		done
	done
	far_table
	rm -rf far-* far.*
}
# far_stock stores the same with stock, which would also import hc's stores if they were there.
far_stock() {
	[[ -n $stock ]] || return 0
	[[ -p nothing ]] || mkfifo nothing
	hc-chunk --cuts far-random > far.cuts
	node "$peer" ingest far-random far-stock far.cuts > far.stock
	printf 'import %s\nquit\n' "$work/far-part" | node "$drive_peer" --storage far-stock-part > far-part.stock
	printf 'import %s\nquit\n' "$work/far-tiny" | node "$drive_peer" --storage far-stock-tiny > far-tiny.stock
}
# far_timed SERVER NAME LINE times a line, in which PORT is that of a relay to the server.
far_timed() {
	serve far-server "$1"
	serve far-relay "relay -delay $(calc %.0f "$trip / 2")ms far.log $2 127.0.0.1:$port"
	timed "far/$trip/$2" "${3//PORT/$port}"
	stop_server
	stop_server
}
# A copy stays until the end: ext4 takes ten times as long to make files where many were removed lately.
far_hc() {
	local what copy
	for what in tree part tiny; do
		copy=far-copy-$what-$trip-$i
		far_timed "hc-serve -C far-$what/.hc --json --listen 127.0.0.1:0" "$what/hc" \
			"hc clone $(cat "far-$what.key") $copy --peer 127.0.0.1:PORT --quiet"
		diff -r --exclude=.hc "far-$what" "$copy" > /dev/null || die "far: the clone is not $what"
	done
	rm -rf far-reader
	far_timed "hc-serve -C far-store --json --listen 127.0.0.1:0" log/hc \
		"hc-fetch -C far-reader $(cut -d ' ' -f 1 far.key) --peer 127.0.0.1:PORT | hc-verify $(cut -d ' ' -f 1 far.key) | cmp - far-random"
}
far_stock_reads() {
	local what copy
	for what in part tiny; do
		copy=far-copy-stock-$what-$trip
		rm -rf far-reader
		far_timed "node \"\$drive_peer\" --storage far-stock-$what --listen 0<> nothing" "$what/stock" \
			"printf 'mirror $copy\nquit\n' | node \"\$drive_peer\" --storage far-reader --key $(field "far-$what.stock" key) --connect 127.0.0.1:PORT > /dev/null"
		diff -r "far-$what" "$copy" --exclude=.hc > /dev/null || die "far: stock's mirror is not $what"
	done
	rm -rf far-reader
	far_timed "node \"\$peer\" serve far-stock" log/stock "node \"\$peer\" fetch $(field far.stock key) PORT far-reader 2> fetch.log | cmp - far-random"
}

far_table() {
	local trip what who cells
	heading "Over long links: seconds, by the round trip"
	# shellcheck disable=SC2086 # these are words
	table "what" $(for trip in $far_trips; do echo "$trip&nbsp;ms"; done)
	for what in "tree:a clone of the Go source, $(far_files tree) files" "part:a clone of its net, $(far_files part) files" "tiny:a clone of three files of one line" \
		"log:a log of $(megabytes "$(length far-random)") MB of random bytes"; do
		for who in hc ${stock:+stock}; do
			[[ $what/$who != tree:*/stock ]] || continue
			cells=()
			for trip in $far_trips; do cells+=("$(calc %.2f "$(median "far/$trip/${what%%:*}/$who")")"); done
			row "${what#*:}: $who$(one_run "$who" far)" "${cells[@]}"
		done
	done
}
far_files() { find "far-$1" -type f -not -path '*/.hc/*' | wc -l | tr -d ' '; }
