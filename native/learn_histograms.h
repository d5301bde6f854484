// Histograms of boosted trees: what weftjs/learn counts and searches, feature by feature.
#pragma once
#include <cstddef>
#include <cstdint>

namespace weft::learn {

/** Rows in bins. The bins of features 4g .. 4g + 3 of a row are the bytes of words[g * rows + row], lowest first. */
struct Binned {
  size_t rows, groups, features;
  const int32_t* words;    // [groups][rows]
  const int32_t* common;   // [groups]: bins that many rows have; any word is right
  const int32_t* begins;   // [4 * groups + 1]: where each feature begins in a histogram; the last bin is of missing values
  const uint8_t* missing;  // [features]
};

/** A node: its sums, and how many rows it has. */
struct Node {
  double gradient, hessian, rows;
};

struct Split {
  double gain = 0, feature = -1, bin = 0, missing_left = 0;
};

struct Limits {
  double least_rows, l2;
};

/**
 * Counts rows of a node into its histogram, [bins] of slope, curvature and number of rows. pairs: slope and curvature
 * of each. Where there is a parent, its histogram becomes that of the rest of its rows. Both get their best split.
 */
void fill(const Binned& data, const int32_t* rows, size_t count, const double* pairs, double* histogram, double* parent, const Node& node,
          const Node& rest, const Limits& limits, Split& best, Split& best_of_rest);

}  // namespace weft::learn
