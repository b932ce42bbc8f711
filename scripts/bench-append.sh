# shellcheck shell=bash disable=SC2154,SC2034
# bench-append.sh is the part of bench.sh that measures cutting, and how a log is stored, read from the store, and packed: it
# is read by that, and uses what is defined there. docs/performance.md defines what the tables say.

cutting() {
	local out= data ours theirs name input i
	(cd "$root" && go test -c -o "$work/chunk.test" ./lib/chunk)
	for ((i = 1; i <= runs; i++)); do
		say "cutting: Go benchmarks, run $i of $runs"
		out+=$(cd "$root/lib/chunk" && "$work/chunk.test" -test.run '^$' -test.bench '^BenchmarkChunker$')$'\n' || die "$out"
	done
	heading "Cutting (Rabin, average 64 KiB, equal cuts)"
	table "what" "hc MB/s" "restic/chunker MB/s" "ratio"
	for data in random source; do
		ours=$(throughput hc "$data" <<< "$out")
		theirs=$(throughput restic "$data" <<< "$out")
		row "in memory, one core, $data" "$ours" "$theirs" "$(calc %.2f "$ours / $theirs")"
	done
	for input in random source; do
		for ((i = 1; i <= runs; i++)); do
			say "cutting: $input, run $i of $runs"
			timed "cuts/$input" "$m hc-chunk/$input hc-chunk --cuts $input > /dev/null"
			timed "chunk/$input" "$m hc-chunk/$input hc-chunk $input > /dev/null"
		done
		for name in "cuts:\`hc-chunk --cuts\`" "chunk:\`hc-chunk\`"; do
			row "${name#*:}, file, $input" "$(calc %.0f "$(length "$input") / 1e6 / $(median "${name%%:*}/$input")")" "" ""
		done
	done
}
# throughput IMPL DATA: the median of MB/s in the output of go test.
throughput() {
	awk -v impl="impl=$1/" -v data="data=$2" 'index($1, impl) && index($1, data) { for (i = 2; i <= NF; i++) if ($i == "MB/s") print $(i - 1) }' |
		sort -n | awk '{ v[NR] = $1 } END { if (!NR) exit 1; printf "%.0f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }' ||
		die "go test -bench measured no impl=$1 data=$2"
}

# append stores an input durably and reads it again, in hc, in stock Hypercore and in programs that keep backups, beside
# writing as many bytes. The stores of hc and of stock stay, as writer-INPUT and stock-INPUT.
append() { # INPUT
	local input=$1 who i
	hc-chunk --cuts "$input" > "$input.cuts"
	for ((i = 1; i <= runs; i++)); do
		for who in $beside; do
			! its_turn "$i" "$who" "$input" || tried append_one
		done
	done
	rm -rf job job.*
}
append_one() {
	say "append: $input in $who, run $i of $(turns "$who" "$input")"
	rm -rf job job.*
	mkdir job
	"begin_$who"
	cat "$input" > /dev/null
	timed "append/$input/$who" "$("store_$who" "$input" one)"
	echo "append/$input/$who/stored $(stored job) 0 0" >> times
	case $who in
	raw | direct) return 0 ;;
	hc) cp job.one "$input.key" ;;
	stock)
		cp job.stock "$input.stock"
		echo "append/$input/sync $(field job.stock sync) 0 0" >> times
		;;
	esac
	if ((i == 1)); then
		bash -o pipefail -c "$(printed "$who" one) | cmp - $input" || die "$who: what was read is not $input"
		rm -f job.out
	fi
	timed "read/$input/$who" "$("read_$who" one) > /dev/null"
	[[ $who != hc && $who != stock ]] || ((i < runs)) || keep
}
# keep puts a store where servers look for it.
keep() {
	local to=$who-$input
	[[ $who != hc ]] || to=writer-$input
	rm -rf "$to"
	mv "job/$who" "$to"
}

