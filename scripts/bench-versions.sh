# shellcheck shell=bash disable=SC2154,SC2034
# bench-versions.sh is the part of bench.sh that measures what the second version of a folder costs: it is read by that,
# and uses what is defined there. docs/performance.md defines what the tables say.

# second_versions takes a source tree, of two adjacent releases, and a folder with one large file, into which 11 bytes are
# inserted.
second_versions() {
	local old new who beside="hc ${stock:+stock}"
	build nextversion
	build relay
	rm -f nothing
	mkfifo nothing
	beside+=" $(there rsync casync restic borg)"

	mkdir file-old file-new
	head -c "$size" random > file-old/data
	insert_eleven file-old/data > file-new/data
	if old=$(release_dir v1.31.1) && new=$(release_dir v1.31.2); then
		second_version tree "$old" "$new" "$module v1.31.1 → v1.31.2" api/openapi-spec/swagger.json
	else
		say "SKIPPED: the second version of a tree: $module is not to be had"
	fi
	second_version file file-old file-new "a file of $(megabytes "$size") MB, 11 bytes inserted in its middle" data
	rm -rf file-old file-new nothing count
}

# second_version runs all of them by turns. Of the other programs, one that fails is left out.
second_version() { # INPUT OLD NEW TITLE FILE
	local input=$1 old=$2 new=$3 title=$4 file=$5 i who code failed= compressed hashes
	nextversion count "$old" "$new" > count
	compressed=$(field count compressed)
	hashes=$(($(field count chunks) * 32))
	for ((i = 1; i <= runs; i++)); do
		for who in $beside; do
			[[ " $failed " != *" $who "* ]] && its_turn "$i" "$who" "version-$input" || continue
			say "second version, $input: $who, run $i of $(turns "$who" "version-$input")"
			rm -rf v
			cp -R "$old" v-folder
			chmod -R u+w v-folder
			mkdir v
			mv v-folder v/folder
			if [[ $who == hc || $who == stock ]]; then
				"second_$who"
				stop_servers
				continue
			fi
			code=0
			set +e # so that it ends where it fails, and this goes on
			(
				set -e
				servers=()
				trap stop_servers EXIT
				"second_$who"
			)
			code=$?
			set -e
			if ((code)); then
				say "SKIPPED: $who, which failed with exit code $code"
				failed+=" $who"
			fi
		done
	done
	rm -rf v
	second_version_table
	already_table
}

# note NAME NUMBER keeps a number; kept prints the median of these, as a whole number.
note() { echo "second/$input/$who/$1 $2 0 0" >> times; }
has() { grep -q "^second/$input/$who/$1 " times; }
kept() { if has "$1"; then calc %.0f "$(median "second/$input/$who/$1")"; else printf "–"; fi; }
kept_seconds() { if has "$1"; then calc %.2f "$(median "second/$input/$who/$1")"; else printf "–"; fi; }

# took NAME LINE notes the seconds of a pipeline.
took() { timed "second/$input/$who/$1" "$2"; }

# growing NAME FOLDER FUNCTION…: notes by how much the folder grows while the function runs.
growing() {
	local name=$1 folder=$2 before
	shift 2
	before=$(stored "$folder")
	"$@"
	note "$name" $(($(stored "$folder") - before))
}

# through_relay NAME TARGET LINE times a line, in which PORT is that of a relay to the target, and notes the bytes that went through.
through_relay() {
	local to from
	rm -f relayed
	serve relay "relay relayed $1 $2"
	took "$1" "${3//PORT/$port}"
	stop_server
	read -r _ to from < relayed
	wired "$1" "$to" "$from"
}
wired() { note "$1-to" "$2" && note "$1-from" "$3" && note "$1-wire" $(($2 + $3)); } # NAME TO FROM

# same FOLDER stops if a copy is not what it should be.
same() { # WANT COPY
	diff -r --exclude=.hc "$1" "$2" > v/differences || die "$who, $input: $2 is not $1: $(head -n 3 v/differences)"
}

