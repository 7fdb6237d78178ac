# cmake -DOUTPUT=FILE -DFILES=A;B -P write_library_text.cmake: each file becomes a raw string in the table that frontend/library.h declares.
set(text "#include \"frontend/library.h\"\n\nnamespace gradus::frontend {\n\nstatic constexpr LibraryFile kFiles[] = {\n")
foreach(path IN LISTS FILES)
  get_filename_component(name ${path} NAME_WE)
  file(READ ${path} content)
  string(APPEND text "    {\"${name}\", R\"gr_text(${content})gr_text\"},\n")
endforeach()
string(APPEND text "};\n\nabsl::Span<const LibraryFile> LibraryFiles() { return kFiles; }\n\n}  // namespace gradus::frontend\n")
file(WRITE ${OUTPUT} "${text}")
