#include "codegen/jit.h"

#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/check.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h"
#include "llvm/ExecutionEngine/Orc/Core.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Instrumentation/AddressSanitizer.h"
#if LLVM_VERSION_MAJOR >= 20
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#endif
#if LLVM_VERSION_MAJOR >= 21
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"
#else
#include "llvm/ExecutionEngine/Orc/ExecutorProcessControl.h"
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#endif

namespace gradus::codegen {
namespace {

namespace jitlink = llvm::jitlink;
namespace orc = llvm::orc;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

absl::Status ToStatus(llvm::Error error, absl::string_view doing) {
  return absl::InternalError(absl::StrCat(doing, ": ", llvm::toString(std::move(error))));
}

llvm::StringRef Ref(absl::string_view s) { return llvm::StringRef(s.data(), s.size()); }

// Makes a sanitizer build see the accesses of generated code too.
void Instrument(llvm::Module& module) {
  for (llvm::Function& function : module) {
    if (!function.isDeclaration()) function.addFnAttr(llvm::Attribute::SanitizeAddress);
  }
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes;
  passes.addPass(llvm::AddressSanitizerPass(llvm::AddressSanitizerOptions(), /*UseGlobalGC=*/false));
  passes.run(module, modules);
}

absl::StatusOr<std::string> Emit(llvm::Module& module, const ir::Target& target, CodegenLevel level,
                                 llvm::CodeGenFileType kind) {
  std::string complaint;
  llvm::raw_string_ostream complaints(complaint);
  CHECK(!llvm::verifyModule(module, &complaints)) << complaint;
  const std::unique_ptr<llvm::TargetMachine> machine = CreateTargetMachine(target, level);
  module.setTargetTriple(machine
                             ->getTargetTriple()
#if LLVM_VERSION_MAJOR < 21
                             .str()
#endif
  );
  module.setDataLayout(machine->createDataLayout());
  if (kAddressSanitizer) Instrument(module);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, out, nullptr, kind, /*DisableVerify=*/true)) {
    return absl::InternalError("this build of LLVM cannot write x86 objects");
  }
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

using Mappings = std::vector<std::pair<void*, size_t>>;

// Maps pages writable, lets the linker fill them, then gives each segment its final protection. Nothing is unmapped
// here: the pages outlive the session and belong to NativeCode.
class PageOwner : public jitlink::JITLinkMemoryManager {
 public:
  explicit PageOwner(Mappings& mappings) : mappings_(mappings) {}

  void allocate(const jitlink::JITLinkDylib*, jitlink::LinkGraph& graph, OnAllocatedFunction done) override {
    const uint64_t page = sysconf(_SC_PAGESIZE);
    jitlink::BasicLayout layout(graph);
    auto sizes = layout.getContiguousPageBasedLayoutSizes(page);
    if (!sizes) return done(sizes.takeError());
    const size_t bytes = sizes->total();
    void* base = nullptr;
    if (bytes > 0) {
      base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (base == MAP_FAILED) return done(llvm::make_error<llvm::StringError>("no memory for code", std::error_code()));
      mappings_.emplace_back(base, bytes);
    }
    std::vector<Protection> protections;
    char* next = static_cast<char*>(base);
    for (auto& [group, segment] : layout.segments()) {
      segment.WorkingMem = next;
      segment.Addr = orc::ExecutorAddr::fromPtr(next);
      const size_t size = (segment.ContentSize + segment.ZeroFillSize + page - 1) / page * page;
      protections.push_back({next, size, Flags(group.getMemProt())});
      next += size;
    }
    if (llvm::Error error = layout.apply()) return done(std::move(error));
    done(std::make_unique<InFlight>(base, std::move(protections)));
  }

  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& a : allocations) a.release();
    done(llvm::Error::success());
  }

 private:
  struct Protection {
    void* base;
    size_t bytes;
    int flags;
  };

  // Executable pages are never writable, whatever an object asks for.
  static int Flags(orc::MemProt protection) {
    const int bits = static_cast<int>(protection);
    if (bits & static_cast<int>(orc::MemProt::Exec)) return PROT_READ | PROT_EXEC;
    return PROT_READ | (bits & static_cast<int>(orc::MemProt::Write) ? PROT_WRITE : 0);
  }

  class InFlight : public InFlightAlloc {
   public:
    InFlight(void* base, std::vector<Protection> protections) : base_(base), protections_(std::move(protections)) {}
    void abandon(OnAbandonedFunction done) override { done(llvm::Error::success()); }
    void finalize(OnFinalizedFunction done) override {
      for (const Protection& p : protections_) {
        if (p.bytes > 0 && mprotect(p.base, p.bytes, p.flags) != 0) {
          return done(llvm::make_error<llvm::StringError>("the system refused to make pages executable",
                                                          std::error_code(errno, std::generic_category())));
        }
      }
      done(FinalizedAlloc(orc::ExecutorAddr::fromPtr(base_)));
    }

   private:
    void* base_;
    std::vector<Protection> protections_;
  };

  Mappings& mappings_;
};

