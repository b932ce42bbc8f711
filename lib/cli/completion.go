package cli

import (
	"fmt"
	"strings"
)

// The completions are plain scripts, made once; pressing the key runs no tool. Local names of cores are read from the
// store's folder: a name is a file in DIR/names.

// bash returns the completion for bash, 3.2 and later.
func (p *page) bash() string {
	function := "_" + strings.ReplaceAll(p.name, "-", "_")
	var b strings.Builder
	fmt.Fprintf(&b, "# bash completion for %s. Made by `make completions`. Do not edit.\n", p.name)
	fmt.Fprintf(&b, "%s() {\n", function)
	b.WriteString("\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n")
	b.WriteString("\tCOMPREPLY=()\n")
	b.WriteString("\tif [[ $cur == = ]]; then cur=\n") // --name=value comes as three words
	b.WriteString("\telif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n")
	if p.Arguments == VerbArguments {
		b.WriteString(bashVerbs)
	}
	b.WriteString("\tcase $prev in\n")
	var flags []string
	for _, f := range p.visible() {
		flags = append(flags, f.names()...)
		if f.value == "" {
			continue
		}
		fmt.Fprintf(&b, "\t%s) ", strings.Join(f.names(), " | "))
		switch {
		case len(f.choices) > 0:
			fmt.Fprintf(&b, "COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", strings.Join(f.choices, " "))
		case f.file:
			b.WriteString("return ;;\n")
		default:
			b.WriteString("compopt +o default 2> /dev/null; return ;;\n")
		}
	}
	b.WriteString("\tesac\n")
	fmt.Fprintf(&b, "\tif [[ $cur == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n\t\treturn\n\tfi\n",
		strings.Join(flags, " "))
	switch p.Arguments {
	case CoreArguments:
		b.WriteString(bashCores)
	case VerbArguments:
		fmt.Fprintf(&b, "\tlocal verbs=$({ printf '%%s\\n' %s; compgen -c hc- | sed 's/^hc-//'; } | sort -u)\n", p.verbWords())
		b.WriteString("\tCOMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\"))\n")
	case NoArguments:
		b.WriteString("\tcompopt +o default 2> /dev/null\n")
	}
	fmt.Fprintf(&b, "}\ncomplete -o default -F %s %s\n", function, p.name)
	return b.String()
}

// bashCores offers the names in the store that -C or $HC_DIR names.
const bashCores = `	local dir=${HC_DIR:-.hc} i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-C | --dir) dir=${COMP_WORDS[i+1]} ;;
		esac
	done
	COMPREPLY=($(compgen -W "$(command ls -- "$dir/names" 2> /dev/null)" -- "$cur"))
`

// bashVerbs passes the words after a verb to that tool's own completion.
const bashVerbs = `	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-C | --dir) ((i++)) ;;
		-* | help) ;;
		*)
			local tool=hc-${COMP_WORDS[i]}
			local complete=_${tool//-/_}
			if ! declare -F "$complete" > /dev/null && declare -F __load_completion > /dev/null; then
				__load_completion "$tool"
			fi
			if declare -F "$complete" > /dev/null; then
				COMP_WORDS=("$tool" "${COMP_WORDS[@]:i+1}")
				((COMP_CWORD -= i))
				"$complete"
			fi
			return
			;;
		esac
	done
`

// zsh returns the completion for zsh: a file _NAME for its fpath.
func (p *page) zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n# Made by `make completions`. Do not edit.\n\n", p.name)
	var specs []string
	for _, f := range p.visible() {
		specs = append(specs, zshSpec(f))
	}
	switch p.Arguments {
	case FileArguments:
		specs = append(specs, "'*:file:_files'")
	case CoreArguments:
		b.WriteString("_hc_cores() {\n" +
			"\tlocal dir=${opt_args[-C]:-${opt_args[--dir]:-${HC_DIR:-.hc}}}\n" +
			"\tlocal -a names=($dir/names/*(N:t))\n" +
			"\t_describe -t cores core names\n}\n\n")
		specs = append(specs, "'*:core:_hc_cores'")
	case VerbArguments:
		b.WriteString("_hc_verbs() {\n" +
			"\tlocal -aU verbs=(" + p.verbWords() + " ${${(k)commands[(I)hc-*]}#hc-})\n" +
			"\t_describe -t verbs verb verbs\n}\n\n" +
			"_hc_words() {\n\twords[1]=hc-$words[1]\n\t_normal\n}\n\n")
		specs = append(specs, "'1:verb:_hc_verbs'", "'*::word:_hc_words'")
	}
	fmt.Fprintf(&b, "_arguments -s -S : \\\n\t%s\n", strings.Join(specs, " \\\n\t"))
	return b.String()
}

