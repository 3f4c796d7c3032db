/* clock: the only file that reads the system's clock, and the run's virtual clock.
 *
 * Waits are virtual, deadlines are real: a virtual clock runs with the real one (times a speed) and
 * may jump forward when nothing is in flight. */
#ifndef PIMSIM_CLOCK_H
#define PIMSIM_CLOCK_H

#include "base.h"

uint64_t clock_mono_us(void); /* monotonic, for measuring */
int64_t clock_wall_us(void);  /* since the Unix epoch */

/* "2026-01-31T09:13:59Z" (AEP) and "2026-01-31T09:13:59+00:00" (Events API). */
#define CLOCK_TEXT_SIZE 32
void clock_format_z(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);
void clock_format_offset(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);
/* Unix seconds or RFC 3339 into microseconds since the epoch. */
bool clock_parse(const char *text, int64_t *wall_us, struct err *err) MUST_USE;

#define SPEED_MAX 0 /* jump whenever nothing is in flight */

struct vclock {
    uint64_t real_start_us, ahead_us; /* ahead: the sum of all jumps */
    unsigned speed;                   /* SPEED_MAX, or how many virtual seconds a real one lasts */
};

void vclock_init(struct vclock *v, unsigned speed);
uint64_t vclock_now_us(const struct vclock *v);                   /* virtual, since vclock_init */
uint64_t vclock_wait_us(const struct vclock *v, uint64_t due_us); /* real wait until a virtual moment */
/* Jump to due_us. Call only with nothing in flight; does nothing unless speed is SPEED_MAX. */
void vclock_jump(struct vclock *v, uint64_t due_us);
/* So much real time, just past, does not count. */
void vclock_forget(struct vclock *v, uint64_t real_us);

#endif
