/* See parse.h. */
#include "parse.h"

#include <aegis/bpf.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct program *p, unsigned line, const char *wrong)
{
	p->line = line;
	p->wrong = wrong;
	return false;
}

static void skip_blanks(const char **at) { *at += strspn(*at, " \t\r"); }

static bool mark(const char **at, char c)
{
	skip_blanks(at);
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* Hexadecimal with 0x, else decimal. */
static bool number(const char **at, uint32_t most, uint32_t *to)
{
	unsigned long long n;
	bool hexadecimal;
	char *end;

	skip_blanks(at);
	if (**at < '0' || **at > '9')
		return false;
	hexadecimal = (*at)[0] == '0' && ((*at)[1] == 'x' || (*at)[1] == 'X');
	n = strtoull(*at, &end, hexadecimal ? 16 : 10);
	*at = end;
	*to = (uint32_t)n;
	return n <= most;
}

static bool instruction(const char *at, struct aegis_bpf *i)
{
	uint32_t code, jt, jf, k;

	if (!mark(&at, '{') || !number(&at, UINT16_MAX, &code) || !mark(&at, ',') || !number(&at, UINT8_MAX, &jt) || !mark(&at, ',') || !number(&at, UINT8_MAX, &jf) || !mark(&at, ',') ||
		!number(&at, UINT32_MAX, &k) || !mark(&at, '}'))
		return false;
	mark(&at, ',');
	mark(&at, '\n');
	*i = (struct aegis_bpf){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };
	return !*at;
}

static bool add_line(struct program *p, unsigned line, const char *text, size_t length)
{
	if (strlen(text) == length && strspn(text, " \t\r\n") == length)
		return true;
	if (p->n == NET_BPF_MAX)
		return fail(p, line, "too long: a program has 512 instructions at most");
	if (strlen(text) != length || !instruction(text, &p->instructions[p->n]))
		return fail(p, line, "not an instruction as `tcpdump -dd` prints it: { code, jt, jf, k },");
	p->lines[p->n++] = line;
	return true;
}
_Static_assert(NET_BPF_MAX == 512, "what the message says");

/* A jump must leave an instruction to go to. */
static bool check_jumps(struct program *p)
{
	for (uint32_t n = 0; n < p->n; n++) {
		const struct aegis_bpf *i = &p->instructions[n];
		uint32_t rest = p->n - n - 1;

		if (bpf_class(i) == BPF_JMP && (bpf_op(i) == BPF_JA ? i->k >= rest : i->jt >= rest || i->jf >= rest))
			return fail(p, p->lines[n], "it jumps out of the program");
	}
	if (!p->n)
		return fail(p, 0, "no instructions");
	return bpf_class(&p->instructions[p->n - 1]) == BPF_RET || fail(p, p->lines[p->n - 1], "the last instruction must return");
}

bool program_read(struct program *p, FILE *text)
{
	size_t room = 0;
	char *line = NULL;
	bool good = true;
	ssize_t length;

	*p = (struct program){ .n = 0 };
	for (unsigned n = 1; good && (length = getline(&line, &room, text)) > 0; n++)
		good = add_line(p, n, line, (size_t)length);
	free(line);
	if (good && ferror(text))
		return fail(p, 0, "it cannot be read");
	return good && check_jumps(p);
}
