# Print a C file that embeds the files named as arguments: `assets` is sorted by path and ends with a
# NULL path. The assembler reads the bytes (.incbin), so a file may hold anything.
set -eu
printf '#include "assets.h"\n\n'
n=0
for path in "$@"; do
    printf '__asm__(".section .rodata\\nasset_%d: .incbin \\"%s\\"\\nasset_%d_end: .byte 0\\n.previous");\n' \
        "$n" "$path" "$n"
    printf 'extern const char asset_%d[], asset_%d_end[];\n' "$n" "$n"
    n=$((n + 1))
done
printf '\nconst struct asset assets[] = {\n'
n=0
for path in "$@"; do
    printf '    {"%s", asset_%d, asset_%d_end},\n' "$path" "$n" "$n"
    n=$((n + 1))
done
printf '    {0, 0, 0},\n};\n'
