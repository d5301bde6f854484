// gru and its gradient (Cho et al. 2014), with the reset gate after or before the product: recurrent.cu says how they
// are run.
#include "recurrent.h"

namespace weft::cuda {

KERNEL(cuda, gru) { return bind_recurrence(call, Cell::gru); }
KERNEL(cuda, gruGrad) { return bind_recurrence_gradient(call, Cell::gru); }

}  // namespace weft::cuda
