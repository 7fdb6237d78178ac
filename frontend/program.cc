#include "frontend/program.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "frontend/library.h"
#include "frontend/parser.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::string StemOf(const std::string& path) {
  std::string name = path.substr(DirectoryOf(path).size());
  return name.substr(0, name.find('.'));
}

class Loader {
 public:
  absl::StatusOr<Module> Load(std::shared_ptr<const SourceFile> source) {
    module_.directory = DirectoryOf(source->path());
    Add(std::move(source), false);
    for (const LibraryFile& file : LibraryFiles()) {
      auto text = SourceFile::Create(absl::StrCat(std::string(file.name), ".gr"), std::string(file.text));
      CHECK(text.ok()) << text.status();
      Add(*std::move(text), true);
    }
    RETURN_IF_ERROR(diagnostics_.ToStatus());
    return std::move(module_);
  }

 private:
  int Add(std::shared_ptr<const SourceFile> source, bool library) {
    const int index = static_cast<int>(module_.units.size());
    module_.units.push_back(std::make_unique<Module::Unit>());
    Module::Unit& unit = *module_.units.back();
    const std::string path = source->path();
    unit.stem = StemOf(path);
    unit.library = library;
    unit.file = Parse(std::move(source), diagnostics_);
    ReportDefinedTwice(unit.file);
    for (const ast::Definition& definition : unit.file.definitions) {
      const auto* import = definition.As<ast::Import>();
      if (import == nullptr) continue;
      const std::string wanted = import->path.rfind('/', 0) == 0 ? import->path : DirectoryOf(path) + import->path;
      if (const int imported = Import(wanted, import->path_range); imported >= 0) unit.imports.push_back(imported);
    }
    return index;
  }

  // Functions and layers are one kind of name, models another, recipes a third.
  void ReportDefinedTwice(const ast::File& file) {
    std::map<std::pair<int, std::string>, SourceRange> known;
    for (const ast::Definition& definition : file.definitions) {
      const auto report = [&](int kind, const ast::Identifier& name) {
        const auto [first, fresh] = known.emplace(std::pair(kind, name.text), name.range);
        if (fresh) return;
        diagnostics_.Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat(name.text, " is defined already"))
            .Note("it is first defined", first->second);
      };
      if (const auto* function = definition.As<ast::Function>()) report(0, function->name);
      if (const auto* layer = definition.As<ast::Layer>()) report(0, layer->name);
      if (const auto* model = definition.As<ast::Model>()) report(1, model->name);
      if (const auto* train = definition.As<ast::Train>()) {
        report(2, train->name.text.empty() ? train->model : train->name);
      }
    }
  }

  // -1 after an error. A file that imports itself, however it spells its path, is the unit that it is already.
  int Import(const std::string& wanted, SourceRange where) {
    const std::string path = std::filesystem::path(wanted).lexically_normal().string();
    for (size_t i = 0; i < module_.units.size(); ++i) {
      if (!module_.units[i]->library && module_.units[i]->file.source != nullptr &&
          std::filesystem::path(module_.units[i]->file.source->path()).lexically_normal() == path) {
        return static_cast<int>(i);
      }
    }
    auto source = SourceFile::Read(path);
    if (!source.ok()) {
      diagnostics_.Error(where, source.status());
      return -1;
    }
    return Add(*std::move(source), false);
  }

  Module module_;
  Diagnostics diagnostics_;
};

}  // namespace

absl::StatusOr<Module> LoadProgram(const std::string& path) {
  ASSIGN_OR_RETURN(auto source, SourceFile::Read(path));
  return Loader().Load(std::move(source));
}

absl::StatusOr<Module> ParseProgram(std::string path, std::string text) {
  ASSIGN_OR_RETURN(auto source, SourceFile::Create(std::move(path), std::move(text)));
  return Loader().Load(std::move(source));
}

}  // namespace gradus::frontend
