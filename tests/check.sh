# Every test, one stage after the other; make check runs this when the program is built. Stops at the first
# stage that fails. The last line sums up what the stages counted.
set -eu
make=${MAKE:-make}
log=$(mktemp)
trap 'rm -f "$log" "$log".all' EXIT
: > "$log".all

stage() {
    name=$1
    shift
    printf '\n==> %s\n' "$name"
    started=$(date +%s)
    "$@" > "$log" 2>&1 && status=0 || status=$?
    cat "$log" >> "$log".all
    if [ $status -ne 0 ]; then
        cat "$log"
        printf '==> %s FAILED\n' "$name"
        exit 1
    fi
    grep -E 'PASSED|passed' "$log" | tail -n 40 || true
    printf '==> %s: %s s\n' "$name" "$(($(date +%s) - started))"
}

stage layers $make -s layers
stage format $make -s format-check
stage 'unit tests, ASan and UBSan' $make -s asan
stage 'end-to-end tests, ASan and UBSan' $make -s e2e PIMSIM=build/asan/pimsim
stage 'kill matrix' $make -s matrix

# cmocka closes with "[  PASSED  ] N test(s).", pytest and the matrix with "N passed".
awk '/\[  PASSED  \]/ { n += $4 } / passed/ { for (i = 2; i <= NF; i++) if ($i ~ /^passed/) n += $(i - 1) }
     END { printf "\n%d passed, 0 failed\n", n }' "$log".all
