# Every habit has its recipe.

# What must hold on each commit.
check: format-check lint test

# Format everything.
format:
    cargo fmt

format-check:
    cargo fmt --check

lint:
    cargo clippy --all-targets --locked -- --deny warnings

# All tests; words narrow them down.
test *filter:
    cargo test --locked {{ filter }}

# The tests that drive the real Claude Code, which is installed below target/; words narrow them down.
e2e *filter:
    tests/e2e/run {{ filter }}

# The protocol's own test suite, which is installed below target/ (needs npm).
conformance:
    tests/conformance/run

# The official MCP clients, old and new, over each transport; they are installed below target/; words narrow them down.
clients *filter:
    tests/clients/run {{ filter }}

# Write the pictures of tools and help anew; look at the difference before you commit it.
snapshots:
    ORCH_WRITE_SNAPSHOTS=1 cargo test --locked --test main contract

# Simulate many seeds, for an hour of quiet.
simulate seeds="500":
    ORCH_SIM_SEEDS={{ seeds }} cargo test --locked --test main sim -- --nocapture

# The figures of README, beside the raw limits of this machine.
bench *what:
    cargo bench --locked --bench bench -- {{ what }}

# schemathesis over what the HTTP server says of itself (needs python3); words go to it.
schemathesis *words:
    tests/schemathesis/run {{ words }}

# The program, for trying things out in a store of its own.
dev *arguments:
    cargo run --locked --quiet -- --state-dir target/dev-state {{ arguments }}

# Licences, advisories and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check

# The bundle for Claude Desktop, tried out, and server.json with its checksum (needs zip; npx validates it).
mcpb *binary:
    packaging/mcpb/build {{ binary }}

# Is this repository a good plugin? (needs Claude Code)
plugin:
    claude plugin validate --strict .
