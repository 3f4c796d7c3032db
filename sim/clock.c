/* clock: see clock.h. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
    return (uint64_t)read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

static void format(int64_t wall_us, const char *zone, char text[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm t;
    gmtime_r(&seconds, &t);
    size_t len = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + len, CLOCK_TEXT_SIZE - len, "%s", zone);
}

void clock_format_z(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    format(wall_us, "Z", text);
}

void clock_format_offset(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    format(wall_us, "+00:00", text);
}

/* "+05:30" into seconds east of Greenwich; "Z" and no zone at all are UTC. */
static bool parse_zone(const char *text, int64_t *offset_s)
{
    static const char digits[] = "0123456789";
    *offset_s = 0;
    if (strcmp(text, "Z") == 0 || *text == '\0')
        return true;
    if (strlen(text) != 6 || !strchr("+-", *text) || strspn(text + 1, digits) != 2 || text[3] != ':' ||
        strspn(text + 4, digits) != 2)
        return false;
    *offset_s = (strtol(text + 1, NULL, 10) * 60 + strtol(text + 4, NULL, 10)) * (*text == '-' ? -60 : 60);
    return true;
}

bool clock_parse(const char *text, int64_t *wall_us, struct err *err)
{
    char *end;
    long long seconds = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && seconds >= 0 && seconds < 253402300800) {
        *wall_us = (int64_t)seconds * 1000000;
        return true;
    }
    struct tm t = {0};
    int64_t fraction_us = 0, offset_s;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (rest && *rest == '.')
        for (int64_t digit_us = 100000; *++rest >= '0' && *rest <= '9'; digit_us /= 10)
            fraction_us += (*rest - '0') * digit_us;
    if (!rest || !parse_zone(rest, &offset_s))
        return err_set(err, "\"%s\" is neither Unix seconds nor a time such as 2026-01-31T09:13:59Z", text);
    *wall_us = ((int64_t)timegm(&t) - offset_s) * 1000000 + fraction_us;
    return true;
}

void vclock_init(struct vclock *v, unsigned speed)
{
    *v = (struct vclock){.real_start_us = clock_mono_us(), .speed = speed};
}

uint64_t vclock_now_us(const struct vclock *v)
{
    uint64_t real_us = clock_mono_us() - v->real_start_us;
    return real_us * (v->speed ? v->speed : 1) + v->ahead_us;
}

uint64_t vclock_wait_us(const struct vclock *v, uint64_t due_us)
{
    uint64_t now_us = vclock_now_us(v);
    if (due_us <= now_us)
        return 0;
    unsigned speed = v->speed ? v->speed : 1;
    return (due_us - now_us + speed - 1) / speed;
}

void vclock_jump(struct vclock *v, uint64_t due_us)
{
    uint64_t now_us = vclock_now_us(v);
    if (v->speed == SPEED_MAX && due_us > now_us)
        v->ahead_us += due_us - now_us;
}

void vclock_forget(struct vclock *v, uint64_t real_us)
{
    v->real_start_us += real_us;
}
