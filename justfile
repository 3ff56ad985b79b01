# What one types; `just ci` is the gate, and .ci/run says what it is.

# Everything that has to pass before a commit is pushed.
ci:
    .ci/run

# All tests: no service, no network.
test *ARGS:
    cargo test {{ARGS}}

# Writes every file as rustfmt has it.
fmt:
    cargo fmt --all

fmt-check:
    .ci/run fmt

# Clippy with warnings denied: all targets and features, then the library as it is shipped.
lint:
    .ci/run lint

doc:
    .ci/run doc

# Licences, known bad versions, advisories, sources; needs cargo-deny.
deny:
    .ci/run deny

# Each benchmark, beside the limit of the machine that was measured in the same run.
bench *ARGS:
    cargo bench {{ARGS}}
