/* A program on its way from a path to an address space. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/file/file.h>
#include <exos/proc/elf.h>
#include <exos/proc/proc.h>
#include <exos/vm/vm.h>

#define SCRIPT_DEPTH 5 /* interpreters that are scripts themselves */
#define SCRIPT_LINE 256 /* bytes of a script's first line that count */
#define IMAGE_HEAD 1024 /* bytes read first: they hold the program header table of ordinary executables */

/* The room kept for the stack, below PROGRAM_TOP: images end and mappings start under it. */
#define STACK_ROOM (128ul << 20)
#define STACK_ROOM_BOTTOM (PROGRAM_TOP - STACK_ROOM)

/* What a dynamic executable asks to be run by (PT_INTERP): loaded beside it and entered in its place. In a frame of its own. */
struct interpreter {
	struct inode *inode;
	uint64_t bias;
	struct elf_image elf;
	uint8_t head[IMAGE_HEAD];
};

struct image {
	const char *path;    /* as the caller named it */
	const char *file;    /* what is loaded: path, or the interpreter of a script */
	struct inode *inode; /* of file */
	struct exec_strings *strings;
	/* Of a script: what stands before the strings' own, of which the first `dropped` do not count. */
	const char *prefix[1 + 2 * SCRIPT_DEPTH];
	uint32_t prefix_count, dropped;
	char lines[SCRIPT_DEPTH][SCRIPT_LINE];
	uint32_t depth;
	struct elf_image elf;
	uint64_t bias; /* what is added to the addresses of a movable image */
	struct interpreter *interpreter; /* null: none */
	uint64_t brk, mmap_top; /* where the break starts, and below what mappings are put */
	uint32_t euid, egid; /* whose rights the program will have */
	uint8_t head[IMAGE_HEAD];
};

/* Finds the file, through scripts, and the interpreter of a dynamic executable, checks all that can be checked before there is an address space, and
 * chooses the addresses. 0, or what execve(2) says. `base`: where relative paths start; null: the current directory. `fixed`: no address by chance. */
int image_open(struct image *image, struct inode *base, const char *path, struct exec_strings *strings, bool fixed);
void image_close(struct image *image);
/* Maps the segments and the break into an empty address space. 0 or -ENOMEM. */
int image_map(const struct image *image, struct vm *vm);
uint64_t image_entry(const struct image *image);

/* Opens what may be executed at a path and reads its beginning, IMAGE_HEAD bytes: how many there are, or -errno. The reference is the caller's whenever *inode
 * is not null. */
ssize image_read_head(struct inode *base, const char *path, struct inode **inode, uint8_t *head);
/* ELF headers of a file of whose beginning n bytes are at `head`: 0, -ENOEXEC or -ENOMEM. */
int image_parse(struct inode *inode, const uint8_t *head, size_t n, struct elf_image *elf);
/* interpreter.c: opens and checks that of image->elf, which names one. 0, or what execve(2) says. */
int interpreter_open(struct image *image, struct inode *base);
void interpreter_close(struct image *image);
/* place.c: chooses the addresses of an image and its interpreter. 0, -ENOEXEC or -ELIBBAD: there is no room for such a one. */
int image_place(struct image *image, bool fixed);

/* Whether arguments and environment fit on a stack with that limit: 0 or -E2BIG. */
int stack_check(const struct image *image, uint64_t limit);
/* Maps the stack with arguments, environment and auxiliary vector on it for process p, which gets its arguments for others to see.
 * 0 with the stack pointer, or -ENOMEM. */
int stack_build(const struct image *image, struct vm *vm, struct proc *p, uint64_t *rsp);
