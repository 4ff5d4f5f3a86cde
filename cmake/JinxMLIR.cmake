# MLIR and LLVM 22: found once, offered as the interface target `jinx_mlir`.
find_package(MLIR 22.1 REQUIRED CONFIG)
find_package(LLD 22.1 REQUIRED CONFIG)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# Debian ships shared and static MLIR; mixing them gives two copies of every registry. Development links the shared ones.
add_library(jinx_mlir INTERFACE)
target_include_directories(jinx_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(jinx_mlir INTERFACE MLIR LLVM)
target_compile_definitions(jinx_mlir INTERFACE ${LLVM_DEFINITIONS_LIST})
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
