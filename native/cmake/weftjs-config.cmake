# What find_package(weftjs) brings: weft_kernel_library(), for kernels that loadKernels() of weftjs opens.
get_filename_component(WEFT_NATIVE ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

# weft_kernel_library(name source...): build/name.so, of files with KERNEL(cpu, op) and one WEFT_KERNEL_LIBRARY. It is
# built with optimization unless CMAKE_BUILD_TYPE says otherwise.
function(weft_kernel_library name)
  add_library(${name} MODULE ${ARGN} ${WEFT_NATIVE}/kernel.cc)
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_include_directories(${name} PRIVATE ${WEFT_NATIVE})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so CXX_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  if(NOT CMAKE_BUILD_TYPE)
    target_compile_options(${name} PRIVATE -O3)
  endif()
endfunction()
