/* SPDX-License-Identifier: Apache-2.0 */
/* floattext.h - doubles to text and back, exactly, whatever the locale of the program is.
 * Threads: pure functions. */
#ifndef MAGGIE_FLOATTEXT_H
#define MAGGIE_FLOATTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Longest text float_print writes: sign, 17 digits, point, 5 of exponent, or 0.000 in front. */
#define FLOAT_TEXT_MAX 32

/* Writes the fewest digits that read back as d (of those the nearest to d) without a NUL; answers
 * the length. Exponent form below 1e-4 and from 1e6 on; no fraction when it is zero; `NaN`,
 * `+Inf`, `-Inf`, `-0`. */
size_t float_print(double d, char out[FLOAT_TEXT_MAX]);

/* Reads all of the text as [+-] digits [. digits] [e [+-] digits], inf, infinity or nan (any case;
 * a digit may be missing on one side of the point). False for anything else and for numbers too
 * large for a double. Rounds to the nearest, ties to even. */
bool float_parse(const char *text, size_t len, double *out);

#endif
