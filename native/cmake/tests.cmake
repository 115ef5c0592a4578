# tests/tests_<layer>: doctest, every src/<layer>/**/*_test.cc and the tables they read, *_cases.cc. Not in "all": an ordinary build
# does not want them.
find_path(TINY_DOCTEST_DIR doctest/doctest.h NO_CMAKE_FIND_ROOT_PATH)
if(NOT TINY_DOCTEST_DIR)
  message(FATAL_ERROR "doctest/doctest.h not found: install doctest-dev (Debian), doctest (Homebrew) or set TINY_DOCTEST_DIR")
endif()
# A copy, because the header's own folder may be a system include folder of another architecture.
file(COPY ${TINY_DOCTEST_DIR}/doctest/doctest.h DESTINATION ${CMAKE_CURRENT_BINARY_DIR}/doctest)

add_library(tiny_test_main OBJECT src/test_main.cc)
target_include_directories(tiny_test_main SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
target_compile_options(tiny_test_main PRIVATE $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-O0>)

set(test_targets "")
foreach(layer base runtime kernels graph formats ops)
  if(layer STREQUAL "kernels" AND TINY_KERNEL_FAMILIES)
    set(tests "")
    foreach(family ${TINY_KERNEL_FAMILIES})
      file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/${family}/*_test.cc)
      list(APPEND tests ${found})
    endforeach()
  else()
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/${layer}/*_test.cc
         ${CMAKE_CURRENT_SOURCE_DIR}/src/${layer}/*_cases.cc)
  endif()
  if(NOT tests)
    continue()
  endif()
  add_executable(tests_${layer} EXCLUDE_FROM_ALL ${tests})
  set_target_properties(tests_${layer} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/tests
    RUNTIME_OUTPUT_DIRECTORY_RELEASE ${CMAKE_CURRENT_BINARY_DIR}/tests)
  target_link_libraries(tests_${layer} PRIVATE tiny_options tiny_test_main ${TINY_LINK_${layer}})
  list(APPEND test_targets tests_${layer})
endforeach()
add_custom_target(tests DEPENDS ${test_targets})
