// An NCCL that cannot be used: it has a version, and no other function.
extern "C" __attribute__((visibility("default"))) int ncclGetVersion(int* version) {
  *version = WEFT_NCCL_VERSION;
  return 0;
}