second_hc() {
	local key at
	key=$(share)
	serve second-serve "hc-serve -C v/folder/.hc --json --listen 127.0.0.1:0"
	at=127.0.0.1:$port
	hc clone "$key" v/copy --peer "$at" --quiet
	same "$old" v/copy
	share > /dev/null # what was younger than a clock's tick is read again
	nextversion apply "$old" "$new" v/folder
	growing owner v/folder/.hc took import "hc share v/folder --once --quiet > /dev/null"
	growing reader v/copy/.hc through_relay pull "$at" "hc pull v/copy --peer 127.0.0.1:PORT --quiet"
	same "$new" v/copy
	((i == 1)) || return 0

	mv "v/folder/$file" v/folder/renamed
	share > /dev/null
	through_relay renamed "$at" "hc pull v/copy --peer 127.0.0.1:PORT --quiet"
	cp v/folder/renamed v/folder/copied
	share > /dev/null
	through_relay copied "$at" "hc pull v/copy --peer 127.0.0.1:PORT --quiet"
	same v/folder v/copy
	mkdir v/other
	key=$(hc-chunk "$new" | hc-append -C v/folder/.hc other --drive | cut -d ' ' -f 1)
	through_relay other "$at" "hc-fetch -C v/copy/.hc $key --tree / --peer 127.0.0.1:PORT | hc-verify $key --tar | tar -x -C v/other"
	same "$new" v/other
	note names "$(hc-fetch -C v/folder/.hc "$key" --names | wc -c)"
}
share() { hc share v/folder --once --quiet; }

second_stock() {
	local key import
	import=$(stock_line "--storage v/store" "import $work/v/folder")
	bash -c "$import"
	key=$(field stock.out key)
	stock_mirror first v/store v/reader v/copy
	same "$old" v/copy
	nextversion apply "$old" "$new" v/folder
	settle v/store ""
	growing owner v/store stock_import
	settle v/reader "--key $key"
	growing reader v/reader stock_pull
	same "$new" v/copy
	[[ $i == 1 && $input == tree ]] || return 0 # the large file takes its own size each time

	mv "v/folder/$file" v/folder/renamed
	bash -c "$import"
	stock_mirror renamed v/store v/reader v/copy
	cp v/folder/renamed v/folder/copied
	bash -c "$import"
	stock_mirror copied v/store v/reader v/copy
	same v/folder v/copy
	bash -c "$(stock_line "--storage v/other-store" "import $work/v/folder")"
	key=$(field stock.out key)
	stock_mirror other v/other-store v/reader v/other
	same v/folder v/other
}
stock_import() {
	took import "$import"
	settle v/store ""
}
stock_pull() {
	stock_mirror pull v/store v/reader v/copy
	settle v/reader "--key $key"
}
# settle opens a stock store and closes it: this moves data that its last user left in its log, which would be counted as added
# by the next one. Its old reports are removed, too.
settle() { # STORE OPTIONS
	# shellcheck disable=SC2086 # these are words
	echo quit | node "$drive_peer" --storage "$1" $2 > /dev/null
	rm -f "$1"/db/LOG.old.*
}
# stock_line OPTIONS COMMAND… prints a line that has a stock peer do these, and that fails if it did not.
stock_line() {
	local options=$1
	shift
	echo "printf '%s\n'$(printf " '%s'" "$@") quit | node \"\$drive_peer\" $options > stock.out && grep -qE '\"event\":\"(imported|mirrored)\"' stock.out"
}
stock_serve() { serve second-serve/stock "node \"\$drive_peer\" --storage $1 --listen 0<> nothing"; }
stock_mirror() { # NAME STORE READER COPY
	stock_serve "$2"
	through_relay "$1" "127.0.0.1:$port" "$(stock_line "--storage $3 --key $key --connect 127.0.0.1:PORT" update "mirror $work/$4")"
	stop_server
}

# rsync counts itself what goes between its two halves, which are on one machine here, but proceed as if they were not.
second_rsync() {
	local copy='rsync -az --no-whole-file --delete --stats --no-human-readable v/folder/ v/copy/'
	bash -c "$copy" > v/stats
	same "$old" v/copy
	nextversion apply "$old" "$new" v/folder
	rsync_copy pull
	same "$new" v/copy
	((i == 1)) || return 0
	mv "v/folder/$file" v/folder/renamed
	rsync_copy renamed
	cp v/folder/renamed v/folder/copied
	rsync_copy copied
	same v/folder v/copy
}
rsync_copy() {
	took "$1" "$copy > v/stats"
	wired "$1" "$(sed -n 's/^Total bytes received: //p' v/stats)" "$(sed -n 's/^Total bytes sent: //p' v/stats)"
}

