/* The terminal's settings and control commands, with the layouts and numbers that POSIX systems on this architecture
 * agreed on: a personality hands ioctl's command and argument on as they are.
 *
 * Every bit can be set and is given back. Those that speak of a wire (speed, parity, break, modem) or of paper
 * terminals (delays, upper case only, ECHOPRT) change nothing on a terminal that has neither. */
#pragma once

#include <stdint.h>

enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT, VDISCARD, VWERASE,
	VLNEXT, VEOL2, CONTROL_CHARACTERS = 19 };
#define DISABLED 0 /* a control character that is not in use */

enum { ISTRIP = 0040, INLCR = 0100, IGNCR = 0200, ICRNL = 0400, IXON = 02000, IXANY = 04000,
	IMAXBEL = 020000, IUTF8 = 040000 };
enum { OPOST = 01, ONLCR = 04, OCRNL = 010, ONOCR = 020, ONLRET = 040, TABS_MASK = 014000, TABS_EXPANDED = 014000 };
enum { B38400 = 017, CS8 = 060, CREAD = 0200, HUPCL = 02000 };
enum { ISIG = 01, ICANON = 02, ECHO = 010, ECHOE = 020, ECHOK = 040, ECHONL = 0100, NOFLSH = 0200, TOSTOP = 0400,
	ECHOCTL = 01000, ECHOKE = 04000, IEXTEN = 0100000 };

struct termios {
	uint32_t input, output, line, local; /* bits of the four enums above */
	uint8_t discipline;
	uint8_t control[CONTROL_CHARACTERS];
};
_Static_assert(sizeof(struct termios) == 36, "what programs hand over has 36 bytes");

struct window_size {
	uint16_t rows, columns, width, height; /* the latter in pixels */
};

enum {
	TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCSBRK = 0x5409, TCXONC, TCFLSH,
	TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCGWINSZ = 0x5413, TIOCSWINSZ, TIOCNOTTY = 0x5422, TIOCGETD = 0x5424, TCSBRKP = 0x5425, TIOCGSID = 0x5429,
};
enum { TCOOFF, TCOON, TCIOFF, TCION };          /* of TCXONC */
enum { TCIFLUSH, TCOFLUSH, TCIOFLUSH };         /* of TCFLSH */
