/* Signatures against RFC 4231 and `openssl dgst -sha256 -hmac`; re-serialised bodies against what node,
 * php and python3 print. */
#include "sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BODY                                                                                                 \
    "{\"events\":[{\"price\":800.0000,\"big\":9007199254740993,\"e\":1e3,\"path\":\"a\\/b\","                \
    "\"name\":\"Caf\\u00e9 \\ud83d\\ude00\",\"tab\":\"\\t\\u000b\",\"empty\":[],\"nil\":null,\"neg\":-0.5,"  \
    "\"tiny\":0.00000015, \"t\":true}]}"
#define STAMP  "1700000000"
#define SECRET "topsecret"

/* sha256 HMACs under "topsecret", by openssl */
#define EVENTS_API_HEX "d6ca83a6f6d1af72ba88c16f09458b3f2a963406eba8a01677bedc1c3a93768f"
#define AEP_HEX        "64852f5f50c3c6a675f43eb3560575e6d59cedc2f2d519d82ce3bba9ad0f2dff"

static void assert_hmac(struct span key, struct span data, const char *expected)
{
    struct signer *signer;
    struct err err;
    assert_true(sign_new(&signer, key, &err));
    char hex[SIGN_HEX_SIZE];
    for (int again = 0; again < 2; again++) { /* the second time without hashing the key */
        sign_hex(signer, &data, 1, hex);
        assert_string_equal(hex, expected);
    }
    sign_free(signer);
}

static struct span fill(char *bytes, int byte, size_t len)
{
    memset(bytes, byte, len);
    return (struct span){bytes, len};
}

