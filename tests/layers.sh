# Check that every file of sim/ (or of the folder given) includes only what sim/LAYERS allows it: files of
# lower layers, of its own line, and itself; and that each library and system call has one owner.
set -eu
cd "${1:-$(dirname "$0")/../sim}"

awk '
function fail(text) { printf "sim/%s:%d: %s\n", FILENAME, FNR, text; failed = 1 }

# The line of LAYERS that a file stands on, by its name without its ending; 0: none. A table may go by
# its module: event_types.def belongs to event.
function line_of(file,    stem, i) {
    stem = file
    sub(/\.[a-z]+$/, "", stem)
    for (i = 1; i <= modules; i++)
        if (stem ~ pattern[i] || (file ~ /\.def$/ && index(stem, module[i] "_") == 1))
            return line[i]
    return 0
}

function only(what, files) { limits++; limit[limits] = what; owners[limits] = " " files " " }
function never(files, headers) { bans++; banned_in[bans] = files; banned[bans] = headers }

BEGIN {
    only("#include <curl/", "deliver.c")
    only("#include <microhttpd.h>", "httpd.c")
    only("#include <openssl/", "sign.c connector.c")
    only("#include <sqlite3.h>", "inbox.c")
    only("#include <(cjson/)?cJSON", "connector.c ask.c")
    only("#include <yajl/", "json.c")
    only("(^|[^a-z_])(clock_gettime ?[(]|gettimeofday ?[(]|time ?[(](NULL|0|&))", "clock.c")
    only("(^|[^a-z_])(getrandom|s?rand|s?random)(_r)? ?[(]", "rng.c")
    # What judges must not be able to agree with what it judges by construction.
    never("^(connector|ask|inbox)", "^(profile|platform|sign|event|json)")
    never("^(judge|blame|trial|reason|transcript)", "^(platform|deliver)")
}

FILENAME == "LAYERS" {
    if (/^#/ || NF == 0)
        next
    for (i = 2; i <= NF; i++) {
        modules++
        module[modules] = pattern[modules] = $i
        gsub(/\*/, ".*", pattern[modules])
        pattern[modules] = "^" pattern[modules] "$"
        line[modules] = FNR
        rank[FNR] = $1
    }
    next
}

FNR == 1 {
    here = line_of(FILENAME)
    if (!here)
        fail("is missing in sim/LAYERS")
}

/^ *#include "/ {
    split($0, parts, "\"")
    there = line_of(parts[2])
    if (!there)
        fail(parts[2] " is missing in sim/LAYERS")
    else if (here && there != here && rank[there] + 0 >= rank[here] + 0)
        fail("layer " rank[here] " includes " parts[2] " of layer " rank[there])
    for (i = 1; i <= bans; i++)
        if (FILENAME ~ banned_in[i] && parts[2] ~ banned[i])
            fail("must not know " parts[2])
}

{
    for (i = 1; i <= limits; i++)
        if ($0 ~ limit[i] && !index(owners[i], " " FILENAME " "))
            fail("only" owners[i] "may say this: " $0)
}

END { exit failed }
' LAYERS *.c *.h *.def
