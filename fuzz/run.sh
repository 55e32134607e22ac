#!/usr/bin/env bash
# Builds the fuzz targets once and runs each for a while on the committed corpus, as many at a time
# as there are processors.
#
#   fuzz/run.sh                        every target, 10 seconds each
#   fuzz/run.sh 60                     a minute each (also: --seconds 60)
#   fuzz/run.sh --target session       one of them; --target may be repeated
#   fuzz/run.sh --seed 1                   the same choices every time, as far as the time goes
#   fuzz/run.sh --keep DIR             writes what it finds to DIR/<target>, instead of nowhere
#
# One line per target, and `N passed, N failed` at the end. Fails if a target crashes, runs out of
# time or memory on an input, or does not run. README.md says what to do then.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit "$1"
}

seconds=10
keep=
seed=0 # libFuzzer takes it for "another one on every run"
targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds | --target | --keep | --seed)
            [ $# -ge 2 ] || { echo "fuzz/run.sh: $1 needs a value" >&2; exit 2; }
            case $1 in
                --seconds) seconds=$2 ;;
                --target) targets+=("$2") ;;
                --keep) keep=$2 ;;
                --seed) seed=$2 ;;
            esac
            shift 2
            ;;
        -h | --help) usage 0 ;;
        [0-9]*) seconds=$1; shift ;;
        *) echo "fuzz/run.sh: unknown argument $1" >&2; usage 2 >&2 ;;
    esac
done
case $seconds in
    '' | 0 | *[!0-9]*) echo "fuzz/run.sh: --seconds takes a whole number above 0" >&2; exit 2 ;;
esac
case $seed in
    '' | *[!0-9]*) echo "fuzz/run.sh: --seed takes a whole number" >&2; exit 2 ;;
esac
if [ ${#targets[@]} -eq 0 ]; then
    for source in fuzz_targets/*.rs; do targets+=("$(basename "$source" .rs)"); done
fi
bins=()
for target in "${targets[@]}"; do
    [ -f "fuzz_targets/$target.rs" ] || { echo "fuzz/run.sh: no target $target" >&2; exit 2; }
    [ -f "dictionaries/$target.dict" ] || { echo "fuzz/run.sh: no dictionaries/$target.dict" >&2; exit 2; }
    bins+=(--bin "$target")
done

# RUSTFLAGS would take the place of the instrumentation in .cargo/config.toml.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
cargo build --release --locked --quiet "${bins[@]}" || exit 1
build="${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run() {
    local target=$1 log=$scratch/$1.log found=$scratch/$1 started=$SECONDS
    [ -z "$keep" ] || found=$keep/$target
    mkdir -p "$found" "artifacts/$target"
    # New inputs go to the first directory; the committed corpus is only read.
    "$build/$target" "$found" "corpus/$target" -dict="dictionaries/$target.dict" \
        -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" \
        -seed="$seed" -rss_limit_mb=2048 -timeout=10 -max_len=4096 -print_final_stats=1 >"$log" 2>&1
    local status=$?
    local executed covered features
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    features=$(sed -n 's/.* ft: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    if [ $status -eq 0 ] && [ "${executed:-0}" -gt 0 ] && [ "${covered:-0}" -gt 0 ]; then
        printf 'ok   %-14s %10d execs  cov %5d  ft %6d  %4d s\n' \
            "$target" "$executed" "$covered" "$features" $((SECONDS - started))
        return 0
    fi
    printf 'FAIL %-14s exit status %d\n' "$target" "$status"
    grep -A12 'panicked at\|^SUMMARY\|^ALARM\|^==.*ERROR' "$log" | grep -v '^ *at \|^ *[0-9]*: ' | head -60
    return 1
}

# What each says is printed in one piece, when it has ended.
work() {
    run "$1" >"$scratch/$1.out"
    local status=$?
    cat "$scratch/$1.out"
    return $status
}

at_once=$(nproc 2>/dev/null || echo 1)
passed=0
failed=0
running=0
collect() {
    if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    running=$((running - 1))
}
for target in "${targets[@]}"; do
    [ "$running" -lt "$at_once" ] || collect
    work "$target" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do collect; done
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
