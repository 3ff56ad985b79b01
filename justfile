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

# strandline beside other logs and beside the machine, as a table: --only TEXT, --plots DIR (docs/performance.md).
compare *ARGS:
    cargo run --release --manifest-path tools/compare/Cargo.toml -- {{ARGS}}

# Every figure there is, as one document: the rows above, memory, benchmarks, the command. Hours.
compare-all *ARGS:
    tools/compare/all {{ARGS}}

# What the seam of the file system costs: the library as shipped beside one with the simulated disk.
seam ROUNDS="9":
    tools/compare/seam {{ROUNDS}}

# The command beside plain loops, and beside Kafka's own dump tool where there are a JDK and Maven.
toolbox *ARGS:
    tools/compare/toolbox {{ARGS}}

# That nothing has become several times slower: ratios, a few seconds; part of `cargo test`.
speed:
    cargo test --test speed -- --nocapture

# Kills, longer than the gate: 5,000 at random, and one before every call that changes something.
kill-long:
    STRANDLINE_KILLS=5000 STRANDLINE_SWEEP=1 cargo test --release --test machine -- kill:: a_kill_before

# A process follows another for ten million small records, while that one dies ten times.
follow-long RECORDS="10000000":
    STRANDLINE_FOLLOWED={{RECORDS}} cargo test --release --test machine -- --nocapture follow::

# Every single bit of a log of ours, some 620,000 of them, flipped: verify tells file, batch and bit. Minutes.
flips-long:
    STRANDLINE_ALL_FLIPS=1 cargo test --test command every_flipped_bit_of_a_log -- --nocapture

# The command as one file that needs nothing of the system (README: which target for what).
static TARGET="x86_64-unknown-linux-musl":
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release -p strandline-cli --target {{TARGET}}

# Every system call with every error, once and from then on; needs strace, takes minutes.
error-sweep-long:
    STRANDLINE_SWEEP=1 cargo test --release --test machine -- an_error_of_any_call

# 500 images of a disk whose power fails, for each of ext4 and xfs; needs root.
power-cut:
    STRANDLINE_POWER_CUTS=500 cargo test --release --test machine -- a_power_cut

# Power cuts on the simulated disk: rounds of about 1.3 million images, 23 of them 30 million; FROM
# which one on.
sim-long ROUNDS="23" FROM="1":
    STRANDLINE_SIM_ROUNDS={{ROUNDS}} STRANDLINE_SIM_FROM={{FROM}} cargo test --release --test crash -- --ignored --nocapture

# Each mistake that can be planted, and whether it is noticed.
planted:
    cargo test --test planted -- --nocapture

# Mutants of what keeps records, of which the tests are to kill nine in ten; needs cargo-mutants, hours.
mutants:
    cargo mutants --package strandline --file 'src/record/**' --file 'src/segment/**' --file 'src/log/**'

# Which lines the tests run; needs rustup's llvm-tools, some ten minutes.
coverage *DIRECTORY:
    tools/coverage {{DIRECTORY}}

# The model of a log against random operations, longer than the gate runs it.
model-long:
    STRANDLINE_MODEL_CASES=20000 cargo test --release --test model

# Threads of a log under a checker of schedules, which needs a build of its own.
concurrency SCHEDULES="20000":
    STRANDLINE_SCHEDULES={{SCHEDULES}} RUSTFLAGS="--cfg shuttle" \
        cargo test --lib concurrency -- --nocapture

# Tests under a sanitizer, with a nightly toolchain: `address` (with leaks), or `thread`, which needs
# that toolchain's rust-src, for a standard library without it looks like one full of races.
sanitize KIND="address":
    RUSTFLAGS="-Zsanitizer={{KIND}}" cargo +nightly test \
        {{ if KIND == "thread" { "-Zbuild-std" } else { "" } }} \
        --target "$(rustc -vV | sed -n 's/^host: //p')" --lib --test api --test planted

# Every damage to every file of larger logs, and more asked of each than the gate does.
sweep-long:
    STRANDLINE_SWEEP=long cargo test --release --test sweep -- --nocapture no_damage

# A target of fuzz/ by coverage, for so many seconds; needs nightly and cargo-fuzz (fuzz/Cargo.toml).
fuzz target seconds="60":
    cargo test --test fuzz -- --ignored unpack
    cargo +nightly fuzz run --sanitizer none {{target}} -- -max_total_time={{seconds}} -max_len=4096 -timeout=20 -rss_limit_mb=2048

# Leaves in a target's corpus what coverage needs, and packs it.
fuzz-minimise target:
    cargo +nightly fuzz cmin --sanitizer none {{target}} -- -max_len=4096
    cargo test --test fuzz -- --ignored pack

# Every target over many more mutations than the gate runs: a thousand million for each decoder.
fuzz-long times="500":
    STRANDLINE_FUZZ_TIMES={{times}} cargo test --release --test fuzz -- --nocapture
    STRANDLINE_FUZZ_TIMES={{times}} cargo test --release -p strandline-cli fuzz -- --nocapture

# Real brokers and Java clients on our directories (docs/kafka-live.md); needs JDK 17 and Maven.
kafka-live *ARGS:
    tools/kafka-live/run {{ARGS}}
