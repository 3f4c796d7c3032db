# Every test, one stage after the other; make check runs this when the program is built. Stops at the first
# stage that fails. The last line sums up what the stages counted.
set -eu
make=${MAKE:-make}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# cmocka ends with "[  PASSED  ] N test(s).", pytest with "N passed in 3s", the matrix with "N passed, N failed".
sum() {
    awk '/^\[  PASSED  \] [0-9]/ { passed += $4 }
         /^\[  FAILED  \] [0-9]/ { failed += $4 }
         /^([0-9]+ [a-z]+, )*[0-9]+ [a-z]+ in [0-9.]+s/ || /^kill matrix, / {
             for (i = 2; i <= NF; i++) {
                 if ($i ~ /^passed/) passed += $(i - 1)
                 if ($i ~ /^(failed|error)/) failed += $(i - 1)
             }
         }
         END { if (broken && !failed) failed = 1; printf "%d passed, %d failed", passed, failed }' "$@"
}

stage() {
    name=$1
    shift
    printf '\n==> %s\n' "$name"
    started=$(date +%s)
    if "$@" > "$log/stage" 2>&1; then
        cat "$log/stage" >> "$log/all"
        printf '==> %s: %s, %s s\n' "$name" "$(sum "$log/stage" | sed 's/^0 passed, 0 failed$/ok/')" \
            "$(($(date +%s) - started))"
    else
        cat "$log/stage" >> "$log/all"
        cat "$log/stage"
        printf '==> %s FAILED after %s s\n\n%s\n' "$name" "$(($(date +%s) - started))" "$(sum broken=1 "$log/all")"
        exit 1
    fi
}

stage 'layers' $make -s layers
stage 'format' $make -s format-check
stage 'unit tests, ASan and UBSan' $make -s asan
stage 'end-to-end tests, ASan and UBSan' $make -s e2e PIMSIM=build/asan/pimsim
stage 'kill matrix' $make -s matrix
printf '\n%s\n' "$(sum "$log/all")"
