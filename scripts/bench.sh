#!/usr/bin/env bash
# bench.sh measures hc beside restic/chunker and stock Hypercore, in the same run, and prints tables in Markdown: medians,
# ratios, peak memory. It asserts no time, but stops where bytes come out wrong. docs/performance.md explains the method.
#
#   HC_BENCH_SIZE=1GiB  of random data (the other input is the Go source, as one tar)
#   HC_BENCH_RUNS=3     of which the median is told
#   HC_BENCH_FULL=1     peak memory at 4 GiB of random data, too, or at another size that is given instead of 1
#   HC_BENCH_PARTS=…    only some of the parts cutting, append, wire, commits, releases, drives, fetch, versions,
#                       storing, differing, rsync, readers and starting
#   HC_BENCH_DIR=DIR    where to work: room for 8 times the size and 2 GiB (FULL: 4 times that), on a disk, else nothing is durable
#
# Run it by `make bench`, which builds the tools and installs the peers, and leave the machine alone meanwhile: some
# minutes on two cores. It works in a folder of its own, which it removes, and talks to the loopback interface only, but to
# fetch restic and two releases of a large module as any Go program is fetched. What cannot be had, or is not on the
# machine (rsync, casync, borg, zbackup, bup, zpaq), is left out.
. "$(dirname "$0")/measuring.sh"

size=$(bytes "${HC_BENCH_SIZE:-1GiB}")
runs=${HC_BENCH_RUNS:-3}
full_size=${HC_BENCH_FULL:-0}
[[ $full_size != 1 ]] || full_size=4GiB
full_size=$(bytes "$full_size")
full=$((full_size > 0))
parts=${HC_BENCH_PARTS:-cutting append wire commits releases drives fetch versions storing differing rsync readers starting}
part() { [[ " $parts " == *" $1 "* ]]; }
! part fetch || part append || die "HC_BENCH_PARTS=$parts: fetch takes append, whose logs it fetches"
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "HC_BENCH_RUNS=$runs: want 1 or more"

export peer=$root/tests/peers/bench.js
stock=yes
if ! command -v node > /dev/null || [[ ! -d $root/tests/peers/node_modules/hypercore ]]; then
	stock=
	cat >&2 <<-END
		**********************************************************************
		There is no node, or no stock peer ('make peers' installs it):
		ALL THAT IS MEASURED BESIDE STOCK HYPERCORE IS SKIPPED.
		**********************************************************************
	END
fi

need=$((size * 8 + (2 << 30)))
((full)) && ((full_size * 4 + (1 << 30) > need)) && need=$((full_size * 4 + (1 << 30)))
work_in "${HC_BENCH_DIR:-/var/tmp}" "$need"

machine() {
	local cpu memory
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1 || true)
	memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo 2> /dev/null || true)
	if [[ $(uname) == Darwin ]]; then
		cpu=$(sysctl -n machdep.cpu.brand_string)
		memory=$(($(sysctl -n hw.memsize) >> 30))" GiB"
	fi
	heading "The machine, and what ran on it"
	row "" ""
	row --- ---
	row processor "${cpu:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores"
	row memory "${memory:-not known}"
	row system "$(uname -srm)"
	row "file system" "$kind"
	row "load before" "$(uptime | sed 's/.*load average[s]*: *//')"
	row hc "$(hc-append --version | head -n 1), $(cd "$root" && git describe --always --dirty 2> /dev/null || echo 'no git')"
	row Go "$(go env GOVERSION)"
	row restic/chunker "$(cd "$root" && go list -m -f '{{.Version}}' github.com/restic/chunker)"
	row "stock Hypercore" "$([[ -z $stock ]] && echo "not there: skipped" || echo "$(node "$peer" version), node $(node --version)")"
	row inputs "random, $(megabytes "$size") MB; Go source, $(megabytes "$(length source)") MB"
	row runs "$runs, interleaved; medians are told"
}

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

