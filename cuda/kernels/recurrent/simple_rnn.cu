// simpleRnn and its gradient (Elman 1990): recurrent.cu says how they are run.
#include "recurrent.h"

namespace weft::cuda {

KERNEL(cuda, simpleRnn) { return bind_recurrence(call, Cell::simple); }
KERNEL(cuda, simpleRnnGrad) { return bind_recurrence_gradient(call, Cell::simple); }

}  // namespace weft::cuda
