# The Node-API addon. CMAKE_JS_SRC is Windows' delay-load hook, CMAKE_JS_LIB its node.lib; both are empty elsewhere.
file(GLOB_RECURSE binding CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/binding/*.cc)
list(FILTER binding EXCLUDE REGEX "_test\\.cc$")

if(WIN32 AND CMAKE_JS_NODELIB_DEF AND CMAKE_JS_NODELIB_TARGET)
  execute_process(COMMAND ${CMAKE_LINKER} /lib /def:${CMAKE_JS_NODELIB_DEF} /out:${CMAKE_JS_NODELIB_TARGET}
                  ${CMAKE_STATIC_LINKER_FLAGS} COMMAND_ERROR_IS_FATAL ANY)
endif()

add_library(core SHARED ${binding} ${CMAKE_JS_SRC})
set_target_properties(core PROPERTIES PREFIX "" SUFFIX ".node")
target_include_directories(core SYSTEM PRIVATE ${CMAKE_JS_INC})
target_compile_definitions(core PRIVATE NAPI_VERSION=8 NAPI_CPP_EXCEPTIONS NODE_ADDON_API_DISABLE_DEPRECATED)
target_link_libraries(core PRIVATE tiny_options ${TINY_LINK_all} ${CMAKE_JS_LIB})
if(WIN32)
  target_link_libraries(core PRIVATE delayimp)
elseif(APPLE)
  target_link_options(core PRIVATE -undefined dynamic_lookup)
else()
  target_link_options(core PRIVATE -Wl,--gc-sections)
endif()
