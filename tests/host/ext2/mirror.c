/* The mirror of a volume. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror.h"

bool mirror_full, mirror_loose;

static struct mirror_file *file_new(uint32_t mode)
{
	static uint32_t seeds;
	struct mirror_file *f = calloc(1, sizeof(*f));

	f->mode = mode;
	f->links = (mode & S_IFMT) == S_IFDIR ? 2 : 1;
	f->seed = ++seeds;
	return f;
}

static void directory_add(struct mirror *m, struct mirror_file *dir)
{
	m->directories = realloc(m->directories, (m->directory_count + 1) * sizeof(*m->directories));
	m->directories[m->directory_count++] = dir;
}

static void directory_drop(struct mirror *m, const struct mirror_file *dir)
{
	uint32_t i = 0;

	while (m->directories[i] != dir)
		i++;
	m->directories[i] = m->directories[--m->directory_count];
}

struct mirror *mirror_new(void)
{
	struct mirror *m = calloc(1, sizeof(*m));

	m->root = file_new(S_IFDIR | 0755);
	m->root->parent = m->root;
	directory_add(m, m->root);
	return m;
}

static struct mirror_file *file_copy(struct mirror *m, struct mirror_file *f, struct mirror_file *parent)
{
	struct mirror_file *c = f->copy;

	if (c)
		return c;
	c = f->copy = malloc(sizeof(*c));
	*c = *f;
	c->names = NULL;
	c->parent = parent ? parent : c;
	c->target = f->target ? strdup(f->target) : NULL;
	if (f->there) {
		c->there = malloc(f->units);
		memcpy(c->there, f->there, f->units);
	}
	if ((f->mode & S_IFMT) == S_IFDIR)
		directory_add(m, c);
	for (struct mirror_name *n = f->names; n; n = n->next) {
		struct mirror_name *cn = malloc(sizeof(*cn));

		*cn = (struct mirror_name){ .next = c->names, .name = strdup(n->name), .file = file_copy(m, n->file, c) };
		c->names = cn;
	}
	return c;
}

static void copies_forget(struct mirror_file *f)
{
	f->copy = NULL;
	for (struct mirror_name *n = f->names; n; n = n->next)
		copies_forget(n->file);
}

struct mirror *mirror_copy(const struct mirror *m)
{
	struct mirror *c = calloc(1, sizeof(*c));

	c->root = file_copy(c, m->root, NULL);
	copies_forget(m->root);
	copies_forget(c->root);
	return c;
}

static void file_end(struct mirror_file *f)
{
	free(f->there);
	free(f->target);
	free(f);
}

static void file_unlink(struct mirror_file *f)
{
	if (--f->links == 0)
		file_end(f);
}

static void tree_end(struct mirror_file *dir)
{
	while (dir->names) {
		struct mirror_name *n = dir->names;

		dir->names = n->next;
		if ((n->file->mode & S_IFMT) == S_IFDIR)
			tree_end(n->file);
		else
			file_unlink(n->file);
		free(n->name);
		free(n);
	}
	file_end(dir);
}

void mirror_end(struct mirror *m)
{
	tree_end(m->root);
	free(m->directories);
	free(m);
}

static struct mirror_name **place_of(struct mirror_file *dir, const char *name)
{
	struct mirror_name **at = &dir->names;

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	return at;
}

struct mirror_file *mirror_find(const struct mirror_file *dir, const char *name)
{
	for (const struct mirror_name *n = dir->names; n; n = n->next)
		if (!strcmp(n->name, name))
			return n->file;
	return NULL;
}

static const char *name_of(const struct mirror_file *dir, const struct mirror_file *f)
{
	const struct mirror_name *n = dir->names;

	while (n->file != f)
		n = n->next;
	return n->name;
}

void mirror_path(const struct mirror_file *dir, const char *name, char *to)
{
	if (dir->parent != dir) {
		mirror_path(dir->parent, name_of(dir->parent, dir), to);
		strcat(to, "/");
	} else {
		*to = '\0';
	}
	strcat(to, name);
}

static void name_add(struct mirror_file *dir, const char *name, struct mirror_file *f)
{
	struct mirror_name *n = malloc(sizeof(*n));

	*n = (struct mirror_name){ .next = dir->names, .name = strdup(name), .file = f };
	dir->names = n;
}

static void name_drop(struct mirror_name **at)
{
	struct mirror_name *n = *at;

	*at = n->next;
	free(n->name);
	free(n);
}

static bool is_directory(const struct mirror_file *f) { return (f->mode & S_IFMT) == S_IFDIR; }

/* Are they of one mind? */
static bool agreed(int error, int expected, const char *what, const char *path)
{
	if (mirror_full && (error == -ENOSPC || error == -ENOMEM || error == -EAGAIN))
		return false;
	check(error == expected, "%s %s: %d, not %d", what, path, error, expected);
	return !error;
}

