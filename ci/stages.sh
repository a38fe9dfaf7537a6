# Stages of ci/test: run a command, say how long it took, count what passed. To be sourced.

passed=0 failed=0 skipped=0
failures=() skips=()
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# stage NAME COMMAND...: one command, one result. Whether it passed.
stage() {
    local name=$1 begin=$SECONDS
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    if "$@"; then
        passed=$((passed + 1))
        printf -- '--- %s: passed, %d s\n' "$name" $((SECONDS - begin))
    else
        failed=$((failed + 1))
        failures+=("$name")
        printf -- '--- %s: FAILED, %d s\n' "$name" $((SECONDS - begin))
        return 1
    fi
}

# stage_or_skip NAME COMMAND...: one command, one result, unless it says in a line "skipped: WHY" that it has none.
stage_or_skip() {
    local name=$1 begin=$SECONDS out=$log/output status outcome
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    "$@" | tee "$out"
    status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        failed=$((failed + 1)) outcome=FAILED
        failures+=("$name")
    elif grep -q '^skipped: ' "$out"; then
        skipped=$((skipped + 1)) outcome=skipped
        skips+=("$name: $(sed -n 's/^skipped: //p' "$out")")
    else
        passed=$((passed + 1)) outcome=passed
    fi
    printf -- '--- %s: %s, %d s\n' "$name" "$outcome" $((SECONDS - begin))
    return "$status"
}

# stage_of_tests NAME COMMAND...: a command that prints libtest's lines, whose counts are added up.
stage_of_tests() {
    local name=$1 begin=$SECONDS out=$log/tests status count
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee "$out"
    status=${PIPESTATUS[0]}
    count=$(sum_of passed)
    passed=$((passed + count))
    count=$(sum_of failed)
    failed=$((failed + count))
    # A build that fails, or a test that ends the whole process, has no failed test to show for it.
    if [ "$status" -ne 0 ] && [ "$count" -eq 0 ]; then
        failed=$((failed + 1))
        failures+=("$name")
    fi
    skipped=$((skipped + $(sum_of ignored)))
    mapfile -t -O "${#failures[@]}" failures < <(sed -nE 's/^test (.*[^ ]) +\.\.\. FAILED$/\1/p' "$out")
    mapfile -t -O "${#skips[@]}" skips < <(sed -nE 's/^test (.*[^ ]) +\.\.\. ignored.*$/\1/p' "$out")
    printf -- '--- %s: exit status %d, %d s\n' "$name" "$status" $((SECONDS - begin))
}

# sum_of WORD: the numbers before WORD in libtest's closing lines.
sum_of() {
    sed -nE "s/^test result: .* ([0-9]+) $1;.*/\1/p" "$log/tests" | awk '{ sum += $1 } END { print sum + 0 }'
}

# at_most BYTES FILE: whether the file exists and is no larger.
at_most() {
    local size
    size=$(stat -c %s "$2") && printf '%s: %d bytes, at most %d\n' "$2" "$size" "$1" && [ "$size" -le "$1" ]
}

# finish: names what failed or was skipped, prints the closing line and exits.
finish() {
    printf '\n%d s in all\n' "$SECONDS"
    [ "${#failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
    [ "${#skips[@]}" -eq 0 ] || printf 'skipped: %s\n' "${skips[@]}"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
    exit
}
