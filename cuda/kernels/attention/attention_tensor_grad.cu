// attentionGrad on tensor cores (mma.sync): a block of four warps has 64 rows and computes their dq, or 64 keys and
// computes their dk and dv. Those stay, tiles of the other kind pass, of which the next are on their way while one is
// used. Scores and their gradients stay in registers, in the layout in which the last products take them.
#include "attention_backward.cuh"
#include "attention_tensor.cuh"

namespace weft::cuda {
namespace {

template <class Products, int D>
using BackwardTiles = TensorTiles<Products, D, sizeof(typename Products::Element) == 2 && D == 64 ? 64 : 32>;

/** What the passing rows of a tile of keys are known by. */
template <class Tiles> constexpr size_t facts_bytes = size_t(Tiles::columns) * sizeof(RowFacts);

template <class Products, int D, bool keys>
__global__ void __launch_bounds__(128, 2) gradient_of_tiles(Attention attention, Gradients gradients, int tiles) {
  using Tiles = BackwardTiles<Products, D>;
  using Element = typename Tiles::Element;
  WEFT_DYNAMIC_SHARED(Element, shared);
  Element *const own = shared, *const own_other = own + Tiles::own_size;  // q and g, or k and v
  const auto buffer = [&](int stage) { return shared + 2 * Tiles::own_size + 2 * stage * Tiles::passing_size; };
  RowFacts* const passing_facts = reinterpret_cast<RowFacts*>(buffer(2));
  const int shift = attention.shift(), head = int(blockIdx.x) / tiles;
  const int tile = int(blockIdx.x) - head * tiles, first_own = (keys ? tile : tiles - 1 - tile) * Tiles::rows;
  const auto row_place = [&](int r) { return r < attention.rows ? attention.place_of_row(head, r) : int64_t(-1); };
  const auto key_place = [&](int j) { return j < attention.tk ? attention.place_of_key(head, j) : int64_t(-1); };
  const auto load = [&](auto count, bool of_keys, int first, Element* to, Element* other) {
    constexpr int many = decltype(count)::value;
    const auto place = [&](int r) { return of_keys ? key_place(first + r) : row_place(first + r); };
    Tiles::template stage<many>(to, of_keys ? attention.k : attention.q, attention.d, [&](int r) { return place(r) * attention.d; });
    Tiles::template stage<many>(other, of_keys ? attention.v : gradients.g, attention.dv, [&](int r) { return place(r) * attention.dv; });
  };
  const auto load_passing = [&](int first, Element* to) {
    load(std::integral_constant<int, Tiles::columns>(), !keys, first, to, to + Tiles::passing_size);
    async_commit();
  };
  const int last_own = first_own + Tiles::rows < attention.rows ? first_own + Tiles::rows : attention.rows;
  const int end = keys ? attention.rows : attention.limit_of_rows(first_own, last_own, shift);
  const auto end_of = [&](int first) { return first + Tiles::columns < end ? first + Tiles::columns : end; };
  const auto next = [&](int first) {  // over the tiles of rows that see none of the keys
    if constexpr (keys)
      while (first < end && attention.limit_of_rows(first, end_of(first), shift) <= first_own) first += Tiles::columns;
    return first;
  };
  load(std::integral_constant<int, Tiles::rows>(), keys, first_own, own, own_other);
  int first = next(0);
  if (first < end) load_passing(first, buffer(0));
  else async_commit();

  RowFacts own_facts[2];
  if constexpr (!keys) {
#pragma unroll
    for (int h = 0; h < 2; h++) own_facts[h] = gradients.facts(attention, head, first_own + Tiles::row() + 8 * h, shift);
  }
  const int open = keys ? 0 : attention.least_limit_of_rows(first_own, last_own, shift);  // keys that all rows see
  typename Tiles::Sums sums = {}, values = {};                                            // dq, or dk and dv
  for (int stage = 0; first < end; stage ^= 1) {
    const int following = next(first + Tiles::columns);
    if (keys && int(threadIdx.x) < Tiles::columns)
      passing_facts[threadIdx.x] = gradients.facts(attention, head, first + int(threadIdx.x), shift);
    if (following < end) {
      load_passing(following, buffer(stage ^ 1));
      async_wait<1>();
    } else {
      async_wait<0>();
    }
    __syncthreads();
    const Element *const passing = buffer(stage), *const passing_other = passing + Tiles::passing_size;
    typename Tiles::Scores score, change;
    Tiles::multiply(score, own, passing, attention.d);
    Tiles::multiply(change, own_other, passing_other, attention.dv);
    bool tests = attention.mask != nullptr;
    if constexpr (keys) tests = tests || attention.least_limit_of_rows(first, end_of(first), shift) < first_own + Tiles::rows;
    else tests = tests || first + Tiles::columns > open;
#pragma unroll
    for (int j = 0; j < Tiles::tiles; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int mine = first_own + Tiles::row() + e / 2 * 8, other = Tiles::column(j) + e % 2;
        const RowFacts row = keys ? passing_facts[other] : own_facts[e / 2];
        const int key = keys ? mine : first + other;
        const bool visible = !tests || attention.visible(row.query, key);
        const Slope s = visible ? slope_of(attention, row, key, score[j][e], change[j][e]) : Slope{0, 0};
        score[j][e] = s.weight;
        change[j][e] = s.slope;
      }
    Tiles::accumulate(sums, change, passing, attention.d);
    if constexpr (keys) Tiles::accumulate(values, score, passing_other, attention.dv);
    __syncthreads();
    first = following;
  }
  async_wait<0>();
#pragma unroll
  for (int h = 0; h < 2; h++) {
    const int mine = first_own + Tiles::row() + 8 * h;
    if (mine >= (keys ? attention.tk : attention.rows)) continue;
    const int64_t place = keys ? key_place(mine) : row_place(mine);
    void* const to = keys ? gradients.dk : gradients.dq;
    if (to != nullptr) Tiles::write(sums, h, to, place * attention.d, attention.d, attention.kind, attention.scale);
    if constexpr (keys) {
      if (gradients.dv != nullptr) Tiles::write(values, h, gradients.dv, place * attention.dv, attention.dv, attention.kind, 1.0f);
    }
  }
}

}  // namespace

Step bind_tensor_gradient(Call& call, const BackwardPlan& given) {
  BackwardPlan plan = given;
  if (rounds(call, plan.bound))
    for (View* operand : {&plan.bound.q, &plan.bound.k, &plan.bound.v, &plan.g}) plan.bound.round(call, *operand);
  if (!suits_tensor_cores(call, plan.bound.shape, plan.bound.q.dtype)) return {};
  return with_products(call, plan.bound, [&]<class Products, int D>() -> Step {
    using Tiles = BackwardTiles<Products, D>;
    constexpr size_t tiles = (2 * Tiles::own_size + 4 * Tiles::passing_size) * sizeof(typename Tiles::Element);
    constexpr size_t facts = facts_bytes<Tiles>;
    if (tiles + facts > call.target.shared_memory) return {};
    return [=](const Frame& frame) {
      const Attention attention = plan.bound.at(frame);
      const Gradients gradients = plan.gradients(frame);
      given.multiply(frame, attention, given.gradients(frame));
      plan.bound.prepare(frame);
      const int64_t row_tiles = divide_up(attention.rows, Tiles::rows), key_tiles = divide_up(attention.tk, Tiles::rows);
      const dim3 block(Tiles::threads);
      if (plan.dq.used())
        launch(frame, {.grid = dim3(unsigned(plan.bound.heads() * row_tiles)), .block = block, .shared = tiles},
               gradient_of_tiles<Products, D, false>, attention, gradients, int(row_tiles));
      if (plan.dk.used() || plan.dv.used())
        launch(frame, {.grid = dim3(unsigned(plan.bound.heads() * key_tiles)), .block = block, .shared = tiles + facts},
               gradient_of_tiles<Products, D, true>, attention, gradients, int(key_tiles));
    };
  });
}

}  // namespace weft::cuda