bool both_make(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, uint32_t mode)
{
	static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz";
	char path[65536], target[1024] = "";
	struct mirror_file *f;
	int expected = mirror_find(dir, name) ? -EEXIST : 0;

	if ((mode & S_IFMT) == S_IFLNK) {
		size_t length = 1 + random_below(random_below(4) ? 70 : 1000);

		for (size_t i = 0; i < length; i++)
			target[i] = LETTERS[random_below(26)];
		target[length] = '\0';
	}
	mirror_path(dir, name, path);
	if (!agreed(make(v, path, mode, *target ? target : NULL, NULL), expected, "make", path))
		return false;
	f = file_new(mode);
	f->parent = dir;
	if (*target) {
		f->target = strdup(target);
		f->size = strlen(target);
	}
	name_add(dir, name, f);
	if (is_directory(f)) {
		dir->links++;
		directory_add(m, f);
	}
	return true;
}

static int removable(const struct mirror_file *f, bool directory)
{
	if (!f)
		return -ENOENT;
	if (is_directory(f) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	return directory && f->names ? -ENOTEMPTY : 0;
}

static void gone(struct mirror *m, struct mirror_file *f)
{
	if (is_directory(f)) {
		f->parent->links--;
		directory_drop(m, f);
		file_end(f);
	} else {
		file_unlink(f);
	}
}

bool both_unlink(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, bool directory)
{
	struct mirror_file *f = mirror_find(dir, name);
	char path[65536];

	mirror_path(dir, name, path);
	if (!agreed(remove_name(v, path, directory), removable(f, directory), "unlink", path))
		return false;
	name_drop(place_of(dir, name));
	gone(m, f);
	return true;
}

bool both_link(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, struct mirror_file *to, const char *new_name)
{
	struct mirror_file *f = mirror_find(dir, name);
	char path[65536], new_path[65536];
	int expected = !f ? -ENOENT : is_directory(f) ? -EPERM : mirror_find(to, new_name) ? -EEXIST : 0;

	(void)m;
	mirror_path(dir, name, path);
	mirror_path(to, new_name, new_path);
	if (!agreed(link_name(v, path, new_path), expected, "link", new_path))
		return false;
	f->links++;
	name_add(to, new_name, f);
	return true;
}

static bool is_below(const struct mirror_file *dir, const struct mirror_file *f)
{
	while (dir != f && dir->parent != dir)
		dir = dir->parent;
	return dir == f;
}

static int rename_error(const struct mirror_file *dir, const struct mirror_file *f, const struct mirror_file *to, const struct mirror_file *other, bool exchange)
{
	int error;

	if (!f || (exchange && !other))
		return -ENOENT;
	if (f == other)
		return 0;
	error = other && !exchange ? removable(other, is_directory(f)) : 0;
	if (error || dir == to)
		return error;
	if (is_directory(f) && is_below(to, f))
		return -EINVAL;
	return exchange && is_directory(other) && is_below(dir, other) ? -EINVAL : 0;
}

static void moved(struct mirror_file *f, struct mirror_file *to)
{
	if (!is_directory(f))
		return;
	f->parent->links--;
	to->links++;
	f->parent = to;
}

bool both_rename(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, struct mirror_file *to, const char *new_name, bool exchange)
{
	struct mirror_file *f = mirror_find(dir, name), *other = mirror_find(to, new_name);
	char path[65536], new_path[65536];

	mirror_path(dir, name, path);
	mirror_path(to, new_name, new_path);
	if (!agreed(move_name(v, path, new_path, exchange), rename_error(dir, f, to, other, exchange), "rename", new_path) || f == other)
		return false;
	if (exchange) {
		(*place_of(dir, name))->file = other;
		moved(other, dir);
	} else {
		name_drop(place_of(dir, name));
	}
	if (other) {
		(*place_of(to, new_name))->file = f;
		if (!exchange)
			gone(m, other);
	} else {
		name_add(to, new_name, f);
	}
	moved(f, to);
	return true;
}

static void unit_fill(uint8_t *to, const struct mirror_file *f, uint64_t unit)
{
	uint64_t x = (f->seed * 0x9e3779b97f4a7c15u) ^ (unit * 0xff51afd7ed558ccdu) ^ 1;

	for (uint32_t i = 0; i < MIRROR_UNIT; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(to + i, &x, 8);
	}
}

static void units_room(struct mirror_file *f, uint64_t units)
{
	if (units <= f->units)
		return;
	f->there = realloc(f->there, units);
	memset(f->there + f->units, 0, units - f->units);
	f->units = (uint32_t)units;
}

void both_write(struct volume *v, struct mirror_file *f, struct ext2_node *n, uint64_t unit, uint32_t count)
{
	units_room(f, unit + count);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t data[MIRROR_UNIT];
		int error;

		unit_fill(data, f, unit + i);
		error = file_write(v, n, (unit + i) * MIRROR_UNIT, data, MIRROR_UNIT);
		if (!agreed(error, 0, "write", ""))
			return;
		f->there[unit + i] = 1;
		f->size = MAX(f->size, (unit + i + 1) * MIRROR_UNIT);
	}
}

