/* Parsing of the start file. Keys that are not known are passed over: the archive may be younger than this. */
#include <exos/start_file.h>

static uint64_t number(const char *s)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	return v;
}

/* The value if the record's key is `key`. */
static char *value(char *record, const char *key)
{
	size_t n = strlen(key);

	return strncmp(record, key, n) == 0 && record[n] == '=' ? record + n + 1 : NULL;
}

static int add(char **list, uint32_t *count, char *s)
{
	if (*count == START_STRINGS)
		return -E2BIG;
	list[(*count)++] = s;
	return 0;
}

int start_file_parse(struct start_file *to, char *bytes, size_t length)
{
	uint32_t argc = 0, envc = 0;
	char *v;

	if (!length || bytes[length - 1])
		return -EINVAL;
	*to = (struct start_file){ .cwd = "/", .rows = 24, .columns = 80 };
	for (char *record = bytes; record < bytes + length; record += strlen(record) + 1) {
		int error = 0;

		if ((v = value(record, "argv")))
			error = add(to->argv, &argc, v);
		else if ((v = value(record, "env")))
			error = add(to->envp, &envc, v);
		else if ((v = value(record, "program-name")))
			to->program = v;
		else if ((v = value(record, "program-else")))
			to->instead = v;
		else if ((v = value(record, "cwd")))
			to->cwd = v;
		else if ((v = value(record, "tty")) && strlen(v) == 3)
			for (int i = 0; i < 3; i++)
				to->terminal[i] = v[i] == '1';
		else if (value(record, "plain"))
			to->plain = true;
		else if ((v = value(record, "rows")))
			to->rows = (uint16_t)number(v);
		else if ((v = value(record, "columns")))
			to->columns = (uint16_t)number(v);
		else if ((v = value(record, "root")))
			to->root = (uint32_t)number(v);
		else if ((v = value(record, "epoch")))
			to->epoch = number(v);
		if (error)
			return error;
	}
	if (!to->program)
		to->program = to->argv[0];
	return argc ? 0 : -EINVAL;
}
