# Types a line and a tab into an interactive zsh that has sourced a completion script, and prints
# what the line became. Usage: zsh -f zsh_keys.zsh SCRIPT LINE
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= ; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source $1"
zpty -w shell 'show() { print -r -- "<<$BUFFER>>"; zle send-break }; zle -N show; bindkey "^X" show'
zpty -w shell 'print rea""dy'
zpty -r -m shell seen '*ready*' 
zpty -w -n shell "$2"$'\t'
sleep 0.4
zpty -w -n shell $'\x18'
zpty -r -m shell seen '*<<*>>*'
print -r -- "${${seen##*<<}%%>>*}"
zpty -d shell