void both_truncate(struct volume *v, struct mirror_file *f, struct ext2_node *n, uint64_t units)
{
	int error;

	volume_room(v);
	units_room(f, units); /* before: it may take several transactions, and holds from the first on */
	if (f->units > units)
		memset(f->there + units, 0, f->units - units);
	f->size = units * MIRROR_UNIT;
	do
		error = file_truncate(v, n, f->size);
	while (error == -ENOMEM && mirror_full);
	check(!error, "truncate: %d", error);
}

static void random_name(char *name)
{
	uint32_t n = (uint32_t)random_below(40);

	sprintf(name, "n%u", n);
	if (n % 8 == 0) {
		memset(name + strlen(name), 'a' + (int)n % 26, 80 + 4 * n);
		name[82 + 4 * n] = '\0';
	}
}

/* Some files stay in use for a while, whatever becomes of their names. */
static struct ext2_node *held[8];

static void hold(struct ext2_node *n)
{
	struct ext2_node **place = &held[random_below(ARRAY_LENGTH(held))];

	if (*place)
		ext2_node_put(*place);
	*place = n;
}

void both_let_go(void)
{
	for (uint32_t i = 0; i < ARRAY_LENGTH(held); i++)
		if (held[i]) {
			ext2_node_put(held[i]);
			held[i] = NULL;
		}
}

static void random_contents(struct volume *v, struct mirror_file *dir, const char *name)
{
	struct mirror_file *f = mirror_find(dir, name);
	struct ext2_node *n;
	char path[65536];
	int error;

	if (!f || (f->mode & S_IFMT) != S_IFREG)
		return;
	mirror_path(dir, name, path);
	error = walk(v, path, &n);
	if (!agreed(error, 0, "walk", path))
		return;
	if (random_below(4))
		both_write(v, f, n, random_below(2) ? f->size / MIRROR_UNIT : random_below(random_below(4) ? 12 : 400), 1 + (uint32_t)random_below(20));
	else
		both_truncate(v, f, n, 4 * random_below(100));
	hold(n);
}

