# cmake -DOUTPUT=FILE -DGRAMMAR=… -DWORDS=… -DERRORS=… -P write_reference_texts.cmake: the texts that `gradus help` carries, as raw strings that tools/reference.h declares.
file(READ ${GRAMMAR} grammar)
file(READ ${WORDS} words)
file(READ ${ERRORS} errors)
file(WRITE ${OUTPUT} "#include \"tools/reference.h\"\n\nnamespace gradus::tools {\n\nconst char kGrammarText[] = R\"gr_text(${grammar})gr_text\";\n
const char kWordsText[] = R\"gr_text(${words})gr_text\";\n
const char kErrorsText[] = R\"gr_text(${errors})gr_text\";\n\n}  // namespace gradus::tools\n")
