# Writes the language library, frontend/lib/*.gr, into one generated source file, so that the compiler carries it.
function(gradus_embed_library target)
  file(GLOB library_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/frontend/lib/*.gr)
  set(generated ${PROJECT_BINARY_DIR}/generated/frontend/library_text.cc)
  add_custom_command(
    OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${generated} "-DFILES=${library_files}" -P
            ${PROJECT_SOURCE_DIR}/cmake/write_library_text.cmake
    DEPENDS ${library_files} ${PROJECT_SOURCE_DIR}/cmake/write_library_text.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${generated})
endfunction()