void both_random(struct mirror *m, struct volume *v)
{
	static const uint32_t MODES[] = { S_IFREG | 0644, S_IFREG | 0600, S_IFREG | 0755, S_IFDIR | 0755, S_IFDIR | 0700, S_IFLNK | 0777, S_IFIFO | 0640, S_IFSOCK | 0777 };
	struct mirror_file *dir = m->directories[random_below(m->directory_count)], *to = random_below(2) ? dir : m->directories[random_below(m->directory_count)];
	char name[512], new_name[512];

	random_name(name);
	random_name(new_name);
	switch (random_below(10)) {
	case 0:
	case 1:
	case 2:
		both_make(m, v, dir, name, MODES[random_below(ARRAY_LENGTH(MODES))]);
		break;
	case 3:
	case 4:
		both_unlink(m, v, dir, name, random_below(3) == 0);
		break;
	case 5:
		both_link(m, v, dir, name, to, new_name);
		break;
	case 6:
		both_rename(m, v, dir, name, to, new_name, random_below(4) == 0);
		break;
	default:
		random_contents(v, dir, name);
	}
}

struct seen {
	const struct mirror_file *dir;
	uint32_t dots, names;
	char *what;
	bool good;
};

static bool seen_entry(void *to, const char *name, size_t length, uint32_t number, uint32_t type, uint64_t next)
{
	static const uint8_t TYPES[] = { 0, S_IFREG >> 12, S_IFDIR >> 12, S_IFCHR >> 12, S_IFBLK >> 12, S_IFIFO >> 12, S_IFSOCK >> 12, S_IFLNK >> 12 };
	struct seen *s = to;
	const struct mirror_file *f;
	char text[256];

	(void)number;
	(void)next;
	memcpy(text, name, length);
	text[length] = '\0';
	if (!strcmp(text, ".") || !strcmp(text, "..")) {
		s->dots++;
		return true;
	}
	f = mirror_find(s->dir, text);
	if (f ? type && (type >= ARRAY_LENGTH(TYPES) || f->mode >> 12 != TYPES[type]) : s->dir->parent != s->dir || strcmp(text, "lost+found")) {
		sprintf(s->what, "%s is not there, or of another type", text);
		s->good = false;
	}
	s->names += f != NULL;
	return true;
}

static bool may_be(const struct mirror_file *f, uint64_t unit, const uint8_t *data)
{
	uint8_t written[MIRROR_UNIT];

	unit_fill(written, f, unit);
	return mirror_loose && (unit >= f->units || !f->there[unit]) && !memcmp(data, written, MIRROR_UNIT);
}

static bool contents_same(struct volume *v, const struct mirror_file *f, struct ext2_node *n, char *what)
{
	for (uint64_t unit = 0; unit * MIRROR_UNIT < f->size; unit++) {
		uint8_t data[MIRROR_UNIT], expected[MIRROR_UNIT] = { 0 };

		if (unit < f->units && f->there[unit])
			unit_fill(expected, f, unit);
		if (file_read(v, n, unit * MIRROR_UNIT, data, MIRROR_UNIT) != MIRROR_UNIT || (memcmp(data, expected, MIRROR_UNIT) && !may_be(f, unit, data))) {
			sprintf(what, "unit %lu of %lu is another", unit, f->size / MIRROR_UNIT);
			return false;
		}
	}
	return true;
}

static bool tree_same(const struct mirror_file *f, struct volume *v, struct ext2_node *n, char *what);

