// lstm and its gradient (Hochreiter and Schmidhuber 1997): recurrent.cu says how they are run.
#include "recurrent.h"

namespace weft::cuda {

KERNEL(cuda, lstm) { return bind_recurrence(call, Cell::lstm); }
KERNEL(cuda, lstmGrad) { return bind_recurrence_gradient(call, Cell::lstm); }

}  // namespace weft::cuda
