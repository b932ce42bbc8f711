# shellcheck shell=bash disable=SC2154,SC2034
# bench-fetch.sh is the part of bench.sh that measures fetching over loopback TCP and through a pipe, beside stock Hypercore:
# it is read by that, and uses what is defined there. docs/performance.md defines what the tables say.

# hc_fetch, store_fetch and stock_fetch print the line that fetches a core whole: INPUT KEY PORT. The output of hc-fetch alone is not read.
store_fetch() { echo "$m hc-fetch/$1 hc-fetch -C reader $2 --peer 127.0.0.1:$3"; }
hc_fetch() { echo "$(store_fetch "$@") | $m hc-verify/$1 hc-verify $2"; }
stock_fetch() { echo "$m stock-fetch/$1 node \"\$peer\" fetch $2 $3 reader 2> fetch.log"; }

transfer() { # INPUT: serves, fetches and compares; sets $pairs to those that were measured
	local input=$1 i pair key at from line
	pairs="hc-hc hc-store"
	hc_key=$(cut -d ' ' -f 1 "$input.key")
	serve "hc-serve/$input" "hc-serve -C writer-$input --json --listen 127.0.0.1:0"
	hc_port=$port hc_server=$!
	if [[ -n $stock ]]; then
		pairs="hc-hc hc-store hc-stock stock-hc stock-stock"
		stock_key=$(field "$input.stock" key)
		serve "stock-serve/$input" "node \"\$peer\" serve stock-$input"
		stock_port=$port stock_server=$!
	fi
	for ((i = 0; i <= runs; i++)); do
		say "fetch: $input, $( ((i)) && echo "run $i of $runs" || echo "compared")"
		for pair in $pairs; do
			key=$hc_key at=$hc_port from=$hc_server
			[[ $pair == hc-* ]] || key=$stock_key at=$stock_port from=$stock_server
			line=$("${pair#*-}_fetch" "$input" "$key" "$at")
			rm -rf reader
			if ((i)); then
				before=$(spent_by "$from")
				timed "fetch/$input/$pair" "$line > /dev/null"
				echo "fetch/$input/$pair/server $(calc %.2f "$(spent_by "$from") - $before") 0 0" >> times
			else
				[[ $pair != hc-store ]] || line+=" | hc-verify $key"
				bash -o pipefail -c "$line | cmp - $input" || die "$pair: what was fetched is not $input"
			fi
		done
	done
	rm -rf reader
}
# spent_by prints the CPU seconds that the only child of a process, a server, has taken so far: 0 if that is not known.
spent_by() {
	local child
	child=$(cat /proc/"$1"/task/*/children 2> /dev/null | tr -d ' ' || true)
	awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / ticks; some = 1 } END { if (!some) print 0 }' \
		"/proc/$child/stat" 2> /dev/null || echo 0
}

fetch_table() {
	local input pair s base
	heading "Fetching over loopback TCP, verified, in order, into a fresh store"
	table "server → reader" "s" "MB/s" "times stock's throughput" "CPU s, the server" "CPU s, the reader" "hc's CPU, of stock's in its place"
	for input in random source logs; do
		for pair in $pairs; do
			s=$(median "fetch/$input/$pair")
			base=
			[[ -z $stock ]] || base=$(calc %.2f "$(median "fetch/$input/stock-stock") / $s")
			row "$input: $(named_pair)" "$(calc %.2f "$s")" "$(calc %.0f "$(length "$input") / 1e6 / $s")" "$base" \
				"$(calc %.2f "$(median "fetch/$input/$pair/server")")" "$(calc %.2f "$(median "fetch/$input/$pair" 3)")" "$(cpu_of_stock)"
		done
	done
}
named_pair() {
	case $pair in
	hc-store) echo "hc → hc, \`hc-fetch\` alone" ;;
	*) echo "${pair%-*} → ${pair#*-}" ;;
	esac
}
# cpu_of_stock is the CPU time of hc at the ends where it runs, as a part of what stock takes there when it talks to itself.
cpu_of_stock() {
	local stock_stock=fetch/$input/stock-stock server reader
	[[ -n $stock ]] || return 0
	server=$(calc %.2f "$(median "fetch/$input/$pair/server") / ($(median "$stock_stock/server") + 1e-9)")
	reader=$(calc %.2f "$(median "fetch/$input/$pair" 3) / ($(median "$stock_stock" 3) + 1e-9)")
	case $pair in
	hc-hc | hc-store) echo "$server, $reader" ;;
	hc-*) echo "$server" ;;
	*-hc) echo "$reader" ;;
	esac
}

# first measures how soon the first byte of a log of random data comes, which the servers of transfer still serve.
first() {
	local i middle=$((size / 2))
	for ((i = 1; i <= runs + 2; i++)); do
		say "first byte, run $i of $((runs + 2))"
		rm -rf reader
		timed_first first/hc "hc-fetch -C reader $hc_key --peer 127.0.0.1:$hc_port | hc-verify $hc_key"
		rm -rf reader
		timed_first middle/hc "hc-fetch -C reader $hc_key --peer 127.0.0.1:$hc_port --bytes $middle-$middle | hc-verify $hc_key --bytes $middle-$middle"
		[[ -n $stock ]] || continue
		rm -rf reader
		timed_first first/stock "exec node \"\$peer\" fetch $stock_key $stock_port reader 2> fetch.log"
		echo "first/connected $(field fetch.log first) 0 0" >> times
		rm -rf reader
		timed_first middle/stock "exec node \"\$peer\" fetch $stock_key $stock_port reader $middle 2> fetch.log"
		echo "middle/connected $(field fetch.log first) 0 0" >> times
	done
	rm -rf reader
}
first_table() {
	local what name
	heading "Time to the first verified byte, $(megabytes "$size") MB log, fresh store"
	table "what" "hc ms" "stock ms" "stock ms, its start not counted" "stock / hc, start counted"
	for what in "first:of the whole log, from its beginning" "middle:the one byte in the middle"; do
		name=${what%%:*}
		if [[ -n $stock ]]; then
			row "${what#*:}" "$(milliseconds "$name/hc")" "$(milliseconds "$name/stock")" "$(milliseconds "$name/connected")" \
				"$(calc %.1f "$(median "$name/stock") / $(median "$name/hc")")"
		else
			row "${what#*:}" "$(milliseconds "$name/hc")" "" "" ""
		fi
	done
}

# insert_eleven prints a file with 11 bytes more in its middle.
insert_eleven() {
	local half=$(($(length "$1") / 2))
	head -c "$half" "$1"
	printf 'eleven byte'
	tail -c +$((half + 1)) "$1"
}

second() {
	local i
	insert_eleven source > second
	[[ -z $stock ]] || hc-chunk --cuts second > second.cuts
	for ((i = 1; i <= runs; i++)); do
		say "second version, run $i of $runs"
		rm -rf both
		cp -R writer-source both
		timed second/hc "hc-chunk second | hc-append -C both second > second.key"
		[[ -n $stock ]] || continue
		rm -rf stock-second
		timed second/stock "node \"\$peer\" ingest second stock-second second.cuts > /dev/null"
	done
	hc-fetch -C both second | hc-verify "$(cut -d " " -f 1 second.key)" | cmp - second || die "the second version came out wrong"
}
second_table() {
	heading "A second version: the Go source with 11 bytes inserted in its middle, $(megabytes "$(length second)") MB"
	table "what" "s" "store grew by, bytes"
	row "\`hc-chunk \\| hc-append\`, same store" "$(calc %.2f "$(median second/hc)")" "$(($(stored both) - $(stored writer-source)))"
	[[ -z $stock ]] || row "stock, another core" "$(calc %.2f "$(median second/stock)")" "$(stored stock-second)"
}

# wire fetches a log, then its second version, which has 11 bytes inserted in its middle, and the same bytes in another log,
# and counts what goes through the pipe between both ends.
wire() { # INPUT
	local input=$1 key
	insert_eleven "$input" > "wire-$input"
	rm -rf "from-$input" "to-$input"
	hc-chunk "$input" | hc-append -C "from-$input" log > "wire-$input.key"
	key=$(cut -d ' ' -f 1 "wire-$input.key")
	wire_fetch "$input" first "$key"
	hc-chunk "wire-$input" | hc-append -C "from-$input" log > /dev/null
	wire_fetch "$input" second "$key"
	key=$(hc-chunk "wire-$input" | hc-append -C "from-$input" other | cut -d ' ' -f 1)
	wire_fetch "$input" other "$key"
	hc-fetch -C "to-$input" "$key" | hc-verify "$key" | cmp - "wire-$input" || die "the second version came out wrong"
	hc-chunk --list "$input" > "wire-$input.one"
	hc-chunk --list "wire-$input" > "wire-$input.two"
	rm -rf "from-$input" "to-$input"
}
wire_fetch() { # INPUT NAME KEY
	say "wire: $1, $2"
	hc-fetch -C "to-$1" "$3" --exec "measure -wire wires $1/$2 hc-serve -C from-$1 --stdio" > /dev/null || die "wire: $1, $2: this fetch failed"
}
# through NAME: the bytes that were counted.
through() { awk -v name="$1" '$1 == name { print $2 }' wires; }
wire_table() {
	local input changed chunks
	heading "Bytes on the wire, both ways: a log, its second version with 11 bytes inserted in the middle, the same in another log"
	table "input" "first version" "second version" "of it in chunks that changed, not compressed" "leaf hashes of all chunks" "in another log"
	for input in random source; do
		changed=$(awk 'NR == FNR { have[$3] = 1; next } !have[$3] { sum += $2 } END { printf "%.0f", sum }' "wire-$input.one" "wire-$input.two")
		chunks=$(wc -l < "wire-$input.two")
		row "$input, $(megabytes "$(length "$input")") MB" "$(through "$input/first")" "$(through "$input/second")" "$changed" $((chunks * 32)) "$(through "$input/other")"
	done
	rm -f wire-*
}