append_table() {
	local input who better
	heading "Storing a log, durable, and reading it from the store, verified, to \`/dev/null\`"
	table "what" "storing, s" "CPU s" "MB/s" "time, hc = 1" "stored MB" "stored, restic = 1" "reading, s" "MB/s" "time, hc = 1"
	for input in random source logs; do
		for who in $beside; do append_row; done
	done
	printf '\n'
	for input in random source logs; do
		better=$(for who in raw direct; do ! among $who || median "append/$input/$who"; echo; done | sort -n | sed '/^$/d' | head -n 1)
		[[ -z $better ]] || printf -- '- %s: hc takes %s times as long as the better raw write, with %s of the bytes.\n' "$input" \
			"$(calc %.2f "$(median "append/$input/hc") / $better")" "$(calc %.2f "$(median "append/$input/hc/stored") / $(length "$input")")"
	done
	! among together || printf -- '- Through a pipe hc takes %s, %s and %s times as long as in one process.\n' \
		"$(calc %.2f "$(median append/random/hc) / $(median append/random/together)")" "$(calc %.2f "$(median append/source/hc) / $(median append/source/together)")" \
		"$(calc %.2f "$(median append/logs/hc) / $(median append/logs/together)")"
	[[ -z $stock ]] || printf -- '- Stock'\''s time has the sync of its files behind the last append in it: %s s, %s s and %s s.\n' \
		"$(calc %.2f "$(median append/random/sync)")" "$(calc %.2f "$(median append/source/sync)")" "$(calc %.2f "$(median append/logs/sync)")"
}
append_row() {
	local s bytes stored against=
	s=$(median "append/$input/$who")
	bytes=$(length "$input")
	stored=$(median "append/$input/$who/stored")
	! among restic || against=$(calc %.3f "$stored / $(median "append/$input/restic/stored")")
	set -- "$input: $(name_of "$who")$(one_run "$who" "$input")" "$(calc %.2f "$s")" "$(calc %.2f "$(median "append/$input/$who" 3)")" \
		"$(calc %.0f "$bytes / 1e6 / $s")" "$(calc %.2f "$s / $(median "append/$input/hc")")" "$(megabytes "$stored")" "$against"
	if [[ $who == raw || $who == direct ]]; then
		row "$@" "" "" ""
		return
	fi
	s=$(median "read/$input/$who")
	row "$@" "$(calc %.2f "$s")" "$(calc %.0f "$bytes / 1e6 / $s")" "$(calc %.2f "$s / $(median "read/$input/hc")")"
}

# cold repacks copies of the stores as tightly as possible, beside zpaq, and reads them.
cold() {
	local input i
	for input in random source logs; do
		for ((i = 1; i <= $(turns cold "$input"); i++)); do
			say "cold: $input, run $i of $(turns cold "$input")"
			rm -rf job job.*
			mkdir job
			cp -R "writer-$input" job/hc
			cp "$input.key" job.one
			timed "cold/$input/before" "$(read_hc one) > /dev/null"
			timed "cold/$input/hc" "$m hc-cold/$input hc repack --cold -C job/hc > /dev/null"
			stored job/hc > "cold.$input.hc"
			((i > 1)) || bash -o pipefail -c "$(read_hc one) | cmp - $input" || die "what is read of the cold store is not $input"
			timed "cold/$input/read" "$(read_hc one) > /dev/null"
			command -v zpaq > /dev/null || continue
			timed "cold/$input/zpaq" "zpaq add job/zpaq $input -m1 > /dev/null 2>&1"
			length job/zpaq.zpaq > "cold.$input.zpaq"
		done
	done
	rm -rf job job.*
	cold_table
}
cold_table() {
	local input bytes
	heading "\`hc repack --cold\` of these stores"
	table "input" "hc, s" "MB" "zpaq -m1, s" "MB" "size, zpaq = 1" "restic, MB" "size, restic = 1" "reading before, MB/s" "reading after, MB/s"
	for input in random source logs; do
		bytes=$(length "$input")
		set -- "$input$([[ $(turns cold "$input") == "$runs" ]] || printf ", one run")" "$(calc %.2f "$(median "cold/$input/hc")")" "$(megabytes "$(cat "cold.$input.hc")")"
		if [[ -s cold.$input.zpaq ]]; then
			set -- "$@" "$(calc %.2f "$(median "cold/$input/zpaq")")" "$(megabytes "$(cat "cold.$input.zpaq")")" \
				"$(calc %.3f "$(cat "cold.$input.hc") / $(cat "cold.$input.zpaq")")"
		else
			set -- "$@" "" "" ""
		fi
		if among restic; then
			set -- "$@" "$(megabytes "$(median "append/$input/restic/stored")")" "$(calc %.3f "$(cat "cold.$input.hc") / $(median "append/$input/restic/stored")")"
		else
			set -- "$@" "" ""
		fi
		row "$@" "$(calc %.0f "$bytes / 1e6 / $(median "cold/$input/before")")" "$(calc %.0f "$bytes / 1e6 / $(median "cold/$input/read")")"
	done
}
