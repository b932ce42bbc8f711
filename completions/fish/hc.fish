# fish completion for hc. Made by `make completions`. Do not edit.
complete -c hc -f -n __fish_use_subcommand -a 'help version fsck (complete -C hc- | string match -r "^hc-\\S+" | string replace hc- "")'
complete -c hc -s C -l dir -r -F -d 'the store is the folder DIR (else $HC_DIR, else ./.hc)'
complete -c hc -s q -l quiet -d 'no progress and no notes, only errors'
complete -c hc -s v -l verbose -d 'log what happens on standard error'
complete -c hc -s h -l help -d 'show this help'
complete -c hc -l version -d 'show the version'
complete -c hc -n '__fish_seen_subcommand_from fsck' -f
complete -c hc -n '__fish_seen_subcommand_from fsck' -s C -l dir -r -F -d 'the store is the folder DIR (else $HC_DIR, else ./.hc)'
complete -c hc -n '__fish_seen_subcommand_from fsck' -l json -d 'write JSON Lines instead of text'
complete -c hc -n '__fish_seen_subcommand_from fsck' -s q -l quiet -d 'no progress and no notes, only errors'
complete -c hc -n '__fish_seen_subcommand_from fsck' -s v -l verbose -d 'log what happens on standard error'
complete -c hc -n '__fish_seen_subcommand_from fsck' -s h -l help -d 'show this help'
complete -c hc -n '__fish_seen_subcommand_from fsck' -l version -d 'show the version'