static bool names_same(const struct mirror_file *dir, struct volume *v, struct ext2_node *n, char *what)
{
	struct seen s = { .dir = dir, .what = what, .good = true };
	uint32_t names = 0;
	uint64_t offset = 0;

	if (ext2_list(n, &offset, seen_entry, &s) || !s.good)
		return false;
	for (struct mirror_name *name = dir->names; name; name = name->next, names++) {
		struct ext2_node *child;
		uint32_t number;
		bool same;

		if (ext2_lookup(n, name->name, strlen(name->name), &number) || ext2_node_get(v->ext2, number, &child)) {
			sprintf(what, "%s is missing", name->name);
			return false;
		}
		same = tree_same(name->file, v, child, what);
		ext2_node_put(child);
		if (!same) {
			sprintf(what + strlen(what), " in %s", name->name);
			return false;
		}
	}
	if (s.names != names || s.dots != 2)
		sprintf(what, "%u names are listed, and %u dots, not %u", s.names, s.dots, names);
	return s.names == names && s.dots == 2;
}

static bool tree_same(const struct mirror_file *f, struct volume *v, struct ext2_node *n, char *what)
{
	char target[4096];
	uint32_t links = f->links + (f->parent == f && is_directory(f)); /* lost+found's .. */

	if (n->mode != f->mode || n->links != links || (!is_directory(f) && n->size != f->size)) {
		sprintf(what, "mode %o links %u size %lu, not %o %u %lu", n->mode, n->links, n->size, f->mode, links, f->size);
		return false;
	}
	if (is_directory(f))
		return names_same(f, v, n, what);
	if (f->target) {
		ssize length = ext2_readlink(n, target, sizeof(target));

		sprintf(what, "target of %ld bytes", length);
		return length == (ssize)f->size && !memcmp(target, f->target, f->size);
	}
	return (f->mode & S_IFMT) != S_IFREG || contents_same(v, f, n, what);
}

bool mirror_same(const struct mirror *m, struct volume *v, char *what)
{
	struct ext2_node *root;
	bool same;

	*what = '\0';
	if (ext2_node_get(v->ext2, EXT2_ROOT, &root))
		return false;
	same = tree_same(m->root, v, root, what);
	ext2_node_put(root);
	if (same)
		*what = '\0';
	return same;
}

static bool host_file_same(const struct mirror_file *f, const char *path)
{
	int file = open(path, O_RDONLY);
	bool same = file >= 0;

	for (uint64_t unit = 0; same && unit * MIRROR_UNIT < f->size; unit++) {
		uint8_t data[MIRROR_UNIT], expected[MIRROR_UNIT] = { 0 };

		if (unit < f->units && f->there[unit])
			unit_fill(expected, f, unit);
		same = read(file, data, MIRROR_UNIT) == MIRROR_UNIT && !memcmp(data, expected, MIRROR_UNIT);
	}
	if (file >= 0)
		close(file);
	return same;
}

static bool host_same(const struct mirror_file *f, const char *path, char *what)
{
	struct stat s;

	sprintf(what, "%.200s", path);
	if (lstat(path, &s) || (s.st_mode & S_IFMT) != (f->mode & S_IFMT))
		return false;
	if (f->target) {
		char target[4096];
		ssize_t length = readlink(path, target, sizeof(target));

		return length == (ssize_t)f->size && !memcmp(target, f->target, f->size);
	}
	if (!is_directory(f))
		return (uint64_t)s.st_size == f->size && (s.st_mode & 07777) == (f->mode & 07777) && host_file_same(f, path);
	for (struct mirror_name *n = f->names; n; n = n->next) {
		char below[65536];
		uint32_t type = n->file->mode & S_IFMT;

		snprintf(below, sizeof(below), "%s/%s", path, n->name);
		if ((type == S_IFREG || type == S_IFDIR || type == S_IFLNK) && !host_same(n->file, below, what))
			return false;
	}
	return true;
}

bool mirror_same_host(const struct mirror *m, const char *path, char *what)
{
	bool same = host_same(m->root, path, what);

	if (same)
		*what = '\0';
	return same;
}
