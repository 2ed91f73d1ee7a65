/* arbiter-pack OUTPUT ARBITER POLICY LIBRARY: what boots before the root archive is appended: the arbiter's image, the policy, the library's
 * image, each on a page boundary. Runs on the host; refuses a wrong policy with its line and exit status 125. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apps/arbiter/policy.h>

#define PAGE 4096
#define MACHINE_FAILED 125
#define POLICY_MOST 65536

static _Noreturn void fail(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	fputs("exo: ", stderr);
	vfprintf(stderr, text, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(MACHINE_FAILED);
}

static char *read_file(const char *name, size_t *n)
{
	FILE *in = fopen(name, "rb");
	char *bytes = NULL;
	size_t room = 0, got;

	if (!in)
		fail("%s: cannot be read", name);
	*n = 0;
	do {
		room = 2 * room + POLICY_MOST;
		bytes = realloc(bytes, room);
		if (!bytes)
			fail("out of memory");
		got = fread(bytes + *n, 1, room - *n, in);
		*n += got;
	} while (got && !ferror(in));
	if (ferror(in))
		fail("%s: cannot be read", name);
	fclose(in);
	return bytes;
}

static void check(const char *file, const char *text, size_t n)
{
	struct policy_error error;
	struct policy policy;
	char line[16] = "";

	if (policy_parse(&policy, text, n, &error))
		return;
	if (error.line)
		snprintf(line, sizeof(line), ":%u", error.line);
	if (*error.word)
		fail("%s%s: %s '%s'", file, line, error.text, error.word);
	fail("%s%s: %s", file, line, error.text);
}

static void put(FILE *out, const void *bytes, size_t n)
{
	if (n && fwrite(bytes, 1, n, out) != n)
		fail("the boot module cannot be written");
}

static void put_padding(FILE *out)
{
	static const char zeros[PAGE];

	put(out, zeros, (size_t)(-ftell(out) & (PAGE - 1)));
}

int main(int argc, char **argv)
{
	struct policy_block block = { .magic = POLICY_MAGIC };
	char *arbiter, *policy, *library;
	size_t arbiter_bytes, policy_bytes, library_bytes;
	const char *name;
	FILE *out;

	if (argc != 5)
		fail("usage: arbiter-pack OUTPUT ARBITER POLICY LIBRARY");
	policy = read_file(argv[3], &policy_bytes);
	name = strrchr(argv[3], '/') ? strrchr(argv[3], '/') + 1 : argv[3];
	if (policy_bytes > POLICY_MOST)
		fail("%s: larger than any policy", name);
	check(name, policy, policy_bytes);
	arbiter = read_file(argv[2], &arbiter_bytes);
	library = read_file(argv[4], &library_bytes);
	block.bytes = (uint32_t)policy_bytes;
	snprintf(block.name, sizeof(block.name), "%s", name);
	if (!(out = fopen(argv[1], "wb")))
		fail("%s: cannot be written", argv[1]);
	put(out, arbiter, arbiter_bytes);
	put_padding(out);
	put(out, &block, sizeof(block));
	put(out, policy, policy_bytes);
	put_padding(out);
	put(out, library, library_bytes);
	if (fclose(out))
		fail("%s: cannot be written", argv[1]);
	return 0;
}
