// Memory of a device with an owner.
#include "device.h"

namespace weft {

Memory::Memory(Device& device, size_t bytes) : device_(device), bytes_(bytes), data_(device.allocate(bytes)) {
  require(data_ != nullptr, "ERR_OUT_OF_MEMORY", "asked for ", bytes, " bytes on ", device.facts().id, "; use smaller batches");
}

}  // namespace weft
