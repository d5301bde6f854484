// Memory: device memory that has an owner.
#include "device.h"

namespace weft {

Memory::Memory(Device& device, size_t bytes) : device_(device), bytes_(bytes), data_(device.allocate(bytes)) {
  if (data_ == nullptr)  // the device is asked for its name only here, because that takes long
    throw Error("ERR_OUT_OF_MEMORY", "asked for " + std::to_string(bytes) + " bytes on " + device.facts().id + "; use smaller batches");
}

}  // namespace weft