# durable is how dd writes a file that is on the disk when it returns.
durable=
for how in fdatasync fsync; do
	dd if=/dev/null of=probe conv=$how 2> /dev/null && durable=$how && break
done

append() { # INPUT
	local i
	hc-chunk --cuts "$1" > "$1.cuts"
	for ((i = 1; i <= runs; i++)); do
		say "append: $1, run $i of $runs"
		cat "$1" > /dev/null
		if [[ -n $durable ]]; then
			timed "append/$1/raw" "dd if=$1 of=raw bs=1048576 conv=$durable 2> /dev/null"
			rm raw
		fi
		rm -rf "writer-$1"
		timed "append/$1/hc" "$m hc-chunk/$1 hc-chunk $1 | $m hc-append/$1 hc-append -C writer-$1 log > $1.key"
		[[ -n $stock ]] || continue
		rm -rf "stock-$1"
		timed "append/$1/stock" "$m stock-append/$1 node \"\$peer\" ingest $1 stock-$1 $1.cuts > $1.stock"
		echo "append/$1/sync $(field "$1.stock" sync) 0 0" >> times
	done
}
append_table() {
	local input bytes hc
	heading "Appending, durable"
	table "what" "s" "CPU s" "MB/s" "stored MB" "time, hc = 1"
	for input in random source; do
		bytes=$(length "$input")
		hc=$(median "append/$input/hc")
		[[ -z $durable ]] || append_row "$input: \`dd conv=$durable\`" "append/$input/raw" "$bytes"
		append_row "$input: \`hc-chunk \\| hc-append\`" "append/$input/hc" "$(stored "writer-$input")"
		[[ -z $stock ]] || append_row "$input: stock, 16 blocks an append" "append/$input/stock" "$(stored "stock-$input")"
	done
	[[ -z $stock ]] || printf '\nStock'\''s time has the sync of its files behind the last append in it: %s s and %s s.\n' \
		"$(calc %.2f "$(median append/random/sync)")" "$(calc %.2f "$(median append/source/sync)")"
}
append_row() { # WHAT NAME STORED
	local s
	s=$(median "$2")
	row "$1" "$(calc %.2f "$s")" "$(calc %.2f "$(median "$2" 3)")" "$(calc %.0f "$bytes / 1e6 / $s")" "$(megabytes "$3")" "$(calc %.2f "$s / $hc")"
}

# hc_fetch and stock_fetch print the line that fetches a core whole: INPUT KEY PORT.
hc_fetch() { echo "$m hc-fetch/$1 hc-fetch -C reader $2 --peer 127.0.0.1:$3 | $m hc-verify/$1 hc-verify $2"; }
stock_fetch() { echo "$m stock-fetch/$1 node \"\$peer\" fetch $2 $3 reader 2> fetch.log"; }

transfer() { # INPUT [RUNS]: serves, fetches and compares; sets $pairs to those that were measured
	local input=$1 i pair key at
	pairs="hc-hc"
	hc_key=$(cut -d ' ' -f 1 "$input.key")
	serve "hc-serve/$input" "hc-serve -C writer-$input --json --listen 127.0.0.1:0"
	hc_port=$port
	if [[ -n $stock ]]; then
		pairs="hc-hc hc-stock stock-hc stock-stock"
		stock_key=$(field "$input.stock" key)
		serve "stock-serve/$input" "node \"\$peer\" serve stock-$input"
		stock_port=$port
	fi
	for ((i = 0; i <= ${2:-runs}; i++)); do
		say "fetch: $input, $( ((i)) && echo "run $i of ${2:-$runs}" || echo "compared")"
		for pair in $pairs; do
			key=$hc_key at=$hc_port
			[[ $pair == hc-* ]] || key=$stock_key at=$stock_port
			rm -rf reader
			if ((i)); then
				timed "fetch/$input/$pair" "$(${pair#*-}_fetch "$input" "$key" "$at") > /dev/null"
			else
				bash -o pipefail -c "$(${pair#*-}_fetch "$input" "$key" "$at") | cmp - $input" || die "$pair: what was fetched is not $input"
			fi
		done
	done
	rm -rf reader
}
fetch_table() {
	local input pair s base
	heading "Fetching over loopback TCP, verified, in order, into a fresh store"
	table "server → reader" "s" "CPU s of the reader" "MB/s" "times stock's throughput"
	for input in random source; do
		for pair in $pairs; do
			s=$(median "fetch/$input/$pair")
			base=
			[[ -z $stock ]] || base=$(calc %.2f "$(median "fetch/$input/stock-stock") / $s")
			row "$input: ${pair%-*} → ${pair#*-}" "$(calc %.2f "$s")" "$(calc %.2f "$(median "fetch/$input/$pair" 3)")" \
				"$(calc %.0f "$(length "$input") / 1e6 / $s")" "$base"
		done
	done
}

