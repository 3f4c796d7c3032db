/* bench_sign: how many bytes a second one signer signs. Usage: bench_sign BYTES SECONDS; prints the rate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sign.h"

int main(int argc, char **argv)
{
    struct signer *signer;
    struct err err;
    char hex[SIGN_HEX_SIZE];
    if (argc != 3 || !sign_new(&signer, span_of("a secret of usual length"), &err)) {
        fputs("usage: bench_sign BYTES SECONDS\n", stderr);
        return 2;
    }
    size_t len = strtoul(argv[1], NULL, 10);
    char *body = mem_alloc(len);
    memset(body, 'x', len);
    uint64_t start_us = clock_mono_us(), end_us = start_us + strtoul(argv[2], NULL, 10) * 1000000, count = 0;
    uint64_t now_us;
    do {
        for (int i = 0; i < 100; i++, count++)
            sign_request(signer, SIGN_AEP, "", (struct span){body, len}, hex);
        now_us = clock_mono_us();
    } while (now_us < end_us);
    printf("%.0f\n", (double)count * (double)len * 1e6 / (double)(now_us - start_us));
    sign_free(signer);
    free(body);
    return 0;
}
