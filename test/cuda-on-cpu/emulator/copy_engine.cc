// The Hopper copy engine: boxes of tensors to and from shared memory (TMA), and the tensor maps that describe them.
// A lazy load happens only when no thread can go on without it, a lazy store when it is waited for.
#include "cuda.h"
#include "state.h"

namespace emulator {

namespace {
struct BulkLoad {
  Block* block;
  char* to;
  void* barrier;
  CUtensorMap map;
  std::vector<int> at;
  Observer::Token token;
};
std::deque<BulkLoad> loads;

uint64_t box_bytes(const CUtensorMap& map) {
  uint64_t bytes = map.element;
  for (int i = 0; i < map.rank; i++) bytes *= map.box[i];
  return bytes;
}

/**
 * Visits the box in 16-byte units: f(offset in shared memory from the arena, address in the tensor, bytes of the unit
 * inside the tensor before and after which zeros lie).
 */
template <class F> void for_each_unit(const CUtensorMap& map, uint32_t offset, const std::vector<int>& at, F f) {
  const uint32_t row_bytes = map.box[0] * map.element, per_unit = 16 / map.element;
  uint64_t rows = 1;
  for (int i = 1; i < map.rank; i++) rows *= map.box[i];
  for (uint64_t row = 0; row < rows; row++) {
    bool inside = true;
    char* address = static_cast<char*>(map.base);
    uint64_t rest = row;
    for (int i = 1; i < map.rank; i++) {
      const int64_t x = at[size_t(i)] + int64_t(rest % map.box[i]);
      rest /= map.box[i];
      inside = inside && x >= 0 && uint64_t(x) < map.extent[i];
      address += x * int64_t(map.stride[i]);
    }
    for (uint32_t unit = 0; unit * 16 < row_bytes; unit++) {
      const int64_t first = at[0] + int64_t(unit) * per_unit;
      const int64_t begin = std::max<int64_t>(0, -first), end = std::min<int64_t>(per_unit, int64_t(map.extent[0]) - first);
      const uint32_t place = swizzled(uint32_t(offset + row * row_bytes + unit * 16), map.swizzle);
      f(place, address + first * map.element, inside && begin < end ? begin * map.element : 0,
        inside && begin < end ? end * map.element : 0);
    }
  }
}

void check_use(const CUtensorMap& map, const void* shared, size_t coordinates, const char* what) {
  if (map.valid != 1) fault("%s: the tensor map was not encoded", what);
  if (coordinates != map.rank) fault("%s: %zu coordinates for a tensor of rank %d", what, coordinates, map.rank);
  require_shared(shared, box_bytes(map), what);
  const uintptr_t offset = uintptr_t(static_cast<const char*>(shared) - current->block->arena), alignment = map.swizzle == 3 ? 1024 : 128;
  if (offset % alignment != 0) fault("%s: the address in shared memory is not a multiple of %zu", what, size_t(alignment));
}

void do_load(const BulkLoad& load) {
  char* arena = load.block->arena;
  for_each_unit(load.map, uint32_t(load.to - arena), load.at, [&](uint32_t place, const char* from, int64_t begin, int64_t end) {
    char unit[16] = {};
    if (begin < end) memcpy(unit + begin, from + begin, size_t(end - begin));
    memcpy(arena + place, unit, 16);
  });
  shared_barrier_bytes(*load.block, load.barrier, int64_t(box_bytes(load.map)), load.token);
}

void read_box(const BulkStore& store) {
  char* arena = current->block->arena;
  for_each_unit(*store.map, uint32_t(store.from - arena), store.at,
                [&](uint32_t place, char*, int64_t, int64_t) { check_read(arena + place, 16, store.code); });
}
void do_store(const BulkStore& store) {
  read_box(store);
  char* arena = current->block->arena;
  for_each_unit(*store.map, uint32_t(store.from - arena), store.at, [&](uint32_t place, char* to, int64_t begin, int64_t end) {
    if (begin >= end) return;
    check_write(to + begin, size_t(end - begin), store.code);
    memcpy(to + begin, arena + place + begin, size_t(end - begin));
  });
}
}  // namespace

void tensor_load(void* to, const CUtensorMap* map, uint64_t* barrier, std::initializer_list<int> at, unsigned blocks) {
  void* const code = CALLER;
  Block& block = *current->block;
  check_use(*map, to, at.size(), "tma_load");
  require_shared(barrier, 8, "tma_load");
  const uint32_t offset = uint32_t(static_cast<char*>(to) - block.arena);
  const uint32_t barrier_offset = uint32_t(reinterpret_cast<char*>(barrier) - block.arena);
  if (blocks == 0) blocks = 1u << block.rank;
  if (blocks >> block.cluster_size != 0) fault("tma_load: multicast to blocks %x of a cluster of %u", blocks, block.cluster_size);
  for (unsigned rank = 0; rank < block.cluster_size; rank++) {
    if (!(blocks >> rank & 1)) continue;
    Block& target = *block.cluster[rank];
    void* there = target.arena + barrier_offset;
    if (!target.shared_barriers.contains(there)) fault("tma_load: the barrier was not initialized");
    check_read(there, 8, code);
    BulkLoad load{&target, target.arena + offset, there, *map, at, nullptr};
    if (observer) observer->begin_bulk(there, load.token);
    for_each_unit(*map, offset, load.at, [&](uint32_t place, const char* from, int64_t begin, int64_t end) {
      if (begin < end) check_read(from + begin, size_t(end - begin), code);
      check_write(target.arena + place, 16, code);
    });
    if (observer) observer->end_bulk();
    if (settings().eager) do_load(load);
    else loads.push_back(std::move(load));
  }
}

bool run_pending_copy() {
  if (loads.empty()) return false;
  const size_t chosen = settings().schedule == Schedule::random     ? random_number() % loads.size()
                        : settings().schedule == Schedule::backward ? loads.size() - 1
                                                                    : 0;
  const BulkLoad load = std::move(loads[chosen]);
  loads.erase(loads.begin() + ptrdiff_t(chosen));
  do_load(load);
  return true;
}
bool bulk_copies_pending() { return !loads.empty(); }
void drop_bulk_copies() { loads.clear(); }

void tensor_store(const CUtensorMap* map, const void* from, std::initializer_list<int> at) {
  check_use(*map, from, at.size(), "tma_store");
  Thread& self = *current;
  if (!self.asynchronous) self.asynchronous = std::make_unique<Asynchronous>();
  const BulkStore store{map, static_cast<const char*>(from), at, CALLER};
  if (settings().eager) do_store(store);
  self.asynchronous->stores.open.push_back(store);
}
void tensor_store_commit() {
  if (!current->asynchronous) current->asynchronous = std::make_unique<Asynchronous>();
  current->asynchronous->stores.commit();
}
void tensor_store_wait(int pending) {
  if (!current->asynchronous) return;
  auto& groups = current->asynchronous->stores.closed;
  for (; int(groups.size()) > pending; groups.pop_front())
    for (const BulkStore& store : groups.front()) {
      if (settings().eager) read_box(store);  // until now nobody may overwrite it
      else do_store(store);
    }
}
void finish_stores(Thread& thread) {
  if (thread.asynchronous->stores.any()) fault("a thread returns while its stores still read shared memory");
}

}  // namespace emulator

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* extent,
                                const cuuint64_t* stride, const cuuint32_t* box, const cuuint32_t* element_stride,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                CUtensorMapFloatOOBfill) {
  constexpr uint8_t sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  const uint8_t element = sizes[type];
  bool valid = rank >= 1 && rank <= 5 && reinterpret_cast<uintptr_t>(base) % 16 == 0 && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE;
  for (uint32_t i = 0; valid && i < rank; i++) {
    valid = extent[i] >= 1 && extent[i] <= uint64_t(1) << 32 && box[i] >= 1 && box[i] <= 256 && element_stride[i] == 1;
    if (i > 0) valid = valid && stride[i - 1] % 16 == 0 && stride[i - 1] < uint64_t(1) << 40;
  }
  const uint32_t span = swizzle == CU_TENSOR_MAP_SWIZZLE_NONE ? 1u << 20 : 16u << swizzle;
  valid = valid && box[0] * element % 16 == 0 && box[0] * element <= span;
  if (!valid) return CUDA_ERROR_INVALID_VALUE;
  *map = {};
  map->base = base;
  map->rank = uint8_t(rank);
  map->element = element;
  map->swizzle = uint8_t(swizzle);
  map->valid = 1;
  for (uint32_t i = 0; i < rank; i++) {
    map->extent[i] = extent[i];
    map->box[i] = box[i];
    map->stride[i] = i == 0 ? element : stride[i - 1];
  }
  return CUDA_SUCCESS;
}
