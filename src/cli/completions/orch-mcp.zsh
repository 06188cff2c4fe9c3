#compdef orch-mcp
# Completion of orch-mcp for zsh. The program itself says what may follow.
_orch-mcp() {
    local line
    local -a candidates shown
    for line in "${(@f)$(orch-mcp __complete zsh -- "${(@)words[1,CURRENT]}" 2>/dev/null)}"; do
        line=${line%$'\t'}
        [[ -n $line ]] || continue
        candidates+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    if (( ${#candidates} )); then
        compadd -l -d shown -a candidates
    else
        _files
    fi
}
if [[ $funcstack[1] == _orch-mcp ]]; then
    _orch-mcp "$@"
elif (( $+functions[compdef] )); then
    compdef _orch-mcp orch-mcp
else
    autoload -Uz compinit && compinit && compdef _orch-mcp orch-mcp
fi
