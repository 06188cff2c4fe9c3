# Completion of orch-mcp for bash. The program itself says what may follow.
_orch_mcp() {
    local word
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        COMPREPLY+=("$word")
    done < <(orch-mcp __complete bash -- "$2" "$COMP_LINE" "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
    # A value is still to follow a flag that ends in `=`, a prefix that ends in `/` may go on.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace
    fi
}
complete -o bashdefault -o default -F _orch_mcp orch-mcp
