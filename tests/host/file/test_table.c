/* Descriptor tables: lowest number first, growth, copies, close on exec, limits. */
#include <exos/file/device.h>
#include <exos/file/file.h>

#include "call.h"
#include "stubs.h"

static struct file *open_null(void)
{
	struct file *f = NULL;

	path_open(NULL, "/dev/null", OPEN_RDWR, 0, &f);
	return f;
}

int main(void)
{
	struct file_table *t, *copy;
	uint32_t heap, frames;
	bool all = true;

	stubs_start();
	heap = stub_heap_used;
	frames = stub_frames_used;
	t = file_table_new();
	for (int n = 0; n < 1000; n++)
		all = all && file_install(t, open_null(), 0, n % 2) == n;
	ok(all, "a thousand numbers in order");
	is(file_table_size(t), 1000, "size");
	is(file_close(t, 7), 0, "close 7");
	is(file_close(t, 300), 0, "close 300");
	is(file_close(t, 7), -EBADF, "close 7 again");
	is(file_install(t, open_null(), 0, false), 7, "the lowest free number is used");
	is(file_install(t, open_null(), 100, false), 300, "the lowest free one not below 100");
	is(file_install(t, open_null(), 0, false), 1000, "then the next");
	struct file *f = open_null();
	is(file_install_at(t, f, 5000, false), -EBADF, "beyond the limit");
	file_put(f);
	is(file_install_at(t, open_null(), 1023, false), 1023, "the last number that the limit allows");
	f = open_null();
	for (int n = 1001; n < 1023; n++)
		file_install(t, open_null(), 0, false);
	is(file_install(t, f, 0, false), -EMFILE, "a full table");
	file_put(f);
	copy = file_table_copy(t);
	is(file_table_size(copy), 1024, "a copy has all");
	ok(file_at(copy, 9) == file_at(t, 9), "and shares the open files");
	ok(file_close_on_exec(copy, 9) && !file_close_on_exec(copy, 10), "and their close-on-exec");
	file_table_exec(copy);
	ok(!file_at(copy, 9) && file_at(copy, 10), "exec closes those");
	ok(file_at(t, 9), "in that table only");
	is(file_install(copy, open_null(), 0, false), 1, "and frees their numbers");
	file_set_close_on_exec(t, 10, true);
	ok(file_close_on_exec(t, 10) && file_at(t, 10), "close-on-exec set later");
	ok(!file_at(t, -1) && !file_at(t, 1 << 30), "numbers out of range");
	file_table_put(copy);
	file_table_put(t);
	is(stub_heap_used, heap, "nothing of the heap is left over");
	is(stub_frames_used, frames, "no frame is left over");
	stubs_end();
	return done_testing();
}
