# Text files as constants in a C++ header: how device code and other sources travel inside the binaries.
#
# jinx_embed_text(TARGET HEADER NAMESPACE ns TABLE kTable FILES a.cuh b.cuh …)  a table of {file name, content}
# jinx_embed_text(TARGET HEADER NAMESPACE ns NAMES kA kB … FILES a b …)         one constant a file
#
# HEADER is below the build tree's root and is included as it is named here. The header is made anew when a file changes.
function(jinx_embed_text target header)
  cmake_parse_arguments(E "" "NAMESPACE;TABLE" "NAMES;FILES" ${ARGN})
  set(output ${PROJECT_BINARY_DIR}/${header})
  set(paths)
  foreach(file IN LISTS E_FILES)
    list(APPEND paths ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  string(REPLACE ";" "," joinedPaths "${paths}")
  string(REPLACE ";" "," joinedNames "${E_NAMES}")
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DNAMESPACE=${E_NAMESPACE} -DTABLE=${E_TABLE} -DNAMES=${joinedNames}
            -DFILES=${joinedPaths} -P ${JINX_EMBED_SCRIPT}
    DEPENDS ${paths} ${JINX_EMBED_SCRIPT}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
set(JINX_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/JinxEmbedScript.cmake)