# casync's reader takes the index and chunks from a web server, except chunks that are in the copy that it has.
second_casync() {
	local make='casync make --store=v/served/default.castr v/served/index.caidx v/folder > /dev/null'
	local extract='casync extract --store=http://127.0.0.1:PORT/default.castr --seed=v/copy http://127.0.0.1:PORT/index.caidx'
	mkdir v/served v/copy
	bash -c "$make"
	through_relay first v/served "$extract v/copy"
	same "$old" v/copy
	nextversion apply "$old" "$new" v/folder
	growing owner v/served took import "$make"
	through_relay pull v/served "$extract v/second"
	same "$new" v/second
	((i == 1)) || return 0
	mv "v/folder/$file" v/folder/renamed
	bash -c "$make"
	through_relay renamed v/served "${extract/copy/second} v/third"
	cp v/folder/renamed v/folder/copied
	bash -c "$make"
	through_relay copied v/served "${extract/copy/third} v/fourth"
	same v/folder v/fourth
}

second_restic() {
	export RESTIC_PASSWORD=none RESTIC_CACHE_DIR=$work/v/cache
	restic -q -r v/repository init
	restic -q -r v/repository backup v/folder
	nextversion apply "$old" "$new" v/folder
	growing owner v/repository took import "restic -q -r v/repository backup v/folder"
	((i == 1)) || return 0
	restic -q -r v/repository restore latest --target v/copy > /dev/null
	same "$new" "v/copy/v/folder"
}

second_borg() {
	export BORG_BASE_DIR=$work/v/borg BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	mkdir v/borg v/copy
	borg init -e none v/repository
	borg create -C zstd,3 v/repository::first v/folder
	nextversion apply "$old" "$new" v/folder
	growing owner v/repository took import "borg create -C zstd,3 v/repository::second v/folder"
	((i == 1)) || return 0
	(cd v/copy && borg extract ../repository::second)
	same "$new" v/copy/v/folder
}

second_version_table() {
	heading "A second version: $title"
	printf '%s files of %s MB. Changed: %s files; %s of %s chunks, %s bytes, compressed %s. Hashes of the tree: %s bytes.\n\n' \
		"$(field count files)" "$(megabytes "$(field count bytes)")" "$(field count changed)" "$(field count new)" "$(field count chunks)" \
		"$(field count new_bytes)" "$compressed" "$hashes"
	local who
	table "what" "import, s" "the owner's store grew by, bytes" "pull, s" "to the owner, bytes" "from the owner, bytes" \
		"both ÷ (changed, compressed, + 1 % of the hashes)" "the reader's store grew by, bytes"
	for who in $beside; do
		[[ " $failed " != *" $who "* ]] || continue
		row "$(named)$(one_run "$who" "version-$input")" "$(kept_seconds import)" "$(kept owner)" "$(kept_seconds pull)" "$(kept pull-to)" "$(kept pull-from)" \
			"$(! has pull-wire || calc %.2f "$(kept pull-wire) / ($compressed + $hashes / 100)")" "$(kept reader)"
	done
}

# already_table prints how much comes over the wire of the data that a reader has already.
already_table() {
	local who names=() all=() renamed=() copied=()
	for who in $beside; do
		if has renamed-wire && [[ " $failed " != *" $who "* ]]; then
			names+=("$(named)") all+=("$(kept other-wire)") renamed+=("$(kept renamed-wire)") copied+=("$(kept copied-wire)")
		fi
	done
	heading "The same bytes again: $title, bytes on the wire, both ways"
	table "what" "bytes" "hashes of its chunks" "its names" "${names[@]}"
	row "all of it, in another drive of the same server" "$(field count bytes)" "$hashes" "$(who=hc && kept names)" "${all[@]}"
	row "\`$file\`, renamed" "$(length "$new/$file")" "" "" "${renamed[@]}"
	row "\`$file\`, copied" "$(length "$new/$file")" "" "" "${copied[@]}"
}

named() {
	case $who in
	hc) echo "\`hc share --once\`, \`hc pull\`" ;;
	stock) echo "stock Hyperdrive, \`mirror\`" ;;
	rsync) echo "\`rsync -az\`" ;;
	casync) echo "casync, over HTTP" ;;
	restic) echo "restic $(restic version | cut -d ' ' -f 2), encrypted" ;;
	borg) echo "borg, zstd" ;;
	esac
}
