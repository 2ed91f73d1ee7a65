/* The one list of errors that a kernel call returns, negated, in place of its result.
 * On any of them the kernel is as it was before the call. */
#pragma once

#define AEGIS_ERRORS(X) \
	X(FAULT, 2, "a pointer given does not reach readable (or writable) user memory") \
	X(INVALID, 3, "an argument is out of its range or its combination is meaningless") \
	X(DENIED, 4, "neither ownership nor a valid capability allows this") \
	X(NOFRAME, 5, "the frame is not free, or no frame is free") \
	X(LIMIT, 6, "the account may hold no more of this resource") \
	X(NOENV, 7, "no such environment, or it is stopped or being destroyed") \
	X(NOTABLE, 8, "a page-table frame is missing on the way to that address") \
	X(BUSY, 9, "the resource is still bound, running or in use") \
	X(AGAIN, 10, "bounded work was done and more is left: call again") \
	X(STATE, 11, "the environment is not in a state where this is possible") \
	X(FULL, 12, "the table or vector has no free position") \
	X(IO, 13, "the device could not do it, or is gone")

#define X(name, number, text) E_##name = number,
enum aegis_error { AEGIS_ERRORS(X) };
#undef X
