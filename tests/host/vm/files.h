/* What stands in for files in the tests of address spaces: inodes whose pages are frames, and nothing else. */
#pragma once

#include <exos/file/file.h>

#define FILE_PAGES 64u

struct inode *files_new(uint64_t size);		      /* one reference */
extern struct inode *files_last;		      /* the one made last, also by the code under test */
extern uint32_t files_count;			      /* that exist */
frame_t files_frame(struct inode *i, uint32_t index); /* NO_FRAME: a hole */
