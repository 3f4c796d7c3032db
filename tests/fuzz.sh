# Fuzz every reader of foreign bytes for FUZZ_SECONDS each: tests/fuzz_*.c, with libFuzzer. What was found
# interesting stays in build/fuzz/corpus for the next time; what fails, in build/fuzz.
set -eu
seconds=${FUZZ_SECONDS:-30}
make=${MAKE:-make}
cc=clang-14
build=build/fuzz
sanitize='address,undefined -fno-sanitize-recover=all'
libraries='libmicrohttpd libcurl libcrypto libcjson sqlite3 yajl'

# shellcheck disable=SC2086
$make -s BUILD=$build CC=$cc CFLAGS='-O1 -g' SANITIZE="-fsanitize=fuzzer-no-link,$sanitize" $build/libpimsim.a
for target in ${FUZZ:-json scenario event capture journal}; do
    # shellcheck disable=SC2046,SC2086
    $cc -std=c17 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,$sanitize -Isim $(pkg-config --cflags $libraries) \
        -o $build/fuzz_$target tests/fuzz_$target.c $build/libpimsim.a $(pkg-config --libs $libraries) -lm
done

seeds() {
    case $1 in
    scenario) find scenarios -name '*.json' ! -name '*.schema.json' ;;
    event) find fixtures/aep fixtures/events-api -name '*.json' ;;
    journal) find tests/journals build/fuzz/journals -name '*.ndjson' ;;
    capture) find build/fuzz/captures -name '*.http' ;;
    json) find fixtures scenarios -name '*.json' ;;
    esac
}

# Requests and journals of our own making, as seeds.
mkdir -p $build/captures $build/journals
for platform in aep events-api; do
    build/pimsim sign product.updated -p $platform -s fuzz --as http > $build/captures/$platform.http
    build/pimsim demo core/reachability signatures/odd -p $platform --bug sig-odd -q \
        --journal $build/journals/$platform.ndjson > /dev/null || true
done

failed=0
for target in ${FUZZ:-json scenario event capture journal}; do
    mkdir -p $build/corpus/$target $build/seeds/$target
    seeds $target | while read -r file; do
        cp "$file" "$build/seeds/$target/$(printf %s "$file" | tr / _)"
    done
    printf '==> %s, %s s\n' "$target" "$seconds"
    if ! $build/fuzz_$target -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix=$build/$target- -verbosity=0 -print_final_stats=1 \
        $build/corpus/$target $build/seeds/$target > $build/$target.log 2>&1; then
        tail -n 40 $build/$target.log
        failed=1
    fi
    grep -E 'number_of_executed_units' $build/$target.log || true
done
exit $failed