static void test_sign_matches_rfc4231(void **state)
{
    (void)state;
    char key[131], data[50];
    assert_hmac(fill(key, 0x0b, 20), span_of("Hi There"),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hmac(span_of("Jefe"), span_of("what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_hmac(fill(key, 0xaa, 20), fill(data, 0xdd, 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    for (int i = 0; i < 25; i++)
        key[i] = (char)(i + 1);
    assert_hmac((struct span){key, 25}, fill(data, 0xcd, 50),
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    assert_hmac(fill(key, 0xaa, 131), span_of("Test Using Larger Than Block-Size Key - Hash Key First"),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_hmac(fill(key, 0xaa, 131),
                span_of("This is a test using a larger than block-size key and a larger than block-size "
                        "data. The key needs to be hashed before being used by the HMAC algorithm."),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void test_sign_takes_the_empty_secret(void **state)
{
    (void)state;
    const char *expected = "4352b26e33fe0d769a8922a6ba29004109f01688e26acc9e6cb347e5a5afc4da";
    assert_hmac((struct span){"", 0}, span_of("hello"), expected);
    assert_hmac((struct span){NULL, 0}, span_of("hello"), expected);
}

static void test_sign_refuses_an_endless_secret(void **state)
{
    (void)state;
    static char secret[5000];
    struct signer *signer;
    struct err err;
    assert_false(sign_new(&signer, fill(secret, 'x', sizeof secret), &err));
    assert_non_null(strstr(err.text, "4096"));
}

static void test_sign_knows_both_schemes(void **state)
{
    (void)state;
    struct signer *signer;
    struct err err;
    assert_true(sign_new(&signer, span_of(SECRET), &err));
    char hex[SIGN_HEX_SIZE];
    sign_request(signer, SIGN_EVENTS_API, STAMP, span_of(BODY), hex);
    assert_string_equal(hex, EVENTS_API_HEX);
    sign_request(signer, SIGN_AEP, STAMP, span_of(BODY), hex);
    assert_string_equal(hex, AEP_HEX);
    sign_request(signer, SIGN_EVENTS_API, STAMP, span_of(""), hex); /* the Test button */
    assert_string_equal(hex, "1736616ca502dd0795dd33e742aba65214c255d6064bb6035e7b37d18983438e");
    sign_free(signer);
}

static bool mistaken(enum sign_mistake mistake, enum sign_scheme scheme, const char *secret, const char *body,
                     char text[SIGN_MISTAKEN_SIZE])
{
    return sign_mistaken(mistake, scheme, span_of(secret), span_of("second"), STAMP, span_of(body), text);
}

static void assert_mistaken(enum sign_mistake mistake, enum sign_scheme scheme, const char *expected)
{
    char text[SIGN_MISTAKEN_SIZE];
    assert_true(mistaken(mistake, scheme, SECRET, BODY, text));
    assert_string_equal(text, expected);
}

/* The mistake signs `text` with `key`, in hex. */
static void assert_mistaken_over(enum sign_mistake mistake, enum sign_scheme scheme, const char *secret,
                                 const char *body, struct span key, const char *text)
{
    char wrong[SIGN_MISTAKEN_SIZE], hex[SIGN_HEX_SIZE];
    struct signer *signer;
    struct err err;
    struct span data = span_of(text);
    assert_true(sign_new(&signer, key, &err));
    sign_hex(signer, &data, 1, hex);
    sign_free(signer);
    assert_true(mistaken(mistake, scheme, secret, body, wrong));
    assert_string_equal(wrong, hex);
}

static void test_mistakes_in_what_is_signed(void **state)
{
    (void)state;
    assert_mistaken(MISTAKE_NO_DOT, SIGN_EVENTS_API,
                    "0ffeb2ad43a977b29a29d4a479bfeba72c1aea219c079f1f0263d4dd31827fd0");
    assert_mistaken(MISTAKE_NO_TIMESTAMP, SIGN_EVENTS_API, AEP_HEX);
    assert_mistaken(MISTAKE_OTHER_PLATFORM, SIGN_AEP, EVENTS_API_HEX);
}

static void test_mistakes_in_how_it_is_written(void **state)
{
    (void)state;
    assert_mistaken(MISTAKE_BASE64, SIGN_EVENTS_API, "1sqDpvbRr3K6iMFvCUWLPyqWNAbrqKAWd77cHDqTdo8=");
    assert_mistaken(MISTAKE_UPPER_CASE, SIGN_AEP,
                    "64852F5F50C3C6A675F43EB3560575E6D59CEDC2F2D519D82CE3BBA9AD0F2DFF");
}

static void test_mistakes_in_the_secret(void **state)
{
    (void)state;
    assert_mistaken(MISTAKE_SECRET_NEWLINE, SIGN_AEP,
                    "3eb092aa896da0e03d5b4a29a7a53bee62203843bea58d9f6ca832b3515e0113");
    assert_mistaken(MISTAKE_SECRET_SPACE, SIGN_AEP,
                    "4f0ce391439e4abbb0e1bbc53bf367eb1d368f2e45d4f5f3cf26e9575cda9c4a");
    assert_mistaken_over(MISTAKE_SECRET_TRIMMED, SIGN_AEP, "\t a b \n", "x", span_of("a b"), "x");
    assert_mistaken_over(MISTAKE_SECRET_HEX, SIGN_AEP, "746F7073", "x", span_of("tops"), "x");
    assert_mistaken_over(MISTAKE_SECRET_BASE64, SIGN_AEP, "dG9wc2U=", "x", span_of("topse"), "x");
    assert_mistaken_over(MISTAKE_SECRET_BASE64, SIGN_AEP, "dG9wc2U", "x", span_of("topse"), "x");
    assert_mistaken_over(MISTAKE_SECONDARY_SECRET, SIGN_AEP, SECRET, "x", span_of("second"), "x");
    assert_mistaken_over(MISTAKE_SECONDARY_SECRET, SIGN_EVENTS_API, SECRET, "x", span_of("second"),
                         STAMP ".x");
}

static void test_reserialised_body_is_what_the_language_prints(void **state)
{
    (void)state;
    assert_mistaken(MISTAKE_RESERIALISED, SIGN_AEP,
                    "9be28c518fafd6fd1e54b2c1c89981ca3ffda613864ab24849426653f79ee742");
    assert_mistaken(MISTAKE_RESERIALISED, SIGN_EVENTS_API,
                    "f8c377a76f8a87a1ecb6c49abc9e1e17aff8a8e617a429f7500efadc12f5c837");
    assert_mistaken(MISTAKE_RESERIALISED_PHP, SIGN_AEP,
                    "49f5623036dbf513f3059fae3ca9adddd7163613ef52341a879378c7ae0a5d7e");
    assert_mistaken(MISTAKE_RESERIALISED_PYTHON, SIGN_AEP,
                    "1861416a9e64dc86f5b245aa530a2d6a783fe66b3389ef97ad830e6762a0ae93");
}

static void test_reserialised_numbers_are_spelled_as_the_language_does(void **state)
{
    (void)state;
    const char *body = "[1e21,1e20,123456789012345680000,1e-6,1e-7,5e-324,1.7976931348623157e308,-0,-0.0,"
                       "99999999999999984.0,0.1,-12.50,12345678901234567890]";
    struct span secret = span_of(SECRET);
    assert_mistaken_over(MISTAKE_RESERIALISED, SIGN_AEP, SECRET, body, secret,
                         "[1e+21,100000000000000000000,123456789012345680000,0.000001,1e-7,5e-324,"
                         "1.7976931348623157e+308,0,0,99999999999999980,0.1,-12.5,12345678901234567000]");
    assert_mistaken_over(MISTAKE_RESERIALISED_PYTHON, SIGN_AEP, SECRET, body, secret,
                         "[1e+21, 1e+20, 123456789012345680000, 1e-06, 1e-07, 5e-324, "
                         "1.7976931348623157e+308, 0, -0.0, 9.999999999999998e+16, 0.1, -12.5, "
                         "12345678901234567890]");
    assert_mistaken_over(MISTAKE_RESERIALISED_PHP, SIGN_AEP, SECRET, "[1e17,-0,12.50,12345678901234567890]",
                         secret, "[1.0e+17,0,12.5,1.2345678901234567e+19]");
}

static void test_mistakes_that_do_not_apply_say_so(void **state)
{
    (void)state;
    char text[SIGN_MISTAKEN_SIZE];
    assert_false(mistaken(MISTAKE_NO_DOT, SIGN_AEP, SECRET, BODY, text));
    assert_false(mistaken(MISTAKE_OTHER_PLATFORM, SIGN_EVENTS_API, SECRET, BODY, text));
    assert_false(mistaken(MISTAKE_SECRET_TRIMMED, SIGN_AEP, SECRET, BODY, text));      /* nothing to trim */
    assert_false(mistaken(MISTAKE_SECRET_HEX, SIGN_AEP, SECRET, BODY, text));          /* not hex */
    assert_false(mistaken(MISTAKE_SECRET_HEX, SIGN_AEP, "abc", BODY, text));           /* half a byte */
    assert_false(mistaken(MISTAKE_SECRET_BASE64, SIGN_AEP, "a-b!", BODY, text));       /* not base64 */
    assert_false(mistaken(MISTAKE_RESERIALISED, SIGN_AEP, SECRET, "{\"a\":", text));   /* not JSON */
    assert_false(mistaken(MISTAKE_RESERIALISED, SIGN_AEP, SECRET, "{\"a\":1}", text)); /* the same bytes */
    assert_false(sign_mistaken(MISTAKE_NO_DOT, SIGN_EVENTS_API, span_of(SECRET), span_of(NULL), NULL,
                               span_of(BODY), text)); /* without a timestamp that is NO_TIMESTAMP */
    assert_false(sign_mistaken(MISTAKE_SECONDARY_SECRET, SIGN_AEP, span_of(SECRET), span_of(NULL), STAMP,
                               span_of(BODY), text));
}

static void test_mistakes_have_names_that_find_them(void **state)
{
    (void)state;
    for (enum sign_mistake m = 0; m < MISTAKE_COUNT; m++) {
        enum sign_mistake found;
        assert_true(sign_mistake_find(sign_mistake_name(m), &found));
        assert_int_equal(found, m);
        assert_true(strlen(sign_mistake_sentence(m)) > 10 && strlen(sign_mistake_fix(m)) > 10);
    }
    enum sign_mistake none;
    assert_false(sign_mistake_find("no-such", &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_matches_rfc4231),
        cmocka_unit_test(test_sign_takes_the_empty_secret),
        cmocka_unit_test(test_sign_refuses_an_endless_secret),
        cmocka_unit_test(test_sign_knows_both_schemes),
        cmocka_unit_test(test_mistakes_in_what_is_signed),
        cmocka_unit_test(test_mistakes_in_how_it_is_written),
        cmocka_unit_test(test_mistakes_in_the_secret),
        cmocka_unit_test(test_reserialised_body_is_what_the_language_prints),
        cmocka_unit_test(test_reserialised_numbers_are_spelled_as_the_language_does),
        cmocka_unit_test(test_mistakes_that_do_not_apply_say_so),
        cmocka_unit_test(test_mistakes_have_names_that_find_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
