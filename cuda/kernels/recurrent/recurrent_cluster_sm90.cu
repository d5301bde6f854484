// Recurrent layers in one launch, where the recurrent weights fit the shared memory of a cluster
// (recurrent_persistent.cuh): states and sums go from block to block through distributed shared memory, one barrier of
// the cluster per step.
#include "cluster.cuh"
#include "recurrent_persistent.cuh"

namespace weft::cuda {
namespace {

/** A team of 8 blocks, the most that every sm_90 can run as a cluster. */
struct Cluster {
  static constexpr unsigned size = 8;
  static __device__ __forceinline__ unsigned rank() { return cluster_rank(); }
  static __device__ __forceinline__ void sync() {
    __syncwarp();  // the barrier wants whole warps, and a loop before it may have parted them
    cluster_sync();
  }
  template <class X> static __device__ __forceinline__ X* at(X* shared, unsigned rank) { return cluster_map(shared, rank); }
};

}  // namespace

bool can_cluster(const Recurrence& run, const Target& target, bool backward) {
  return target.capability == 90 && team_fits(run, target, int(Cluster::size), backward);
}

/** Where few clusters run one after the other: each takes as long for its rows as the first. */
bool cluster_pays(const Recurrence& run, const Target& target) {
  const int64_t clusters = divide_up(run.s.batch, persistent_rows),
                at_once = std::max<int64_t>(1, target.multiprocessors / int(Cluster::size));
  return divide_up(clusters, at_once) <= 4;
}

Step bind_cluster(Call& call, const Recurrence& run, bool backward) {
  return dispatch_math(run, [&]<class T, bool exact>() { return bind_team<T, exact, Cluster>(call, run, backward); });
}

}  // namespace weft::cuda