#if defined(__SANITIZE_ADDRESS__)
// The sanitizer's own entry points are the one thing that instrumented code may call.
class SanitizerSymbols : public orc::DefinitionGenerator {
 public:
  llvm::Error tryToGenerate(orc::LookupState&, orc::LookupKind, orc::JITDylib& library, orc::JITDylibLookupFlags,
                            const orc::SymbolLookupSet& wanted) override {
    orc::SymbolMap found;
    for (const auto& [name, flags] : wanted) {
      if (!(*name).starts_with("__asan")) continue;
      if (void* address = dlsym(RTLD_DEFAULT, (*name).str().c_str())) {
        found[name] = {orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported};
      }
    }
    return library.define(orc::absoluteSymbols(std::move(found)));
  }
};
#endif

}  // namespace

absl::StatusOr<std::string> CompileModule(llvm::Module& module, const ir::Target& target, CodegenLevel level) {
  return Emit(module, target, level, llvm::CodeGenFileType::ObjectFile);
}

absl::StatusOr<std::string> AssembleModule(llvm::Module& module, const ir::Target& target, CodegenLevel level) {
  return Emit(module, target, level, llvm::CodeGenFileType::AssemblyFile);
}

std::string PrintModule(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out, nullptr);
  return text;
}

absl::Status CheckNoUndefinedSymbols(absl::string_view object, absl::Span<const std::string> provided) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(Ref(object), "object"));
  if (!file) return ToStatus(file.takeError(), "reading back an object");
  std::vector<std::string> missing;
  for (const llvm::object::SymbolRef& symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags) return ToStatus(flags.takeError(), "reading back an object");
    if (!name) return ToStatus(name.takeError(), "reading back an object");
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) == 0 || name->empty()) continue;
    if (kAddressSanitizer && name->starts_with("__asan")) continue;
    if (std::find(provided.begin(), provided.end(), name->str()) == provided.end()) missing.push_back(name->str());
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("generated code is not closed; it refers to ", absl::StrJoin(missing, ", ")));
}

NativeCode::~NativeCode() {
  for (const Mapping& m : mappings_) munmap(m.base, m.bytes);
}

void* NativeCode::Find(absl::string_view symbol) const {
  const auto found = symbols_.find(symbol);
  return found == symbols_.end() ? nullptr : found->second;
}

int64_t NativeCode::bytes() const {
  int64_t total = 0;
  for (const Mapping& m : mappings_) total += static_cast<int64_t>(m.bytes);
  return total;
}

absl::StatusOr<NativeCode> Link(absl::Span<const std::string> objects, absl::Span<const std::string> symbols) {
  Mappings mappings;
  PageOwner pages(mappings);
  NativeCode code;
  absl::Status status = [&]() -> absl::Status {
    auto control = orc::SelfExecutorProcessControl::Create();
    if (!control) return ToStatus(control.takeError(), "starting the linker");
    orc::ExecutionSession session(std::move(*control));
    struct EndSession {
      orc::ExecutionSession& session;
      ~EndSession() { llvm::consumeError(session.endSession()); }
    } end{session};
    std::string complaint;
    session.setErrorReporter([&](llvm::Error error) { absl::StrAppend(&complaint, llvm::toString(std::move(error))); });
    orc::ObjectLinkingLayer layer(session, pages);
    orc::JITDylib& library = session.createBareJITDylib("gradus");
#if defined(__SANITIZE_ADDRESS__)
    library.addGenerator(std::make_unique<SanitizerSymbols>());
#endif
    int number = 0;
    for (const std::string& object : objects) {
      // The linker names initialisers, which only a sanitizer build has, after their object.
      auto buffer = llvm::MemoryBuffer::getMemBufferCopy(Ref(object), absl::StrCat("gradus.", number++, ".o"));
      if (llvm::Error error = layer.add(library, std::move(buffer)))
        return ToStatus(std::move(error), "adding an object");
    }
    for (const std::string& symbol : symbols) {
      auto found = session.lookup({&library}, symbol);
      if (!found) return ToStatus(found.takeError(), absl::StrCat("linking `", symbol, "`", complaint));
      code.symbols_[symbol] = found->getAddress().toPtr<void*>();
    }
    return absl::OkStatus();
  }();
  for (const auto& [base, bytes] : mappings) code.mappings_.push_back({base, bytes});
  if (!status.ok()) return status;
  return code;
}

}  // namespace gradus::codegen
