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

# The kill loop, longer than the gate runs it.
kill-long:
    STRANDLINE_KILLS=5000 cargo test --release --test machine -- --nocapture no_acknowledged

# The model of a log against random operations, longer than the gate runs it.
model-long:
    STRANDLINE_MODEL_CASES=20000 cargo test --release --test model
