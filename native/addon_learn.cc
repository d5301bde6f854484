// What weftjs/learn computes here: histograms of boosted trees.
#include "addon.h"
#include "learn_histograms.h"

namespace weft {
namespace {

struct Values {
  void* data;
  size_t length;
  int32_t* ints() const { return static_cast<int32_t*>(data); }
  double* doubles() const { return static_cast<double*>(data); }
};

[[gnu::noinline]] Values values_of(napi_env env, napi_value value, napi_typedarray_type wanted) {
  napi_typedarray_type type;
  Values values;
  const bool found = napi_get_typedarray_info(env, value, &type, &values.length, &values.data, nullptr, nullptr) == napi_ok;
  require(found && type == wanted, "ERR_ARGUMENT", "fillHistogram: an array is of another type");
  return values;
}

/** Whether features begin one behind the other, each with two bins or more, and rows are rows. */
bool fit(const Values& begins, const Values& rows, size_t all) {
  for (size_t f = 0; f + 1 < begins.length; f++)
    if (begins.ints()[f + 1] < begins.ints()[f] + 6) return false;
  for (size_t i = 0; i < rows.length; i++)
    if (rows.ints()[i] < 0 || size_t(rows.ints()[i]) >= all) return false;
  return true;
}

/**
 * fillHistogram({ words, common, begins, missing }, rows, pairs, histogram, parent or null, numbers, best): see
 * learn_histograms.h. numbers: slope, curvature and rows of the node, those of the rest of its parent's rows, the
 * fewest rows of a leaf, l2. best: gain, feature, bin and side of missing values of both.
 */
Napi::Value fill_histogram(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const auto given = info[0].As<Napi::Object>();
    const auto array = [&](napi_value value, napi_typedarray_type type) { return values_of(env, value, type); };
    const Values words = array(given.Get("words"), napi_int32_array), common = array(given.Get("common"), napi_int32_array);
    const Values begins = array(given.Get("begins"), napi_int32_array), missing = array(given.Get("missing"), napi_uint8_array);
    const Values rows = array(info[1], napi_int32_array), pairs = array(info[2], napi_float64_array);
    const Values histogram = array(info[3], napi_float64_array);
    const Values parent = info[4].IsNull() ? Values{nullptr, histogram.length} : array(info[4], napi_float64_array);
    const Values numbers = array(info[5], napi_float64_array), best = array(info[6], napi_float64_array);
    const size_t groups = common.length, all = groups > 0 ? words.length / groups : 0;
    const bool fits = groups > 0 && words.length == all * groups && begins.length == 4 * groups + 1 && missing.length <= 4 * groups &&
                      pairs.length >= 2 * rows.length && begins.ints()[0] == 0 && size_t(begins.ints()[4 * groups]) == histogram.length &&
                      parent.length == histogram.length && numbers.length == 8 && best.length == 8 && fit(begins, rows, all);
    require(fits, "ERR_ARGUMENT", "fillHistogram: its arrays do not fit together");
    const double* n = numbers.doubles();
    learn::Split own, rest;
    const learn::Binned binned{
        all, groups, missing.length, words.ints(), common.ints(), begins.ints(), static_cast<uint8_t*>(missing.data)};
    learn::fill(binned, rows.ints(), rows.length, pairs.doubles(), histogram.doubles(), parent.doubles(), {n[0], n[1], n[2]},
                {n[3], n[4], n[5]}, {n[6], n[7]}, own, rest);
    double* to = best.doubles();
    for (const learn::Split& split : {own, rest}) {
      *to++ = split.gain;
      *to++ = split.feature;
      *to++ = split.bin;
      *to++ = split.missing_left;
    }
    return env.Undefined();
  });
}

}  // namespace

std::vector<Exported> learn_functions() { return {{"fillHistogram", fill_histogram}}; }

}  // namespace weft
