/* Memory for ExOS's own objects, shared by the domain: pieces of a few sizes cut from frames of the window.
 * Domain lock held. A pointer is valid in every environment of the domain. */
#pragma once

#include <exos/base.h>

#define HEAP_MAX (FRAME_SIZE / 2) /* larger things are made of frames */
void *heap_alloc(size_t n);	  /* n <= HEAP_MAX; zeroed, aligned to 16; null when memory is exhausted */
void heap_free(void *p);	  /* of heap_alloc; null is fine */
