// Large pages for large memory: a row of a large matrix lies on other pages than the row before it, and the processor
// remembers the places of a few thousand pages only.
#pragma once
#include <cstddef>

namespace weft::cpu {

/**
 * Asks the system for huge pages (2 MiB) in memory of the host that nothing was written to yet. Only whole ones within
 * the memory are asked for, so that it takes no more than its size. Where the system has none, nothing changes.
 */
void prefer_huge_pages(void* memory, size_t bytes);

}  // namespace weft::cpu
