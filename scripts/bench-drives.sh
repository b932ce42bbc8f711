# shellcheck shell=bash disable=SC2154,SC2034
# bench-drives.sh is the part of bench.sh that measures drives: it is read by that, and uses what is defined there.

export drive_peer=$root/tests/peers/drive.js

# drives clones the Go source tree, with hc and with stock Hyperdrive's mirror, and imports a tree again after one file in a
# hundred has changed.
drives() {
	local i
	cp -RL "$(go env GOROOT)/src" tree
	if [[ -n $stock ]]; then # which would import hc's store, too, were it there
		mkfifo nothing
		printf 'import %s\nquit\n' "$work/tree" | node "$drive_peer" --storage stock-drive > stock-drive.out
		serve drive-serve/stock "node \"\$drive_peer\" --storage stock-drive --listen 0<> nothing"
		stock_port=$port
	fi
	hc share tree --once > drive.key
	serve drive-serve/hc "hc share tree --no-watch --json --listen 127.0.0.1:0"
	hc_port=$port
	for ((i = 1; i <= runs; i++)); do
		say "drives: clone, run $i of $runs"
		timed drive/hc "$m drive-clone/hc hc clone $(cat drive.key) copy-hc-$i --peer 127.0.0.1:$hc_port 2> /dev/null"
		same_tree "copy-hc-$i"
		[[ -n $stock ]] || continue
		timed drive/stock "printf 'mirror copy-stock-$i\nquit\n' | $m drive-clone/stock node \"\$drive_peer\" --storage reader-$i --key $(field stock-drive.out key) --connect 127.0.0.1:$stock_port > /dev/null"
		same_tree "copy-stock-$i"
	done
	stop_servers # who has ended has noted its peak
	drives_table
	rm -rf tree copy-* reader-* stock-drive nothing drive.key
	again
}

# same_tree stops if a clone is not what was shared.
same_tree() {
	diff -r --exclude=.hc tree "$1" > /dev/null || die "$1 is not the tree that was cloned"
}

drives_table() {
	local what
	heading "Cloning the Go source tree, $(find tree -type f -not -path '*/.hc/*' | wc -l | tr -d ' ') files, over loopback TCP"
	table "what" "s" "CPU s, the reader" "hc = 1" "peak MiB, the reader" "peak MiB, the server"
	for what in hc ${stock:+stock}; do
		row "$([[ $what == hc ]] && echo "\`hc clone\` of \`hc share\`" || echo "stock Hyperdrive, \`mirror\`")" \
			"$(calc %.2f "$(median "drive/$what")")" "$(calc %.2f "$(median "drive/$what" 3)")" \
			"$(calc %.1f "$(median "drive/$what") / $(median drive/hc)")" "$(peak "drive-clone/$what")" "$(peak "drive-serve/$what")"
	done
}

# again imports a tree of 100,000 files after every hundredth got another line, beside git status and reading those files.
again() {
	local i n files=100000
	say "drives: again, $files files"
	for ((i = 0; i < 100; i++)); do
		mkdir -p "many/$i"
		for ((n = i; n < files; n += 100)); do echo "file $n" > "many/$i/$n"; done
	done
	hc share many --once > /dev/null
	export GIT_DIR=$work/many.git GIT_WORK_TREE=$work/many
	git init -q
	git config gc.auto 0
	echo .hc > many.git/info/exclude
	git add -A
	git -c user.name=bench -c user.email=bench@localhost commit -qm bench
	sleep 3 # what is younger than a clock's tick is read again, by hc and by git
	hc share many --once > /dev/null
	git status > /dev/null
	for ((i = 1; i <= runs; i++)); do
		say "drives: again, run $i of $runs"
		for ((n = 0; n < files; n += 100)); do echo "run $i" >> "many/$((n / 100 % 100))/$((n + n / 100 % 100))"; done
		timed again/git "cd many && git status --porcelain | cut -c 4- | xargs cat > /dev/null"
		timed again/hc "hc share many --once 2> /dev/null > /dev/null"
		git -c user.name=bench -c user.email=bench@localhost commit -qam "$i"
	done
	heading "Importing $files files again, 1 % of them changed"
	table "what" "s" "CPU s" "git = 1"
	row "\`git status\`, and reading what changed" "$(calc %.2f "$(median again/git)")" "$(calc %.2f "$(median again/git 3)")" 1
	row "\`hc share --once\`, durable" "$(calc %.2f "$(median again/hc)")" "$(calc %.2f "$(median again/hc 3)")" "$(calc %.2f "$(median again/hc) / $(median again/git)")"
	unset GIT_DIR GIT_WORK_TREE
	rm -rf many many.git
}
