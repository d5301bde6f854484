// Histograms of boosted trees. Four features are taken at once, so that what is counted is searched while it is in the
// cache.
#include "learn_histograms.h"

#include <algorithm>

namespace weft::learn {
namespace {

/** The least curvature of a side of a split. */
constexpr double least_hessian = 1e-3;
/** Less than 1 by more than what rounding adds to a product. */
constexpr double barely = 1 - 1e-14;

struct Bin {
  double gradient, hessian, rows;
  void add(double g, double h, double n) {
    gradient += g;
    hessian += h;
    rows += n;
  }
};

/** Rows whose bins are the common ones are summed first: of images and of counts there are many. */
void count(const int32_t* words, uint32_t common, const int32_t* rows, size_t count, const double* pairs, Bin* a, Bin* b, Bin* c, Bin* d) {
  Bin sums{0, 0, 0};
  for (size_t i = 0; i < count; i++) {
    const auto word = uint32_t(words[rows[i]]);
    const double g = pairs[2 * i], h = pairs[2 * i + 1];
    if (word == common) {
      sums.add(g, h, 1);
      continue;
    }
    a[word & 255].add(g, h, 1);
    b[word >> 8 & 255].add(g, h, 1);
    c[word >> 16 & 255].add(g, h, 1);
    d[word >> 24].add(g, h, 1);
  }
  if (sums.rows == 0) return;
  a[common & 255].add(sums.gradient, sums.hessian, sums.rows);
  b[common >> 8 & 255].add(sums.gradient, sums.hessian, sums.rows);
  c[common >> 16 & 255].add(sums.gradient, sums.hessian, sums.rows);
  d[common >> 24].add(sums.gradient, sums.hessian, sums.rows);
}

double worth(double gradient, double hessian) { return gradient * gradient / (hessian + 1e-15); }

/** The best split by one feature, where it is better than `best`. Missing values are in the bin behind the last. */
void search(const Bin* bins, int last, bool missing, size_t feature, const Node& node, const Limits& limits, Split& best) {
  if (node.rows < 2 * limits.least_rows) return;
  const double before = worth(node.gradient, node.hessian + limits.l2);
  // missing values go right, and then left; the last bin of all values is a side of its own only against them
  for (int left = 0; left <= int(missing); left++) {
    Bin sum = left ? bins[last + 1] : Bin{0, 0, 0};
    const int stop = missing && !left ? last : last - 1;
    double limit = (best.gain + before) * barely;
    for (int bin = 0; bin <= stop; bin++) {
      // an empty bin parts the rows as the one before it
      if (bins[bin].rows == 0) continue;
      sum.add(bins[bin].gradient, bins[bin].hessian, bins[bin].rows);
      if (sum.rows < limits.least_rows || sum.hessian < least_hessian) continue;
      const double g = node.gradient - sum.gradient, h = node.hessian - sum.hessian;
      if (node.rows - sum.rows < limits.least_rows || h < least_hessian) break;
      // both quotients over one denominator: most bins need no division
      const double a = sum.hessian + limits.l2, b = h + limits.l2;
      if (sum.gradient * sum.gradient * b + g * g * a <= limit * (a * b)) continue;
      const double gain = worth(sum.gradient, a) + worth(g, b) - before;
      if (!(gain > best.gain)) continue;
      best = {gain, double(feature), double(bin), double(left)};
      limit = (gain + before) * barely;
    }
  }
}

}  // namespace

void fill(const Binned& data, const int32_t* rows, size_t number, const double* pairs, double* histogram, double* parent, const Node& node,
          const Node& rest, const Limits& limits, Split& best, Split& best_of_rest) {
  for (size_t group = 0; group < data.groups; group++) {
    const int32_t* begins = data.begins + 4 * group;
    std::fill(histogram + begins[0], histogram + begins[4], 0.0);
    const auto at = [&](double* base, size_t k) { return reinterpret_cast<Bin*>(base + begins[k]); };
    count(data.words + group * data.rows, uint32_t(data.common[group]), rows, number, pairs, at(histogram, 0), at(histogram, 1),
          at(histogram, 2), at(histogram, 3));
    if (parent)
      for (int32_t i = begins[0]; i < begins[4]; i++) parent[i] -= histogram[i];
    for (size_t k = 0; k < 4 && 4 * group + k < data.features; k++) {
      const size_t feature = 4 * group + k;
      const int last = (begins[k + 1] - begins[k]) / 3 - 2;
      search(at(histogram, k), last, data.missing[feature], feature, node, limits, best);
      if (parent) search(at(parent, k), last, data.missing[feature], feature, rest, limits, best_of_rest);
    }
  }
}

}  // namespace weft::learn
