/* From a path to a checked executable: the file, scripts and their interpreters, ELF; and its segments into an address space.
 *
 * Called by exec.c and spawn.c. Until image_map, nothing of the process has changed, so that every error can be returned. */
#include <exos/proc/image.h>

static int check_file(struct inode *inode)
{
	if ((inode->mode & TYPE_MASK) != TYPE_FILE)
		return -EACCES;
	/* Not even the superuser may run what nobody may. */
	if (!(inode->mode & 0111))
		return -EACCES;
	return inode_permission(inode, 1);
}

ssize image_read_head(struct inode *base, const char *path, struct inode **inode, uint8_t *head)
{
	int error = path_inode(base, path, 0, inode);

	if (error) {
		*inode = NULL;
		return error;
	}
	error = check_file(*inode);
	return error ? error : inode_read(*inode, head, IMAGE_HEAD, 0);
}

static char *skip_blanks(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static char *skip_word(char *s)
{
	while (*s && *s != ' ' && *s != '\t')
		s++;
	return s;
}

static void trim_end(char *s)
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = 0;
}

/* Takes the first line of a script apart: its interpreter, and perhaps one argument, to be put before the script's path. */
static int follow_script(struct image *image, size_t n)
{
	size_t limit = MIN(n, SCRIPT_LINE), end = 2;
	char *line, *interpreter, *argument, *after;
	uint32_t added;
	bool cut;

	if (image->depth == SCRIPT_DEPTH)
		return -ELOOP;
	while (end < limit && image->head[end] != '\n')
		end++;
	cut = end == SCRIPT_LINE;
	line = image->lines[image->depth++];
	memcpy(line, image->head + 2, end - 2);
	line[end - 2] = 0;
	interpreter = skip_blanks(line);
	after = skip_word(interpreter);
	if (after == interpreter || (cut && !*after))
		return -ENOEXEC;
	argument = skip_blanks(after);
	trim_end(argument);
	*after = 0;

	/* The script's own name takes the place of what was argument 0. */
	added = *argument ? 3 : 2;
	if (image->prefix_count)
		memmove(image->prefix + added, image->prefix + 1, (image->prefix_count - 1) * sizeof(*image->prefix));
	image->prefix_count = image->prefix_count ? image->prefix_count - 1 + added : added;
	image->dropped = 1;
	image->prefix[0] = interpreter;
	if (*argument)
		image->prefix[1] = argument;
	image->prefix[added - 1] = image->file;
	image->file = interpreter;
	return 0;
}

/* The program header table: in what was read already, or anywhere in the file. */
static int parse_table(struct inode *inode, const uint8_t *head, size_t n, struct elf_image *elf)
{
	size_t length = elf->table_entries * ELF_ENTRY_SIZE;
	frame_t f;
	int error;

	if (elf->table_offset <= n && length <= n - elf->table_offset)
		return elf_parse_table(head + elf->table_offset, inode->size, elf);
	f = frame_get();
	if (f == NO_FRAME)
		return -ENOMEM;
	if (inode_read(inode, frame_address(f), length, elf->table_offset) == (ssize)length)
		error = elf_parse_table(frame_address(f), inode->size, elf);
	else
		error = -ENOEXEC;
	frame_put(f);
	return error;
}
_Static_assert(ELF_ENTRIES_MAX * ELF_ENTRY_SIZE <= FRAME_SIZE, "a table is read into one frame");

int image_parse(struct inode *inode, const uint8_t *head, size_t n, struct elf_image *elf)
{
	int error = elf_parse(head, n, inode->size, elf);

	return error ? error : parse_table(inode, head, n, elf);
}

static int open_elf(struct image *image, struct inode *base, size_t n, bool fixed)
{
	int error = image_parse(image->inode, image->head, n, &image->elf);

	if (!error && image->elf.interpreter_length)
		error = interpreter_open(image, base);
	return error ? error : image_place(image, fixed);
}

int image_open(struct image *image, struct inode *base, const char *path, struct exec_strings *strings, bool fixed)
{
	image->path = image->file = path;
	image->inode = NULL;
	image->interpreter = NULL;
	image->strings = strings;
	image->prefix_count = image->dropped = image->depth = 0;
	for (;;) {
		ssize n = image_read_head(base, image->file, &image->inode, image->head);
		int error = n < 0 ? (int)n : 0;
		bool script = n >= 2 && image->head[0] == '#' && image->head[1] == '!';

		if (!error)
			error = script ? follow_script(image, (size_t)n) : open_elf(image, base, (size_t)n, fixed);
		if (!error && !script)
			return 0;
		image_close(image);
		if (error)
			return error;
	}
}

void image_close(struct image *image)
{
	if (image->interpreter)
		interpreter_close(image);
	if (image->inode)
		inode_put(image->inode);
	image->inode = NULL;
}

static int map_segment(struct vm *vm, struct inode *inode, uint64_t bias, const struct elf_segment *s)
{
	uint64_t address = bias + s->address, start = ROUND_DOWN(address, FRAME_SIZE), end = address + s->memory_size;
	uint64_t file_end = s->file_size ? address + s->file_size : start, file_pages_end = ROUND_UP(file_end, FRAME_SIZE);
	uint32_t flags = (s->flags & ELF_READ ? VM_READ : 0) | (s->flags & ELF_WRITE ? VM_WRITE : 0) |
			 (s->flags & ELF_EXECUTE ? VM_EXEC : 0);
	int error = 0;

	if (s->file_size)
		error = vm_map(vm, start, file_pages_end - start, flags, inode, ROUND_DOWN(s->offset, FRAME_SIZE),
			end > file_end ? file_end : 0);
	end = ROUND_UP(end, FRAME_SIZE);
	if (!error && end > file_pages_end)
		error = vm_map(vm, file_pages_end, end - file_pages_end, flags, NULL, 0, 0);
	return error;
}

static int map_segments(struct vm *vm, struct inode *inode, uint64_t bias, const struct elf_image *elf)
{
	for (uint32_t n = 0; n < elf->segment_count; n++) {
		if (map_segment(vm, inode, bias, &elf->segments[n]) < 0)
			return -ENOMEM;
	}
	return 0;
}

int image_map(const struct image *image, struct vm *vm)
{
	const struct interpreter *interpreter = image->interpreter;
	int error = map_segments(vm, image->inode, image->bias, &image->elf);

	if (!error && interpreter)
		error = map_segments(vm, interpreter->inode, interpreter->bias, &interpreter->elf);
	vm->brk_start = vm->brk = image->brk;
	vm->mmap_top = image->mmap_top;
	return error;
}

uint64_t image_entry(const struct image *image)
{
	const struct interpreter *interpreter = image->interpreter;

	return interpreter ? interpreter->bias + interpreter->elf.entry : image->bias + image->elf.entry;
}