func zshSpec(f flagInfo) string {
	text := zshEscape(f.usage)
	action := ""
	if f.value != "" {
		action = ":" + zshEscape(f.value) + ":"
		switch {
		case len(f.choices) > 0:
			action += "(" + strings.Join(f.choices, " ") + ")"
		case f.file:
			action += "_files"
		default:
			action += " "
		}
	}
	var names []string
	for _, n := range f.names() {
		switch {
		case f.value == "":
		case strings.HasPrefix(n, "--"):
			n += "=" // the value follows after = or as the next word
		default:
			n += "+" // … or at once
		}
		names = append(names, n)
	}
	if len(names) == 1 {
		star := ""
		if f.repeatable {
			star = "*"
		}
		return fmt.Sprintf("'%s%s[%s]%s'", star, names[0], text, action)
	}
	if f.repeatable {
		return fmt.Sprintf("'*'{%s}'[%s]%s'", strings.Join(names, ","), text, action)
	}
	return fmt.Sprintf("'(%s)'{%s}'[%s]%s'", strings.Join(f.names(), " "), strings.Join(names, ","), text, action)
}

func zshEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`, `'`, `'\''`).Replace(s)
}

// fish returns the completion for fish.
func (p *page) fish() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %s. Made by `make completions`. Do not edit.\n", p.name)
	switch p.Arguments {
	case NoArguments:
		fmt.Fprintf(&b, "complete -c %s -f\n", p.name)
	case CoreArguments:
		fmt.Fprintf(&b, "complete -c %s -f -a '(%s)'\n", p.name, fishCores)
	case VerbArguments:
		fmt.Fprintf(&b, "complete -c %s -f -n __fish_use_subcommand -a '%s (%s)'\n", p.name, p.verbWords(), fishVerbs)
	}
	p.fishFlags(&b, "complete -c "+p.name)
	for _, newApp := range p.Verbs {
		verb := pageOf(complete(newApp(&IO{})))
		command := fmt.Sprintf("complete -c %s -n '__fish_seen_subcommand_from %s'", p.name, verbOf(verb.name))
		switch verb.Arguments {
		case NoArguments:
			fmt.Fprintf(&b, "%s -f\n", command)
		case CoreArguments:
			fmt.Fprintf(&b, "%s -f -a '(%s)'\n", command, fishCores)
		}
		verb.fishFlags(&b, command)
	}
	return b.String()
}

// fishFlags writes a line for each flag, after the command that adds it.
func (p *page) fishFlags(b *strings.Builder, command string) {
	for _, f := range p.visible() {
		b.WriteString(command)
		for _, s := range f.short {
			fmt.Fprintf(b, " -s %s", s)
		}
		fmt.Fprintf(b, " -l %s", f.long)
		switch {
		case len(f.choices) > 0:
			fmt.Fprintf(b, " -x -a '%s'", strings.Join(f.choices, " "))
		case f.file:
			b.WriteString(" -r -F")
		case f.value != "":
			b.WriteString(" -x")
		}
		fmt.Fprintf(b, " -d '%s'\n", strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(f.usage))
	}
}

// verbWords returns the verbs that every machine has.
func (p *page) verbWords() string {
	return strings.Join(append([]string{"help", "version"}, p.Verbs.Names()...), " ")
}

const (
	fishCores = `set -l d .hc; set -q HC_DIR; and set d $HC_DIR; command ls -- $d/names 2> /dev/null`
	fishVerbs = `complete -C hc- | string match -r "^hc-\\S+" | string replace hc- ""`
)
