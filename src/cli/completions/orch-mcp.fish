# Completion of orch-mcp for fish. The program itself says what may follow.
complete -c orch-mcp -f -a '(orch-mcp __complete fish -- (commandline -opc) (commandline -ct) 2>/dev/null)'
complete -c orch-mcp -l state-dir -r -F
complete -c orch-mcp -n '__fish_seen_subcommand_from man' -l out -r -F