# first measures how soon a byte comes of a log of random data, which the servers of transfer still serve.
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
		timed_first first/stock "node \"\$peer\" fetch $stock_key $stock_port reader 2> fetch.log"
		echo "first/connected $(field fetch.log first) 0 0" >> times
		rm -rf reader
		timed_first middle/stock "node \"\$peer\" fetch $stock_key $stock_port reader $middle 2> fetch.log"
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
# at_full sends the larger size through everything once, for the peaks.
at_full() {
	local runs=1
	rm -rf random* writer-* stock-* source.cuts
	say "making $((full_size >> 20)) MiB"
	head -c "$full_size" /dev/urandom > full
	append full
	transfer full 0
	stop_servers
	rm -rf full writer-full stock-full
}
memory_table() {
	local tool columns=("random $(megabytes "$size") MB" "Go source") inputs="random source" input values
	((full)) && columns+=("random $(megabytes "$full_size") MB") && inputs="$inputs full"
	heading "Peak memory, MiB, the most of all runs"
	table "tool" "${columns[@]}"
	for tool in hc-chunk hc-append hc-serve hc-fetch hc-verify ${stock:+stock-append stock-serve stock-fetch}; do
		values=()
		for input in $inputs; do values+=("$(peak "$tool/$input")"); done
		row "${tool/stock-/stock, }" "${values[@]}"
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

# commits measures appends of one line, each of them durable, by turns with a write and a sync of as many bytes.
commits() {
	local out= i raw one eight
	(cd "$root" && go test -c -o "$work/store.test" ./lib/store)
	for ((i = 1; i <= runs; i++)); do
		say "durable commits, run $i of $runs"
		out+=$(TMPDIR=$work "$work/store.test" -test.run '^$' -test.benchtime 2s -test.bench '^Benchmark(CommitBesideSync|CommitEight)$')$'\n' || die "$out"
	done
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
	printf '\n10 M lines of %s MB in one `hc-append --lines`: %s s, %s M lines a second, peak %s MiB, %s bytes a line on disk.\n' \
		"$(megabytes "$(length lines)")" "$(calc %.2f "$(median lines)")" "$(calc %.2f "10 / $(median lines)")" "$(peak lines)" "$(calc %.1f "$(stored lines-log) / 1e7")"
	rm -rf lines lines-log
}
# metric UNIT [BENCHMARK]: the median, over the runs, of what commits measured in a unit.
metric() {
	awk -v name="Benchmark${2:-CommitBesideSync}" -v unit="$1" '{ sub(/-[0-9]+$/, "", $1) } $1 == name { for (i = 4; i <= NF; i += 2) if ($i == unit) print $(i - 1) }' <<< "$out" | sort -n |
		awk '{ v[NR] = $1 } END { if (!NR) exit 1; printf "%.2f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }' ||
		die "go test -bench measured no $1"
}
per_second() { calc %.0f "1e9 / $1"; }

# obtain installs a program as any Go program is installed. What it says is shown only where it fails.
obtain() { (cd "$work" && GOBIN=$work/bin go install "$1") > obtain.log 2>&1 || { tail -n 3 obtain.log >&2; return 1; }; }
restic=v0.18.1
obtain_restic() { [[ -x bin/restic ]] || obtain "github.com/restic/restic/cmd/restic@$restic"; }

# release_dir prints the folder of a release of a large module.
module=k8s.io/kubernetes
release_dir() {
	local dir
	dir=$(cd "$work" && go mod download -json "$module@$1" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') && [[ -n $dir ]] && echo "$dir"
}

# releases stores two adjacent releases, as tar streams, beside restic.
releases() {
	local releases="v1.31.1 v1.31.2" release dir i what
	if ! tar --version 2> /dev/null | grep -q GNU; then
		say "SKIPPED: two versions beside restic: that takes GNU tar"
		return
	fi
	say "fetching $module $releases, and restic $restic"
	for release in $releases; do
		dir=$(release_dir "$release") || { say "SKIPPED: two versions: $module is not to be had"; return; }
		tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$dir" -cf "$release.tar" .
	done
	obtain_restic || { say "SKIPPED: two versions: restic is not to be had"; return; }
	export RESTIC_PASSWORD=none RESTIC_CACHE_DIR=$work/cache
	for ((i = 1; i <= runs; i++)); do
		say "two versions, run $i of $runs"
		rm -rf versions-hc versions-restic
		restic -q -r versions-restic init
		for release in $releases; do
			cat "$release.tar" > /dev/null
			timed "versions/hc/$release" "hc-chunk $release.tar | hc-append -C versions-hc $release > /dev/null"
			echo "$(stored versions-hc)" > "versions-hc.$release"
			timed "versions/restic/$release" "restic -q -r versions-restic backup --stdin --stdin-filename tar < $release.tar"
			echo "$(stored versions-restic)" > "versions-restic.$release"
		done
	done
	set -- $releases
	heading "Two adjacent releases of a source tree: $module $1 and $2, $(megabytes "$(length "$1.tar")") MB each as tar"
	table "what" "first, s" "second, s" "stored MB" "grew by MB" "together, restic = 1"
	for what in hc restic; do
		row "$([[ $what == hc ]] && echo "\`hc-chunk \| hc-append\`" || echo "restic $restic, \`backup --stdin\`, encrypted")" \
			"$(calc %.2f "$(median "versions/$what/$1")")" "$(calc %.2f "$(median "versions/$what/$2")")" \
			"$(calc %.2f "$(cat "versions-$what.$1") / 1e6")" "$(calc %.2f "($(cat "versions-$what.$2") - $(cat "versions-$what.$1")) / 1e6")" \
			"$(calc %.3f "$(cat "versions-$what.$2") / $(cat "versions-restic.$2")")"
	done
	rm -rf versions-*
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

. "$root/scripts/bench-drives.sh"
. "$root/scripts/bench-versions.sh"
. "$root/scripts/bench-jobs.sh"

say "working in $work"
head -c "$size" /dev/urandom > random
tar -C "$(go env GOROOT)" -cf source src
machine
if part cutting; then
	cutting
fi
if part append; then
	append random
	append source
	append_table
	second
	second_table
	rm -rf both second stock-second
fi
if part wire; then
	wire random
	wire source
	wire_table
fi
if part commits; then
	commits
fi
if part releases; then
	releases
fi
if part drives; then
	drives
fi
if part fetch; then
	transfer source
	stop_servers
	transfer random
	fetch_table
	first
	first_table
	stop_servers
fi
rm -rf writer-* stock-*
if part versions; then
	second_versions
fi
((full)) && at_full
if part storing; then
	obtain_restic || true
	storing
fi
if part differing; then
	differing
fi
if part rsync; then
	beside_rsync
fi
if part readers; then
	readers
fi
if part starting; then
	starting
fi
if part append; then
	memory_table
fi
