/* bench_sign: what a signature costs, in nanoseconds, for a body of 1 KB and of 12 KB.
 * Prints {"1024": ns, "12288": ns}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "sign.h"

struct subject {
    struct signer *signer;
    struct span body;
};

static void sign_once(void *arg, unsigned n)
{
    (void)n;
    struct subject *s = arg;
    char hex[SIGN_HEX_SIZE];
    sign_hex(s->signer, &s->body, 1, hex);
}

int main(void)
{
    struct err err;
    struct subject s;
    if (!sign_new(&s.signer, span_of("a-secret-of-the-usual-length-for-a-connection"), &err))
        return 3;
    char *body = mem_alloc(12288);
    memset(body, '7', 12288);
    s.body = (struct span){body, 1024};
    printf("{\"1024\": %.1f, ", bench_best_ns(sign_once, &s, 2000));
    s.body.len = 12288;
    printf("\"12288\": %.1f}\n", bench_best_ns(sign_once, &s, 500));
    free(body);
    sign_free(s.signer);
    return 0;
}
