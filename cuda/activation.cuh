// Activations that products and convolutions apply to a result before it is stored.
#pragma once
#include <string>

#include "vocabulary.cuh"

namespace weft::cuda {

enum class Activation : int { linear, relu, sigmoid, tanh };

/** By the name in the call's attributes; ERR_ARGUMENT. */
inline Activation activation_named(const std::string& name) {
  if (name == "linear") return Activation::linear;
  if (name == "relu") return Activation::relu;
  if (name == "sigmoid") return Activation::sigmoid;
  require(name == "tanh", "ERR_ARGUMENT", "unknown activation '", name, "'");
  return Activation::tanh;
}

__device__ __forceinline__ float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::sigmoid: return 1 / (1 + expf(-x));
    case Activation::tanh: return tanhf(x);
    default: return x;
  }
}

}  // namespace weft::cuda
